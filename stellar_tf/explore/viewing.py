"""The part of the page where the stretch of wavelengths is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import panel as pn

from stellar_tf.analysis.lines import LINES, Line, choose_lines
from stellar_tf.explore.controls import CHOOSE, build_button, style
from stellar_tf.explore.session import Session, View
from stellar_tf.figures.windows import choose_window

FIRST_WIDTH = 60.0
"""Width of the view the page opens with [Angstrom]."""
LINE_WIDTH = 10.0
"""Widest view around a line one goes to [Angstrom]."""
N_NAMES = 30
"""Names of lines that fit side by side."""


class Viewer:
    """
    Buttons that move the view, for those without a mouse, and a list of lines.

    Parameters
    ----------
    session : Session
        What the person looks at.
    show : callable
        Called after the view has moved.
    """

    def __init__(self, session: Session, show: Callable[[], None]) -> None:
        self._session = session
        self._show = show
        self._last = (float(session.explorer.wave[0]), float(session.explorer.wave[-1]))
        first, last = self._last
        inside = [line for line in LINES if first <= line.wave <= last]
        options = {f"{line.name} {line.wave:.2f}": line.wave for line in inside}
        self.line = pn.widgets.Select(
            label="Go to a line", options={CHOOSE: 0.0, **options}, **style()
        )
        self.line.param.watch(lambda event: self._go_to(event.new), "value")
        self.buttons = pn.FlexBox(
            build_button("◀ Left", lambda: self._move(-0.5, 1.0)),
            build_button("Right ▶", lambda: self._move(0.5, 1.0)),
            build_button("Zoom in", lambda: self._move(0.0, 0.4)),
            build_button("Zoom out", lambda: self._move(0.0, 2.5)),
            build_button("Pixels", self._show_pixels),
            build_button("All", lambda: self.look_at(first, last)),
        )
        """The buttons, side by side."""

    def look_at(self, low: float, high: float) -> None:
        """Show the stretch between two wavelengths [Angstrom]."""
        self._session.look_at(low, high)
        self._show()

    def _move(self, by: float, stretch: float) -> None:
        low, high = self._session.view
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        # At the edge of the grid the view stays as wide as it is.
        first, last = self._last
        middle = min(max(middle + 2.0 * by * half, first + half), last - half)
        self.look_at(middle - stretch * half, middle + stretch * half)

    def _go_to(self, wave: float) -> None:
        if wave:
            low, high = self._session.view
            half = 0.5 * min(high - low, LINE_WIDTH)
            self.look_at(wave - half, wave + half)

    def _show_pixels(self) -> None:
        low, high = self._session.view
        wave = self._session.explorer.wave
        pixel = int(np.searchsorted(wave, 0.5 * (low + high)))
        half = _N_PIXELS // 2
        start, stop = max(pixel - half, 0), min(pixel + half, wave.size - 1)
        self.look_at(float(wave[start]), float(wave[stop]))


_N_PIXELS = 80
"""Pixels that can be told apart even on a phone."""


def choose_first_view(session: Session) -> View:
    """
    Choose where to look first.

    Parameters
    ----------
    session : Session
        Its start and its run.

    Returns
    -------
    view : View
        `FIRST_WIDTH` where the most informative dimension changes the spectrum, its
        named lines above all, most.
    """
    explorer = session.explorer
    first = explorer.dimensions[0]
    ends = []
    for value in (first.low, first.high):
        z = session.start.z_mean.copy()
        z[first.index] = value
        ends.append(explorer.model.decode(z))
    wave = explorer.wave
    step = float(wave[-1] - wave[0]) / max(wave.size - 1, 1)
    change = np.abs(ends[1] - ends[0])
    # Where lines have names there is more to see.
    for line in LINES:
        change[slice(*np.searchsorted(wave, [line.wave - 0.5, line.wave + 0.5]))] *= 5.0
    window = choose_window(change, int(FIRST_WIDTH / (step or 1.0)))
    return View(float(wave[window.start]), float(wave[window.stop - 1]))


def choose_names(session: Session) -> list[Line]:
    """
    Choose the lines that are named in the view.

    Parameters
    ----------
    session : Session
        Its view and its start.

    Returns
    -------
    lines : list of Line
        The deepest ones, as many as fit.
    """
    low, high = session.view
    wave = session.explorer.wave
    seen = slice(*np.searchsorted(wave, [low, high]))
    flux = session.reconstruction[seen]
    if not flux.size:
        return []
    depth = np.maximum(np.percentile(flux, 95.0) - flux, 0.0)
    return choose_lines(wave[seen], depth, distance=(high - low) / N_NAMES)
