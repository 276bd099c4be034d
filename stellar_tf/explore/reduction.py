"""The part of a long curve that a page shows, in as many points as it can show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Curve(NamedTuple):
    """Some pixels of a spectrum."""

    wave: NDArray[np.float64]
    """Wavelengths, increasing, shape (n,) [Angstrom]."""
    values: NDArray[np.float32]
    """Values there, NaN at bad pixels, shape (n,)."""


def find_visible(wave: NDArray[np.float64], low: float, high: float) -> slice:
    """
    Find the pixels of a stretch of wavelengths.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_pixels,)
        Increasing [Angstrom].
    low, high : float
        The stretch [Angstrom].

    Returns
    -------
    visible : slice
        Its pixels, and one more on either side to draw the line to the edge.
    """
    start = int(np.searchsorted(wave, low, "left")) - 1
    stop = int(np.searchsorted(wave, high, "right")) + 1
    return slice(max(start, 0), max(min(stop, wave.size), 0))


def reduce_curve(
    wave: NDArray[np.float64],
    values: NDArray[np.float32],
    visible: slice,
    n_points: int,
) -> Curve:
    """
    Keep what can be seen of a curve.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_pixels,)
        Increasing [Angstrom].
    values : ndarray of float32, shape (n_pixels,)
        The curve, NaN at bad pixels.
    visible : slice
        The pixels shown, as of `find_visible`.
    n_points : int
        Most points wanted, at least 2.

    Returns
    -------
    curve : Curve
        All pixels if they are no more than `n_points`. Else at most `n_points`: the
        pixels are divided into blocks, and of each the smallest and the largest are
        kept, at their own wavelengths and in their order. A block without a valid
        pixel keeps a bad one, so that the gap is drawn as a gap.

    Raises
    ------
    ValueError
        If `n_points` is below 2.

    Notes
    -----
    The envelope a screen would draw is kept exactly when a block is no wider than a
    column of the screen: the "min-max" of Jugel et al. 2014 (PVLDB 7, 797).
    """
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, got {n_points}")
    wave, values = wave[visible], values[visible]
    if values.size <= n_points:
        return Curve(wave, values)
    width = -(-values.size // (n_points // 2))
    n_blocks = -(-values.size // width)
    padded = np.full(n_blocks * width, np.nan, np.float32)
    padded[: values.size] = values
    blocks = padded.reshape(n_blocks, width)
    is_bad = np.isnan(blocks)
    starts = width * np.arange(n_blocks)
    smallest = starts + np.where(is_bad, np.inf, blocks).argmin(axis=1)
    largest = starts + np.where(is_bad, -np.inf, blocks).argmax(axis=1)
    kept = np.unique(np.concatenate([smallest, largest]))
    return Curve(wave[kept], values[kept])
