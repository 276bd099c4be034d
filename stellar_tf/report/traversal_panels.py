"""What the page of traversals holds of one dimension."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from stellar_tf.analysis.dimensions import Dimension
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.lines import name_wavelengths
from stellar_tf.analysis.traversal import Traversal
from stellar_tf.figures.spectra import Marks, count_zoomed
from stellar_tf.figures.style import GREY, VERMILLION, apply_style
from stellar_tf.figures.windows import block_maximum, choose_windows
from stellar_tf.report.packing import encode_floats, pack

N_WINDOWS = 3
"""Stretches of the spectrum that are offered for each dimension."""
_MAX_PIXELS = 8_192
_MAX_VALUES = 2_000_000
"""Flux values in the page, of 2.7 bytes each."""
_OVERVIEW_POINTS = 1_000


class Window(NamedTuple):
    """A stretch of the spectrum to look at."""

    low: float
    """First wavelength [Angstrom]."""
    high: float
    """Last wavelength [Angstrom]."""
    name: str
    """What its button says."""


def choose_pixels(
    traversal: Traversal, row: int
) -> tuple[NDArray[np.intp], list[slice]]:
    """
    Choose which pixels of a dimension the page can afford to hold.

    Parameters
    ----------
    traversal : Traversal
        Decoded spectra.
    row : int
        Which of its dimensions.

    Returns
    -------
    pixels : ndarray of int
        All if they are few, else those of `windows`; ascending, with -1 between
        stretches.
    windows : list of slice
        Stretches that change most, the one that does so most first.
    """
    n_pixels = traversal.wave.size
    afford = min(_MAX_PIXELS, _MAX_VALUES // traversal.positions.size)
    width = count_zoomed(traversal.wave)
    fits = n_pixels <= afford
    if not fits:
        width = min(width, afford // N_WINDOWS)
    windows = choose_windows(traversal.change[row], width, N_WINDOWS)
    if fits:
        return np.arange(n_pixels), windows
    parts = [np.arange(w.start, w.stop) for w in sorted(windows, key=_start)]
    pixels = np.concatenate([p for part in parts for p in (part, [-1])][:-1])
    return pixels.astype(np.intp), windows


def build_panel(
    traversal: Traversal,
    row: int,
    dimension: Dimension,
    percentiles: NDArray[np.float64],
    unit_map: UnitMap | None = None,
) -> str:
    """
    Gather all that the page's script needs of one dimension.

    Parameters
    ----------
    traversal : Traversal
        Decoded spectra, with the median star in the middle.
    row : int
        Which of its dimensions.
    dimension : Dimension
        Its name, and what it tracks.
    percentiles : ndarray of float, shape (n, 3)
        16th, 50th and 84th percentile of that label at each position.
    unit_map : UnitMap, optional
        What its values mean in the unit of that label.

    Returns
    -------
    panel : str
        JSON: ``title``, ``positions``, ``words`` of each, ``wave`` [Angstrom],
        ``median`` flux, ``difference`` from it at each position, ``windows``, and two
        figures.
    """
    pixels, slices = choose_pixels(traversal, row)
    gap = pixels < 0
    flux = np.where(gap, np.nan, traversal.flux[row][:, pixels])  # (n, n_kept)
    wave = traversal.wave[pixels]
    wave[gap] = 0.5 * (wave[np.roll(gap, -1)] + wave[np.roll(gap, 1)])
    middle = len(flux) // 2
    windows = [_window(traversal, row, part) for part in slices]
    if not gap.any():
        windows.append(Window(float(wave[0]), float(wave[-1]), "whole range"))
    panel = {
        "title": f"{name_tracked(dimension)} ({dimension.name})",
        "positions": traversal.positions[row].tolist(),
        "words": _describe_positions(traversal, row, dimension, percentiles, unit_map),
        "wave": encode_floats(wave),
        "median": pack(flux[middle]),
        "difference": pack(flux - flux[middle]),
        "windows": [window._asdict() for window in windows],
        "spectra": _draw_spectra(wave, traversal.change[row][pixels]).to_plotly_json(),
        "overview": _draw_overview(traversal, row).to_plotly_json(),
    }
    return json.dumps(panel, cls=_Encoder)


def name_tracked(dimension: Dimension) -> str:
    """Return the proper name of what a dimension tracks."""
    return name_label(dimension.tracks)[0] or "no label given"


def _describe_positions(
    traversal: Traversal,
    row: int,
    dimension: Dimension,
    percentiles: NDArray[np.float64],
    unit_map: UnitMap | None,
) -> list[str]:
    positions = traversal.positions[row]
    words = [f"{dimension.name} = {z:+.2f}" for z in positions]
    if unit_map is not None:
        for i, z in enumerate(positions):
            words[i] += f": {unit_map.describe(float(z))}".replace(" -", " \u2212")
    name, unit = name_label(dimension.tracks)
    for i, ends in enumerate(percentiles):
        if np.isfinite(ends).all():
            low, middle, high = (_round(value) for value in ends)
            words[i] += f"; {name} here {middle} ({low} to {high}) {unit}".rstrip()
    return words


def _round(value: float) -> str:
    text = f"{value:.0f}" if abs(value) >= 100.0 else f"{value:#.3g}"
    return text.removesuffix(".").replace("-", "\u2212")


def _window(traversal: Traversal, row: int, part: slice) -> Window:
    wave, change = traversal.wave[part], traversal.change[row][part]
    low, high = float(wave[0]), float(wave[-1])
    line = name_wavelengths(wave[[np.argmax(change)]])[0]
    name = f"{low:.0f}–{high:.0f} Å"
    return Window(low, high, f"{name}, {line}" if line else name)


def _draw_spectra(wave: NDArray[np.float64], change: NDArray[np.float32]) -> go.Figure:
    """Draw the panels for flux and difference; the script fills in the curves."""
    figure = make_subplots(
        rows=2, cols=1, row_heights=[0.6, 0.4], vertical_spacing=0.2,
        shared_xaxes=True,
    )  # fmt: skip
    hover = "%{x:.2f} Å: %{y:.4f}<extra></extra>"
    for name, colour, panel in (
        ("median star", GREY, 1),
        ("here", VERMILLION, 1),
        ("difference", VERMILLION, 2),
    ):
        figure.add_trace(
            go.Scatter(
                x=[], y=[], mode="lines", name=name, hovertemplate=hover,
                line={"color": colour, "width": 1.4}, showlegend=panel == 1,
                meta={"ink": name == "median star"},
            ),
            row=panel, col=1,
        )  # fmt: skip
    marks = Marks([], [])
    marks.add_lines(wave, change, first=1)
    figure.update_layout(shapes=marks.shapes, annotations=marks.annotations)
    figure.update_xaxes(title_text="wavelength in air [Å]", row=2, col=1)
    for panel, title in enumerate(("flux", "difference"), start=1):
        figure.update_yaxes(title_text=title, row=panel, col=1)
    figure.update_yaxes(nticks=5, fixedrange=True)
    apply_style(figure, 500)
    return figure


def _draw_overview(traversal: Traversal, row: int) -> go.Figure:
    """Draw how much each wavelength changes over the whole range."""
    wave, change = block_maximum(
        traversal.wave, traversal.change[row], _OVERVIEW_POINTS
    )
    figure = go.Figure(
        go.Scatter(
            x=wave, y=change, mode="lines", fill="tozeroy", name="change",
            line={"color": GREY, "width": 1},
            hovertemplate="%{x:.2f} Å: %{y:.4f}<extra></extra>",
        )
    )  # fmt: skip
    marks = Marks([], [])
    marks.add_bands(traversal.wave)
    figure.update_layout(shapes=marks.shapes)
    figure.update_xaxes(fixedrange=True, range=[traversal.wave[0], traversal.wave[-1]])
    figure.update_yaxes(title_text="change", nticks=3, fixedrange=True)
    apply_style(figure, 150, showlegend=False)
    figure.update_layout(margin={"t": 18, "b": 28})
    return figure


def _start(part: slice) -> int:
    return int(part.start)


class _Encoder(json.JSONEncoder):
    """Write arrays as lists of as many digits as are seen."""

    def default(self, o: Any) -> Any:
        if isinstance(o, np.ndarray):
            return [float(f"{value:.7g}") for value in o]
        return super().default(o)
