"""Repeat visits: does a dimension describe the star or the observation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.statistics import (
    Estimate,
    percentile_interval,
    resample_counts,
)

STELLAR_CORRELATION = 0.5
"""Above it most of a dimension's variance lies between stars."""
MIN_REPEATED_STARS = 10
"""With fewer stars seen twice nothing is decided."""

_ROWS_AT_A_TIME = 1 << 16
"""Of float64: a copy of all would be the most memory that the analysis takes."""


class Repeats(NamedTuple):
    """Agreement of the visits to a star, per latent dimension."""

    correlation: Estimate
    """Intraclass correlation; NaN with too few stars seen twice."""
    kind: NDArray[np.str_]
    """``"stellar"``, ``"observational"`` or ``"undecided"``."""
    n_stars: int
    """Stars with at least two visits."""
    n_spectra: int
    """Their spectra."""


class _Groups(NamedTuple):
    size: NDArray[np.float64]  # (n_stars,)
    mean: NDArray[np.float64]  # (n_stars, n_latent)
    scatter: NDArray[np.float64]  # (n_stars, n_latent)


def compare_visits(
    z_mean: NDArray[np.floating],
    star: NDArray[np.str_],
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Repeats:
    """
    Compute the intraclass correlation of each dimension over visits.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_spectra, n_latent)
        Posterior means of all spectra.
    star : ndarray of str, shape (n_spectra,)
        Star of each spectrum.
    n_resamples : int
        Resamples of the stars, each with all its visits.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    repeats : Repeats
        Correlations with percentile intervals, and the class they imply.

    Notes
    -----
    ICC(1) of the one-way random-effects model (Shrout and Fleiss 1979) with the
    usual mean group size for unequal numbers of visits. 1: all visits of a star
    agree; 0: a star's visits differ as much as different stars do.
    """
    groups = _group(z_mean, star)
    n_stars, n_latent = groups.mean.shape
    if n_stars < MIN_REPEATED_STARS:
        unknown = np.full(n_latent, np.nan)
        correlation = Estimate(unknown, unknown, unknown)
    else:
        counts = resample_counts(n_stars, n_resamples, rng).astype(np.float64)
        value = _intraclass_correlation(groups, np.ones((1, n_stars)))[0]
        low, high = percentile_interval(
            _intraclass_correlation(groups, counts), confidence
        )
        correlation = Estimate(value, low, high)
    return Repeats(correlation, _classify(correlation), n_stars, int(groups.size.sum()))


def _group(z_mean: NDArray[np.floating], star: NDArray[np.str_]) -> _Groups:
    _, owner, size = np.unique(star, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(size[owner] >= 2)
    _, owner = np.unique(owner[rows], return_inverse=True)
    size = size[size >= 2]
    mean = np.zeros((size.size, z_mean.shape[1]))
    scatter = np.zeros_like(mean)
    if not rows.size:
        return _Groups(size.astype(np.float64), mean, scatter)
    # Where they lie together matters to nothing but rounding.
    centre = z_mean[rows[:_ROWS_AT_A_TIME]].mean(axis=0, dtype=np.float64)
    chunks = [
        slice(first, first + _ROWS_AT_A_TIME)
        for first in range(0, rows.size, _ROWS_AT_A_TIME)
    ]
    for chunk in chunks:
        np.add.at(mean, owner[chunk], z_mean[rows[chunk]] - centre)
    mean /= size[:, None]
    for chunk in chunks:
        offset = z_mean[rows[chunk]] - centre - mean[owner[chunk]]
        np.add.at(scatter, owner[chunk], offset**2)
    return _Groups(size.astype(np.float64), mean, scatter)


def _intraclass_correlation(
    groups: _Groups, counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    size = groups.size[:, None]
    n_stars = counts.sum(axis=1, keepdims=True)  # (n_resamples, 1)
    n_spectra = counts @ size
    grand_mean = counts @ (size * groups.mean) / n_spectra  # (n_resamples, n_latent)
    between = counts @ (size * groups.mean**2) - n_spectra * grand_mean**2
    between /= n_stars - 1.0
    within = counts @ groups.scatter / (n_spectra - n_stars)
    mean_size = (n_spectra - counts @ size**2 / n_spectra) / (n_stars - 1.0)
    total = between + (mean_size - 1.0) * within
    # A dimension without any variance says nothing about either.
    correlation = np.zeros_like(total)
    np.divide(between - within, total, out=correlation, where=total > 0.0)
    return np.asarray(correlation, np.float64)


def _classify(correlation: Estimate) -> NDArray[np.str_]:
    kind = np.full(correlation.value.shape, "undecided", dtype="<U13")
    kind[correlation.low > STELLAR_CORRELATION] = "stellar"
    kind[correlation.high < STELLAR_CORRELATION] = "observational"
    return kind
