"""The part of the page where the spectra are points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import panel as pn
from numpy.typing import NDArray

from stellar_tf.explore import captions
from stellar_tf.explore.colouring import colour_by
from stellar_tf.explore.controls import style
from stellar_tf.explore.dimensions import MovableDimension
from stellar_tf.explore.plane_figure import PlaneFigure, Point
from stellar_tf.explore.session import Session

SPLIT = "split"
"""Colours by this when there is no label."""


class Plane:
    """
    The latent plane with its axes and colours to choose.

    Parameters
    ----------
    session : Session
        What the person looks at.
    pick : callable
        Called with the row of the spectrum that was pointed at.
    """

    def __init__(self, session: Session, pick: Callable[[int], None]) -> None:
        self._session = session
        self._pick = pick
        survey = session.explorer.survey
        dimensions = {d.name: d for d in survey.dimensions}
        names = list(dimensions)
        self.horizontal = pn.widgets.Select(
            label="Horizontal",
            options=dimensions,
            value=dimensions[names[0]],
            **style(),
        )
        self.vertical = pn.widgets.Select(
            label="Vertical",
            options=dimensions,
            value=dimensions[names[min(1, len(names) - 1)]],
            **style(),
        )
        self.label = pn.widgets.Select(
            label="Colour by",
            options=[*survey.labels, SPLIT],
            value=self._first_label(),
            **style(),
        )
        self.choices = (self.horizontal, self.vertical, self.label)
        """The three lists."""
        self.legend = pn.pane.HTML("", **style())
        """What the colours mean."""
        self.figure = PlaneFigure(survey, self._point)
        for widget in self.choices:
            widget.param.watch(lambda _: self.show(), "value")

    @property
    def axes(self) -> tuple[MovableDimension, MovableDimension]:
        """The horizontal and the vertical dimension."""
        return self.horizontal.value, self.vertical.value

    def show(self) -> None:
        """Draw all points and marks."""
        survey, name = self._session.explorer.survey, str(self.label.value)
        unit = survey.units.get(name, "")
        colouring = colour_by(survey.labels.get(name, survey.split), unit)
        self.figure.show_points(self.axes, colouring)
        self.legend.object = captions.draw_point_legend(colouring, name, unit)
        self.show_marks()

    def show_marks(self) -> None:
        """Draw where the session is."""
        session = self._session
        across, up = (dimension.index for dimension in self.axes)

        def project(z: NDArray[np.floating]) -> Point:
            return float(z[across]), float(z[up])

        start, changed = project(session.start.z_mean), project(session.z)
        rows = [n.row for n in session.neighbours] if session.mode == "compare" else []
        z_mean = session.explorer.survey.z_mean
        has_moved = changed != start and session.mode == "change"
        self.figure.show_marks(
            start,
            changed if has_moved else None,
            [project(z_mean[row]) for row in rows],
        )

    def _first_label(self) -> str:
        """Prefer a label that a dimension tracks, but not that of the axes shown."""
        survey = self._session.explorer.survey
        tracked = [d.tracks for d in survey.dimensions if d.tracks in survey.labels]
        return next(iter([*tracked[1:], *tracked, *survey.labels, SPLIT]))

    def _point(self, point: Point, span: Point) -> None:
        across, up = self.axes
        survey = self._session.explorer.survey
        self._pick(survey.nearest_in_plane(point, (across.index, up.index), span))
