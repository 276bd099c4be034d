"""Pictures of a model under training, as TensorBoard shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

_N_BLOCKS = 1500
_WIDTH, _ROW_HEIGHT = 10.0, 1.9
_ORANGE, _GREY = "#d55e00", "#555555"


def draw_reconstructions(
    wave: NDArray[np.float64],
    flux: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    names: Sequence[str],
    n_pixels: int = 1500,
) -> bytes:
    """
    Draw spectra and what the decoder makes of them, in the middle of the grid.

    Parameters
    ----------
    wave : ndarray of float64, shape (n,)
        Wavelengths [Angstrom].
    flux, reconstruction : ndarray of float32, shape (m, n)
        Normalised flux, NaN at bad pixels, and the model's.
    names : sequence of str
        Of the m spectra.
    n_pixels : int
        How many pixels to draw.

    Returns
    -------
    png : bytes
        The picture.
    """
    start = max(0, (wave.size - n_pixels) // 2)
    window = slice(start, start + n_pixels)
    figure = _figure(len(names))
    for i, name in enumerate(names, start=1):
        axes = figure.add_subplot(len(names), 1, i)
        axes.plot(wave[window], flux[i - 1, window], color=_GREY, lw=0.8, label=name)
        axes.plot(wave[window], reconstruction[i - 1, window], color=_ORANGE, lw=1.0)
        axes.legend(loc="lower left", fontsize=8)
    figure.axes[-1].set_xlabel("wavelength [Angstrom]")
    return _to_png(figure)


def draw_traversals(
    wave: NDArray[np.float64],
    flux: NDArray[np.float32],
    dimensions: Sequence[int],
) -> bytes:
    """
    Draw how spectra change along dimensions, from end to end of the grid.

    Parameters
    ----------
    wave : ndarray of float64, shape (n,)
        Wavelengths [Angstrom].
    flux : ndarray of float32, shape (n_dimensions, n_positions, n)
        Decoded along each dimension.
    dimensions : sequence of int
        Their numbers.

    Returns
    -------
    png : bytes
        For each dimension the difference from the middle position, averaged over
        blocks of pixels.
    """
    figure = _figure(len(dimensions))
    size = -(-wave.size // _N_BLOCKS)
    n_kept = wave.size // size * size
    centres = wave[:n_kept].reshape(-1, size).mean(axis=1)
    for i, dimension in enumerate(dimensions):
        axes = figure.add_subplot(len(dimensions), 1, i + 1)
        change = flux[i] - flux[i, flux.shape[1] // 2]
        blocks = change[:, :n_kept].reshape(len(change), -1, size).mean(axis=2)
        for position, row in enumerate(blocks):
            axes.plot(
                centres, row, lw=0.8, color=(position / (len(blocks) - 1), 0.2, 0.6)
            )
        axes.set_ylabel(f"z{dimension}")
    figure.axes[-1].set_xlabel("wavelength [Angstrom]")
    return _to_png(figure)


def _figure(n_rows: int) -> Figure:
    return Figure((_WIDTH, _ROW_HEIGHT * n_rows + 0.5), layout="constrained")


def _to_png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
