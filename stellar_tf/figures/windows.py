"""Which part of a long spectrum to draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def choose_window(score: NDArray[np.floating], n_pixels: int) -> slice:
    """Find the run of pixels with the largest sum, as the first of `choose_windows`."""
    return choose_windows(score, n_pixels, 1)[0]


def choose_windows(
    score: NDArray[np.floating], n_pixels: int, n_windows: int
) -> list[slice]:
    """
    Find the runs of pixels with the largest sums that do not overlap.

    Parameters
    ----------
    score : ndarray of float, shape (n,)
        Interest of each pixel; NaN counts as none.
    n_pixels : int
        Length of each run; all pixels if there are no more.
    n_windows : int
        Runs wanted, at least 1.

    Returns
    -------
    windows : list of slice
        The one of the largest sum first; fewer where there is no room for all.
    """
    n_pixels = min(max(n_pixels, 1), score.size)
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(score, nan=0.0))))
    sums = total[n_pixels:] - total[:-n_pixels]
    windows: list[slice] = []
    while len(windows) < n_windows and np.isfinite(sums).any():
        start = int(np.argmax(sums))
        windows.append(slice(start, start + n_pixels))
        sums[max(start - n_pixels + 1, 0) : start + n_pixels] = -np.inf
    return windows


def block_maximum(
    wave: NDArray[np.floating], values: NDArray[np.floating], n_blocks: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """
    Shorten a curve without losing its peaks.

    Parameters
    ----------
    wave : ndarray of float, shape (n,)
        Wavelengths [Angstrom].
    values : ndarray of float, shape (n,)
        The curve.
    n_blocks : int
        Most points that remain.

    Returns
    -------
    wave : ndarray of float, shape (at most n_blocks,)
        Wavelength of the middle of each block [Angstrom].
    values : ndarray of float, same shape
        Largest value of each block.
    """
    width = -(-values.size // n_blocks)
    starts = np.arange(0, values.size, width)
    ends = np.minimum(starts + width, values.size) - 1
    middle = 0.5 * (np.asarray(wave)[starts] + np.asarray(wave)[ends])
    return middle, np.maximum.reduceat(values, starts).astype(np.float32)
