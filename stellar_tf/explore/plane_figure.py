"""The spectra as points in a plane of the latent space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from bokeh.events import Tap
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    PanTool,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from stellar_tf.explore.colouring import Colouring
from stellar_tf.explore.dimensions import MovableDimension
from stellar_tf.explore.survey import Survey
from stellar_tf.figures.style import GREEN, GREY, VERMILLION

MAX_POINTS = 20_000
"""More spectra than these are not drawn; all can be found and pointed at."""

Point = tuple[float, float]


class PlaneFigure:
    """
    A scatter of two latent dimensions.

    Parameters
    ----------
    survey : Survey
        The spectra.
    on_tap : callable
        Called with the point and the size of the plane when the person clicks there.
    """

    def __init__(self, survey: Survey, on_tap: Callable[[Point, Point], None]) -> None:
        self._survey = survey
        self._on_tap = on_tap
        self.rows = choose_rows(len(survey))
        """Rows of the spectra that are drawn."""
        self._points = ColumnDataSource({n: [] for n in ("x", "y", "c", "m", "name")})
        self._marks = {
            name: ColumnDataSource({"x": [], "y": [], "text": []})
            for name in ("start", "changed", "neighbours")
        }
        self._shown: dict[str, list[Point]] = {}
        self.panel = self._build()
        """The Bokeh figure."""

    def show_points(
        self, axes: tuple[MovableDimension, MovableDimension], colouring: Colouring
    ) -> None:
        """
        Draw the spectra.

        Parameters
        ----------
        axes : tuple of MovableDimension
            Horizontal and vertical.
        colouring : Colouring
            Of all spectra.
        """
        z = self._survey.z_mean[self.rows]
        self._points.data = {
            "x": z[:, axes[0].index],
            "y": z[:, axes[1].index],
            "c": colouring.rgba[self.rows],
            "m": colouring.marker[self.rows],
            "name": self._survey.star[self.rows],
        }
        self.panel.xaxis.axis_label = axes[0].name
        self.panel.yaxis.axis_label = axes[1].name

    def show_marks(
        self, start: Point, changed: Point | None, neighbours: Sequence[Point]
    ) -> None:
        """
        Draw where the session is.

        Parameters
        ----------
        start : tuple of float
            The start.
        changed : tuple of float or None
            The moved code; None if it has not moved.
        neighbours : sequence of tuple of float
            The neighbours, nearest first.
        """
        marks = {
            "start": [start],
            "changed": [] if changed is None else [changed],
            "neighbours": list(neighbours),
        }
        for name, points in marks.items():
            if self._shown.get(name) == points:
                continue  # it need not be sent again
            self._shown[name] = points
            self._marks[name].data = {
                "x": [x for x, _ in points],
                "y": [y for _, y in points],
                "text": [str(i) for i in range(1, len(points) + 1)],
            }

    def _build(self) -> figure:
        hover = HoverTool(tooltips=[("", "@name")], visible=False)
        wheel, pan = WheelZoomTool(modifiers="ctrl"), PanTool()
        built = figure(
            height=340,
            sizing_mode="stretch_width",
            tools=[pan, BoxZoomTool(), wheel, ResetTool(), hover],
            toolbar_location="above",
            x_range=DataRange1d(),
            y_range=DataRange1d(),
        )
        built.toolbar.logo = None
        built.toolbar.active_scroll = wheel
        built.axis.axis_label_text_font_style = "normal"
        built.grid.grid_line_color = GREY
        built.grid.grid_line_alpha = 0.25
        points = built.scatter(
            "x", "y", source=self._points, marker="m", fill_color="c", line_color="c",
            size=4 if len(self.rows) > 3000 else 6, fill_alpha=0.7, line_alpha=0.7,
        )  # fmt: skip
        hover.renderers = [points]
        # The marks follow the sliders: they are not to rescale the plane.
        built.x_range.renderers = built.y_range.renderers = [points]
        self._add_marks(built)
        built.on_event(Tap, self._tap)
        return built

    def _add_marks(self, built: figure) -> None:
        near, start = self._marks["neighbours"], self._marks["start"]
        # Each with a halo, for what is beneath may have any colour.
        for source, marker, size, colour in (
            (near, "square", 11, GREEN), (start, "circle", 20, "black")
        ):  # fmt: skip
            for width, ink in ((6, "white"), (2.5, colour)):
                built.scatter(
                    "x", "y", source=source, marker=marker, size=size, fill_alpha=0.0,
                    line_color=ink, line_width=width,
                )  # fmt: skip
        built.text(
            "x", "y", "text", source=near, x_offset=9, y_offset=-5,
            text_color=GREEN, text_font_size="13px", text_font_style="bold",
        )  # fmt: skip
        built.scatter(
            "x", "y", source=self._marks["changed"], marker="diamond", size=18,
            fill_color=VERMILLION, line_color="white", line_width=1.5,
        )  # fmt: skip

    def _tap(self, event: Tap) -> None:
        x, y = self.panel.x_range, self.panel.y_range
        span = (abs(x.end - x.start), abs(y.end - y.start))
        self._on_tap((event.x, event.y), span)


def choose_rows(n_spectra: int) -> NDArray[np.intp]:
    """
    Choose the spectra that are drawn.

    Parameters
    ----------
    n_spectra : int
        How many there are.

    Returns
    -------
    rows : ndarray of int
        All, or `MAX_POINTS` of them drawn at random, always the same ones.
    """
    if n_spectra <= MAX_POINTS:
        return np.arange(n_spectra)
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(n_spectra, MAX_POINTS, replace=False))
