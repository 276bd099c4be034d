"""How alike two representations of the same spectra are, whatever their axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

N_NEIGHBOURS = 10
"""Neighbours whose overlap is measured."""


def kernel_alignment(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> float:
    """
    Measure how far two representations agree up to rotation and scale.

    Parameters
    ----------
    first : ndarray of float, shape (n_stars, n_dimensions)
        One representation.
    second : ndarray of float, shape (n_stars, n_dimensions_of_second)
        The other, of the same spectra.

    Returns
    -------
    alignment : float
        Linear centred kernel alignment, 0 to 1; NaN if one of them is constant.

    Notes
    -----
    Kornblith et al. 2019, ICML: ``|Y'X|^2 / (|X'X| |Y'Y|)`` in Frobenius norms, of
    centred columns.

    Examples
    --------
    >>> from stellar_tf.analysis.similarity import kernel_alignment
    >>> first = np.random.default_rng(0).normal(size=(50, 2))
    >>> rotated = first @ [[0.6, -0.8], [0.8, 0.6]]
    >>> round(kernel_alignment(first, 3.0 * rotated), 6)
    1.0
    """
    x, y = (
        np.asarray(z, np.float64) - np.mean(z, axis=0, dtype=np.float64)
        for z in (first, second)
    )
    norm = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return float(np.linalg.norm(y.T @ x)) ** 2 / norm if norm > 0.0 else float("nan")


def neighbour_overlap(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> float:
    """
    Measure how many nearest neighbours two representations have in common.

    Parameters
    ----------
    first : ndarray of float, shape (n_stars, n_dimensions)
        One representation.
    second : ndarray of float, shape (n_stars, n_dimensions_of_second)
        The other, of the same spectra.

    Returns
    -------
    overlap : float
        Mean share of the `N_NEIGHBOURS` nearest stars that are nearest in both, each
        dimension in units of its standard deviation; by chance it is about
        ``N_NEIGHBOURS / n_stars``. NaN with no more stars than that.

    Notes
    -----
    The mutual nearest-neighbour alignment of Huh et al. 2024, ICML.
    """
    n_stars = len(first)
    if n_stars <= N_NEIGHBOURS:
        return float("nan")
    shared = np.zeros(n_stars)
    near_first, near_second = (_nearest(z) for z in (first, second))
    for column in near_first.T:
        shared += (near_second == column[:, np.newaxis]).any(axis=1)
    return float(shared.mean() / N_NEIGHBOURS)


def _nearest(z: NDArray[np.floating]) -> NDArray[np.intp]:
    scaled = np.asarray(z, np.float64) / np.maximum(np.std(z, axis=0), 1e-12)
    found = KDTree(scaled).query(scaled, k=N_NEIGHBOURS + 1)[1]
    # Without the star itself, wherever it stands among equal distances.
    itself = found == np.arange(len(z))[:, np.newaxis]
    itself[~itself.any(axis=1), -1] = True
    return np.asarray(found[~itself].reshape(len(z), N_NEIGHBOURS), np.intp)
