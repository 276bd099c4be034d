"""One person's page: its parts around a session."""

from __future__ import annotations

from collections.abc import Set
from functools import partial
from importlib import resources
from typing import Any

import panel as pn

from stellar_tf.explore import captions
from stellar_tf.explore.controls import (
    WIDE,
    build_button,
    build_grid,
    build_sliders,
    style,
)
from stellar_tf.explore.explorer import Explorer, Subject
from stellar_tf.explore.finding import Finder
from stellar_tf.explore.plane import Plane
from stellar_tf.explore.session import N_NEIGHBOURS, Session
from stellar_tf.explore.spectrum_figure import MOVED, SpectrumFigure
from stellar_tf.explore.viewing import Viewer, choose_first_view, choose_names

MODES = {"Change it": "change", "What is like it?": "compare"}
"""What can be done with the start, and the session's name of it."""


class Page:
    """
    The page; every change goes through the session, and then what differs is drawn.

    Parameters
    ----------
    explorer : Explorer
        The run.
    """

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self.session = Session(explorer)
        self.session.view = choose_first_view(self.session)
        self._is_setting = self._is_due = False
        self._stale: set[str] = set()
        self.figure = SpectrumFigure(explorer.wave, self._follow_view)
        self.viewer = Viewer(self.session, self._show_view)
        self.finder = Finder(explorer, self._start_from)
        self.plane = Plane(self.session, self._pick)
        self._build_modes()
        self.busy, self.subject, self.legend = (
            pn.pane.HTML("", **style()) for _ in range(3)
        )
        self.plane.show()
        self.finder.take(self.session.start)
        self._show_mode()

    def build(self) -> pn.Template:
        """
        Lay the page out.

        Returns
        -------
        template : panel.Template
            To be served.
        """
        folder = resources.files("stellar_tf.explore").joinpath("templates")
        text = folder.joinpath("page.html.j2").read_text(encoding="utf-8")
        template = pn.Template(text, items=self._items())
        run = self._explorer.run.folder.resolve().name
        for name, value in {
            "style": folder.joinpath("page.css").read_text(encoding="utf-8"),
            "title": f"stellar-tf explore: {run}",
            "run": run,
            "summary": captions.describe_run(self._explorer),
        }.items():
            template.add_variable(name, value)
        return template

    def _build_modes(self) -> None:
        self.mode = pn.widgets.RadioBoxGroup(
            label="Mode", options=MODES, value="change", inline=True, **style()
        )
        self.mode.param.watch(lambda _: self._show_mode(), "value")
        self.sliders = build_sliders(self._explorer.dimensions, self._move)
        self.meanings = {
            d.index: pn.pane.HTML("", **style())
            for d in self._explorer.dimensions
            if d.unit_map is not None
        }
        self.moved = pn.pane.HTML("", **style())
        self.changing = pn.Column(
            build_grid(*map(self._put_meaning_below, self.sliders), width="17rem"),
            pn.FlexBox(build_button("Back to the start", self._reset)),
            self.moved,
            **WIDE,
        )
        self.neighbours = [
            build_button("", partial(self._pick_neighbour, i))
            for i in range(N_NEIGHBOURS)
        ]
        self.comparing = pn.Column(pn.FlexBox(*self.neighbours), **WIDE)

    def _put_meaning_below(self, index: int) -> Any:
        slider = self.sliders[index]
        if index not in self.meanings:
            return slider
        return pn.Column(slider, self.meanings[index], **WIDE)

    def _items(self) -> dict[str, pn.Column]:
        finder, plane, viewer = self.finder, self.plane, self.viewer
        # Every root of its own makes the page slower to open.
        return {
            "start": pn.Column(
                build_grid(finder.text, finder.found, width="8rem"),
                *(finder.buttons, finder.upload, finder.message, self.subject),
                **WIDE,
            ),
            "plane": pn.Column(
                build_grid(*plane.choices, width="6.5rem"),
                *(pn.pane.Bokeh(plane.figure.panel, **WIDE), plane.legend),
                **WIDE,
            ),
            "spectrum": pn.Column(
                *(self.mode, self.busy, self.legend),
                *(
                    pn.pane.Bokeh(panel, **WIDE)
                    for panel in self.figure.panels.values()
                ),
                build_grid(viewer.buttons, viewer.line, width="12rem"),
                *(self.changing, self.comparing),
                **WIDE,
            ),
        }

    def _pick(self, row: int) -> None:
        self.finder.take(self._explorer.pick(row))

    def _pick_neighbour(self, number: int) -> None:
        self._pick(self.session.neighbours[number].row)

    def _start_from(self, subject: Subject) -> None:
        self.session.start_from(subject)
        self._set_sliders()
        self.subject.object = captions.describe_subject(self._explorer, subject)
        self._name_neighbours()
        self._show_all()

    def _name_neighbours(self) -> None:
        survey, found = self._explorer.survey, self.session.neighbours
        for i, button in enumerate(self.neighbours):
            button.visible = i < len(found)
            if button.visible:
                row, distance = found[i]
                button.label = f"{i + 1}: {survey.star[row]} · {distance:.2f} sd"

    def _set_sliders(self) -> None:
        self._is_setting = True
        for dimension in self._explorer.dimensions:
            value = float(self.session.start.z_mean[dimension.index])
            # A file may lie beyond all spectra of the survey.
            self.sliders[dimension.index].param.update(
                start=min(dimension.low, value),
                end=max(dimension.high, value),
                value=value,
            )
        self._is_setting = False

    def _reset(self) -> None:
        self._set_sliders()
        self._move()

    def _move(self) -> None:
        if not self._is_setting:
            self._request(MOVED)

    def _follow_view(self, low: float, high: float) -> None:
        self.session.look_at(low, high)
        self._show_view()

    def _show_view(self) -> None:
        self.figure.show_view(self.session.view, choose_names(self.session))
        self._request(_ALL)

    def _show_mode(self) -> None:
        self.session.mode = self.mode.value
        self.changing.visible = self.session.mode == "change"
        self.comparing.visible = self.session.mode == "compare"
        self.figure.show_mode(self.session.mode)
        self._show_all()

    def _show_all(self) -> None:
        self.legend.object = captions.draw_curve_legend(self.session)
        self._show_view()

    def _request(self, roles: Set[str]) -> None:
        """Draw soon: of many requests in a row only one is drawn, with the latest."""
        self._stale |= roles
        if not self._is_due:
            self._is_due = True
            self.busy.object = _BUSY  # what is scheduled waits until that is sent
            pn.state.execute(self._draw, schedule=True)

    def _draw(self) -> None:
        roles, self._stale, self._is_due = self._stale, set(), False
        self.session.move({i: slider.value for i, slider in self.sliders.items()})
        drawing = self.session.draw()
        with pn.io.hold():  # so that all of it is sent, and painted, at once
            self.busy.object = ""
            self.figure.show(drawing, None if _EVERYTHING in roles else roles)
            self.plane.show_marks()
            for dimension in self._explorer.dimensions:
                if dimension.index in self.meanings:
                    words = captions.describe_value(self.session, dimension)
                    self.meanings[dimension.index].object = words
            self.moved.object = captions.describe_move(self.session)


_BUSY = '<span class="busy" role="status">drawing …</span>'
"""It is visible only when it stays for a moment."""
_EVERYTHING = "everything"
_ALL = {_EVERYTHING}
