"""The spectra of a session, drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from bokeh.events import RangesUpdate
from bokeh.models import (
    BoxAnnotation,
    BoxZoomTool,
    ColumnDataSource,
    FixedTicker,
    GlyphRenderer,
    Grid,
    HoverTool,
    LinearAxis,
    PanTool,
    Range1d,
    SaveTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from stellar_tf.analysis.lines import TELLURIC_BANDS, Line
from stellar_tf.explore.session import MIN_PIXELS, Drawing, Mode, Panel, View
from stellar_tf.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION

HEIGHTS: dict[Panel, int] = {"flux": 340, "difference": 160}
"""Of the two panels [CSS pixel]."""
MAX_MARKERS = 160
"""With no more pixels in the view each is marked by a dot."""


class Look(NamedTuple):
    """How a curve is drawn; no two of a panel differ by colour alone."""

    panel: Panel
    colour: str
    dash: str
    width: float
    opacity: float = 1.0


LOOKS: dict[str, Look] = {
    "start": Look("flux", BLUE, "solid", 4.5, 0.45),
    "observed": Look("flux", GREY, "solid", 1.0),
    "neighbour 1": Look("flux", GREEN, "dashed", 1.2),
    "neighbour 2": Look("flux", PURPLE, "dotted", 1.4),
    "neighbour 3": Look("flux", ORANGE, "dashdot", 1.2),
    "reconstruction": Look("flux", VERMILLION, "solid", 1.6),
    "changed": Look("flux", VERMILLION, "solid", 1.6),
    "difference": Look("difference", VERMILLION, "solid", 1.4),
    "residual": Look("difference", GREY, "solid", 1.0),
}
"""By role, in the order they are drawn."""
MOVED = frozenset({"changed", "difference"})
"""The curves that differ after a slider has moved."""


class SpectrumFigure:
    """
    Flux above, a difference below, over the same wavelengths.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_pixels,)
        Wavelengths in air, barycentric [Angstrom].
    on_view : callable
        Called with the ends of the view when the person zooms or pans [Angstrom].
    """

    def __init__(
        self, wave: NDArray[np.float64], on_view: Callable[[float, float], None]
    ) -> None:
        first, last = float(wave[0]), float(wave[-1])
        step = float(np.diff(wave[:2])[0]) if wave.size > 1 else 1.0
        self._x_range = Range1d(
            first, last, bounds=(first, last), min_interval=MIN_PIXELS * step
        )
        self.panels = {panel: self._build_panel(panel) for panel in HEIGHTS}
        """The two Bokeh figures."""
        self._sources = {role: ColumnDataSource(_EMPTY) for role in LOOKS}
        self._dots = [self._add_curve(role, look) for role, look in LOOKS.items()]
        self._line_ticks = FixedTicker(ticks=[])
        self._line_axis = self._mark_lines()
        self._shade_bands(first, last)
        self.panels["flux"].below[0].visible = False
        self.panels["difference"].xaxis.axis_label = "wavelength in air [Å]"
        self.panels["flux"].yaxis.axis_label = "normalised flux"
        self.panels["flux"].on_event(
            RangesUpdate, lambda event: on_view(event.x0, event.x1)
        )
        self.panels["difference"].on_event(
            RangesUpdate, lambda event: on_view(event.x0, event.x1)
        )

    def show(self, drawing: Drawing, roles: set[str] | None = None) -> None:
        """
        Draw curves.

        Parameters
        ----------
        drawing : Drawing
            All curves of a mode.
        roles : set of str, optional
            Those that differ from what is drawn already; by default all, and what is
            not in the drawing is taken away.
        """
        for role, source in self._sources.items():
            curve = drawing.curves.get(role)
            if curve is None and roles is None:
                source.data = _EMPTY
            elif curve is not None and (roles is None or role in roles):
                source.data = {"wave": curve.wave, "flux": curve.values}
        for panel, limits in drawing.limits.items():
            y_range = self.panels[panel].y_range
            if roles is None or not _fits(limits, (y_range.start, y_range.end)):
                y_range.update(start=limits[0], end=limits[1])
        for dots in self._dots:
            dots.visible = drawing.n_pixels <= MAX_MARKERS

    def show_view(self, view: View, lines: list[Line]) -> None:
        """
        Move to a stretch of wavelengths.

        Parameters
        ----------
        view : View
            The stretch.
        lines : list of Line
            Lines to name in it.
        """
        if (self._x_range.start, self._x_range.end) != view:
            self._x_range.update(start=view.low, end=view.high)
        self._line_axis.major_label_overrides = {
            line.wave: f"{line.name} {line.wave:.1f}" for line in lines
        }
        self._line_ticks.ticks = [line.wave for line in lines]

    def show_mode(self, mode: Mode) -> None:
        """Say what the lower panel is."""
        words = {"change": "changed − start", "compare": "observed − rec."}
        self.panels["difference"].yaxis.axis_label = words[mode]

    def _build_panel(self, panel: Panel) -> figure:
        tools = [
            BoxZoomTool(dimensions="width"),
            PanTool(dimensions="width"),
            # Without the key the page could not be scrolled past the figure.
            WheelZoomTool(dimensions="width", modifiers="ctrl"),
            SaveTool(),
        ]
        built = figure(
            height=HEIGHTS[panel],
            sizing_mode="stretch_width",
            tools=tools,
            toolbar_location="above" if panel == "flux" else None,
            x_range=self._x_range,
            y_range=Range1d(0.0, 1.0),
            output_backend="canvas",
        )
        built.toolbar.logo = None
        built.toolbar.active_drag = tools[0]
        built.toolbar.active_scroll = tools[2]
        built.xaxis.formatter.use_scientific = False
        built.yaxis.ticker.desired_num_ticks = 5
        # One width for both, so that the panels' pixels stand above each other.
        built.min_border_left = 74
        built.min_border_right = 12
        built.xaxis.major_label_text_font_size = "12px"
        built.yaxis.major_label_text_font_size = "12px"
        built.axis.axis_label_text_font_style = "normal"
        built.grid.grid_line_color = GREY
        built.grid.grid_line_alpha = 0.25
        return built

    def _add_curve(self, role: str, look: Look) -> GlyphRenderer:
        panel, source = self.panels[look.panel], self._sources[role]
        curve = panel.line(
            "wave", "flux", source=source, name=role, line_color=look.colour,
            line_dash=look.dash, line_width=look.width, line_alpha=look.opacity,
        )  # fmt: skip
        dots = panel.scatter(
            "wave", "flux", source=source, size=4, color=look.colour, visible=False
        )
        if role in ("changed", "reconstruction", "difference", "residual"):
            tooltips = [(role, "@flux{0.0000}"), ("at", "@wave{0.000} Å")]
            panel.add_tools(
                HoverTool(
                    renderers=[curve], tooltips=tooltips, mode="vline", visible=False
                )
            )
        return dots

    def _mark_lines(self) -> LinearAxis:
        panel = self.panels["flux"]
        axis = LinearAxis(
            ticker=self._line_ticks,
            major_label_orientation="vertical",
            major_label_text_font_size="11px",
            axis_line_color=None,
            minor_tick_line_color=None,
        )
        panel.add_layout(axis, "above")
        for built in self.panels.values():
            built.add_layout(
                Grid(
                    dimension=0, ticker=self._line_ticks, grid_line_dash="dotted",
                    grid_line_color=GREY, grid_line_alpha=0.9,
                )
            )  # fmt: skip
            built.xgrid[0].visible = False
        return axis

    def _shade_bands(self, first: float, last: float) -> None:
        for band in TELLURIC_BANDS:
            if band.wave_min < last and band.wave_max > first:
                for built in self.panels.values():
                    built.add_layout(
                        BoxAnnotation(
                            left=band.wave_min, right=band.wave_max,
                            fill_color=GREY, fill_alpha=0.15, line_color=None,
                        )
                    )  # fmt: skip


def _fits(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    """Tell whether limits still do, so that the scale need not jump at every move."""
    size = (inner[1] - inner[0]) / (outer[1] - outer[0])
    return outer[0] <= inner[0] and inner[1] <= outer[1] and size >= _SMALLEST_SHARE


_SMALLEST_SHARE = 0.4
_EMPTY: dict[str, NDArray[np.floating]] = {
    "wave": np.empty(0, np.float64),
    "flux": np.empty(0, np.float32),
}
