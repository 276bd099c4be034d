"""Spectra: along a latent dimension, and beside their reconstructions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from stellar_tf.analysis.lines import TELLURIC_BANDS, choose_lines
from stellar_tf.analysis.traversal import Traversal
from stellar_tf.figures.style import BLUE, GREY, VERMILLION, apply_style, ramp
from stellar_tf.figures.windows import block_maximum, choose_window
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

_ZOOM = 30.0
"""Width of the part that is shown first [Angstrom], if it has as many pixels."""
_MIN_ZOOMED = 100
_OVERVIEW_POINTS = 1_500
_LINE_DISTANCE = 0.03
"""Names nearer than this would overlap, in widths of that part."""


class Reconstructions(NamedTuple):
    """Example spectra beside what the network makes of them."""

    wave: NDArray[np.float64]
    """Wavelengths in air, barycentric, shape (n_pixels,) [Angstrom]."""
    names: tuple[str, ...]
    """What to call each spectrum."""
    flux: NDArray[np.float32]
    """Normalised flux, NaN where invalid, shape (n_spectra, n_pixels)."""
    reconstruction: NDArray[np.float32]
    """Normalised flux out of the decoder, shape (n_spectra, n_pixels)."""
    rv: NDArray[np.float32]
    """Radial velocity of each star, NaN where unknown, shape (n_spectra,) [km/s]."""


def estimate_noise(flux: NDArray[np.floating]) -> float:
    """
    Estimate the noise of a spectrum from the spectrum alone.

    Parameters
    ----------
    flux : ndarray of float, shape (n_pixels,)
        Flux; NaN where invalid.

    Returns
    -------
    noise : float
        Standard deviation of a pixel, in the unit of the flux; NaN for less than five
        valid pixels.

    Notes
    -----
    DER_SNR of Stoehr et al. (2008): from the median of second differences two pixels
    apart, which lines that are wider than a few pixels hardly change.
    """
    known = np.asarray(flux, np.float64)[np.isfinite(flux)]
    if known.size < 5:
        return float("nan")
    second = np.abs(2.0 * known[2:-2] - known[:-4] - known[4:])
    return float(1.482602 / np.sqrt(6.0) * np.median(second))


def draw_traversal(traversal: Traversal, row: int, *, max_pixels: int) -> go.Figure:
    """
    Draw what moving one dimension does to the spectrum.

    Parameters
    ----------
    traversal : Traversal
        Decoded spectra.
    row : int
        Which of its dimensions.
    max_pixels : int
        Most pixels of the spectra to draw: those that move most.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        Three panels: where the spectrum changes, the spectra, and their difference
        from the one in the middle.
    """
    change = traversal.change[row]
    window = choose_window(change, max_pixels)
    wave, flux = traversal.wave[window], traversal.flux[row][:, window]
    positions = traversal.positions[row]
    middle = flux[positions.size // 2]
    figure = make_subplots(
        rows=3, cols=1, row_heights=[0.18, 0.47, 0.35], vertical_spacing=0.12
    )
    overview_wave, overview = block_maximum(traversal.wave, change, _OVERVIEW_POINTS)
    figure.add_trace(
        go.Scatter(
            x=overview_wave, y=overview, mode="lines", fill="tozeroy", name="change",
            line={"color": GREY, "width": 1}, showlegend=False,
            hovertemplate="%{x:.2f} Å: %{y:.4f}<extra>change</extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    colours = ramp(positions.size)
    for position, colour, spectrum in zip(positions, colours, flux, strict=True):
        name = f"z = {position:+.2f}"
        figure.add_trace(_line(wave, spectrum, colour, name), row=2, col=1)
        if spectrum is not middle:
            figure.add_trace(_line(wave, spectrum - middle, colour, name), row=3, col=1)
    zoom = _zoom(wave, change[window])
    marks = Marks([_stretch(*zoom, BLUE, 0.25)], [])
    marks.add_bands(traversal.wave)
    marks.add_lines(wave, change[window], first=2)
    figure.update_layout(shapes=marks.shapes, annotations=marks.annotations)
    figure.update_xaxes(title_text="wavelength in air [Å]", row=3, col=1)
    figure.update_xaxes(range=zoom, row=2, col=1, matches="x3", showticklabels=False)
    figure.update_xaxes(range=zoom, row=3, col=1)
    for panel, title in enumerate(("change", "flux", "difference"), start=1):
        figure.update_yaxes(title_text=title, nticks=5, row=panel, col=1)
    apply_style(figure, 700, showlegend=False)
    return figure


def draw_reconstruction(
    reconstructions: Reconstructions, row: int, *, max_pixels: int
) -> go.Figure:
    """
    Draw a spectrum, its reconstruction, and the residual.

    Parameters
    ----------
    reconstructions : Reconstructions
        Example spectra.
    row : int
        Which of them.
    max_pixels : int
        Most pixels to draw: those where its lines are strongest.

    Returns
    -------
    figure : plotly.graph_objects.Figure
        Two panels; the residual in units of the spectrum's noise, where it has some.
    """
    model = reconstructions.reconstruction[row]
    flux = reconstructions.flux[row]
    # Depth below the continuum, where there is a spectrum to compare with.
    depth = np.where(np.isfinite(flux), np.percentile(model, 95.0) - model, 0.0)
    depth = np.maximum(depth, 0.0)
    window = choose_window(depth, max_pixels)
    wave = reconstructions.wave[window]
    noise = estimate_noise(flux)
    has_noise = noise > 0.0
    residual = (flux - model)[window] / (noise if has_noise else 1.0)
    flux, model = flux[window], model[window]
    figure = make_subplots(
        rows=2, cols=1, row_heights=[0.62, 0.38], vertical_spacing=0.19,
        shared_xaxes=True,
    )  # fmt: skip
    observed = _line(wave, flux, GREY, "spectrum", legend=True)
    observed.meta = {"ink": True}
    figure.add_trace(observed, row=1, col=1)
    figure.add_trace(
        _line(wave, model, VERMILLION, "reconstruction", legend=True), row=1, col=1
    )
    figure.add_trace(_line(wave, residual, BLUE, "residual"), row=2, col=1)
    marks = Marks([], [])
    rv = float(np.nan_to_num(reconstructions.rv[row]))
    marks.add_lines(wave, depth[window], first=1, rv=rv)
    figure.update_layout(shapes=marks.shapes, annotations=marks.annotations)
    figure.update_xaxes(range=_zoom(wave, depth[window]))
    figure.update_xaxes(title_text="wavelength in air [Å]", row=2, col=1)
    figure.update_yaxes(title_text="flux", nticks=5, row=1, col=1)
    figure.update_yaxes(
        title_text="residual [σ]" if has_noise else "residual", nticks=5, row=2, col=1
    )
    apply_style(figure, 500)
    return figure


def _line(
    wave: NDArray[np.floating],
    values: NDArray[np.floating],
    colour: str,
    name: str,
    *,
    legend: bool = False,
) -> go.Scatter:
    return go.Scatter(
        **_axis(wave),
        y=np.asarray(values, np.float32),
        mode="lines",
        line={"color": colour, "width": 1.3},
        name=name,
        legendgroup=name,
        showlegend=legend,
        hovertemplate="%{x:.2f} Å: %{y:.4f}<extra>" + name + "</extra>",
    )


def _axis(wave: NDArray[np.floating]) -> dict[str, Any]:
    """Return an even axis as two numbers, any other as it is."""
    step = (wave[-1] - wave[0]) / max(wave.size - 1, 1)
    even = wave[0] + step * np.arange(wave.size)
    if np.abs(wave - even).max() < 0.01 * abs(step):
        return {"x0": float(wave[0]), "dx": float(step)}
    return {"x": wave}


def _zoom(
    wave: NDArray[np.floating], score: NDArray[np.floating]
) -> tuple[float, float]:
    inner = choose_window(score, count_zoomed(wave))
    return float(wave[inner.start]), float(wave[inner.stop - 1])


def count_zoomed(wave: NDArray[np.floating]) -> int:
    """
    Count the pixels that are shown first.

    Parameters
    ----------
    wave : ndarray of float, shape (n_pixels,)
        Wavelengths [Angstrom].

    Returns
    -------
    n_pixels : int
        Those of 30 Angstrom, or 100 where pixels are wide.
    """
    step = float(wave[-1] - wave[0]) / max(wave.size - 1, 1)
    n_pixels = int(_ZOOM / step) if step > 0.0 else 1
    return min(max(n_pixels, _MIN_ZOOMED), wave.size)


class Marks(NamedTuple):
    """Shapes and names to draw on the panels, collected to be set at once."""

    shapes: list[dict[str, Any]]
    """Of plotly's layout."""
    annotations: list[dict[str, Any]]
    """Of plotly's layout."""

    def add_bands(self, wave: NDArray[np.floating]) -> None:
        """
        Shade the Earth's bands on the first panel.

        Parameters
        ----------
        wave : ndarray of float, shape (n_pixels,)
            Wavelengths of the panel [Angstrom].
        """
        for band in TELLURIC_BANDS:
            low = max(band.wave_min, float(wave[0]))
            high = min(band.wave_max, float(wave[-1]))
            if low < high:
                self.shapes.append(_stretch(low, high, GREY, 0.18))
                name = band.name.removesuffix(" (Earth)").replace("gamma", "γ")
                self.annotations.append(
                    {
                        "x": 0.5 * (low + high), "y": 1.0, "xref": "x",
                        "yref": "y domain", "text": name, "showarrow": False,
                        "yanchor": "bottom", "font": {"size": 10},
                    }
                )  # fmt: skip

    def add_lines(
        self,
        wave: NDArray[np.floating],
        score: NDArray[np.floating],
        *,
        first: int,
        rv: float = 0.0,
    ) -> None:
        """
        Name lines between two panels that share their wavelengths.

        Parameters
        ----------
        wave : ndarray of float, shape (n_pixels,)
            Wavelengths of the panels [Angstrom].
        score : ndarray of float, shape (n_pixels,)
            Where names would overlap, the line with the larger score has it.
        first : int
            Number of the upper panel.
        rv : float, default 0.0
            Velocity of the star: how far lines stand from where they are in the
            laboratory, which is what their names say [km/s].
        """
        shift = 1.0 + rv / SPEED_OF_LIGHT
        upper, lower = ("" if panel == 1 else panel for panel in (first, first + 1))
        step = (wave[-1] - wave[0]) / max(wave.size - 1, 1)
        distance = _LINE_DISTANCE * step * count_zoomed(wave)
        for line in choose_lines(wave / shift, score, distance=distance):
            x = line.wave * shift
            for axis in (upper, lower):
                self.shapes.append(
                    {
                        "type": "line", "x0": x, "x1": x, "y0": 0.0,
                        "y1": 1.0, "xref": f"x{axis}", "yref": f"y{axis} domain",
                        "line": {"color": GREY, "width": 0.7, "dash": "dot"},
                        "layer": "below",
                    }
                )  # fmt: skip
            self.annotations.append(
                {
                    "x": x, "y": -0.02, "xref": f"x{upper}",
                    "yref": f"y{upper} domain", "text": f"{line.name} {line.wave:.1f}",
                    "textangle": -90, "showarrow": False, "xanchor": "center",
                    "yanchor": "top", "font": {"size": 10},
                }
            )  # fmt: skip


def _stretch(low: float, high: float, colour: str, opacity: float) -> dict[str, Any]:
    return {
        "type": "rect", "x0": low, "x1": high, "y0": 0.0, "y1": 1.0, "xref": "x",
        "yref": "y domain", "fillcolor": colour, "opacity": opacity, "layer": "below",
        "line": {"width": 0},
    }  # fmt: skip
