"""Spearman's rank correlation and its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stellar_tf.analysis.stars import Estimate, percentile_interval

MAX_RESAMPLED = 5_000
"""Stars in a resample at most: more of them cost sorting and change nothing."""


def spearman(
    z: NDArray[np.floating], label: NDArray[np.floating]
) -> NDArray[np.float64]:
    """
    Correlate ranks, ties sharing their mean rank.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    label : ndarray of float, shape (n_stars,)
        The label.

    Returns
    -------
    correlation : ndarray of float, shape (n_latent,)
        Spearman's correlation, NaN where either side is constant.
    """
    rank = stats.rankdata(z, axis=0)
    label_rank = stats.rankdata(label)
    rank -= rank.mean(axis=0)
    label_rank -= label_rank.mean()
    norm = np.sqrt((rank**2).sum(axis=0) * (label_rank**2).sum())
    correlation = np.full(rank.shape[1], np.nan)
    np.divide(label_rank @ rank, norm, out=correlation, where=norm > 0.0)
    return correlation


def spearman_interval(
    z: NDArray[np.floating],
    label: NDArray[np.floating],
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Estimate:
    """
    Correlate ranks, with an interval by resampling stars.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    label : ndarray of float, shape (n_stars,)
        The label.
    n_resamples : int
        Resamples with replacement.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    estimate : Estimate
        Spearman's correlation and the ends of its interval, each of shape (n_latent,).

    Notes
    -----
    The percentile bootstrap. Of more than `MAX_RESAMPLED` stars N, resamples have m =
    `MAX_RESAMPLED` and the interval's ends come nearer by sqrt(m / N), the rate at
    which the correlation converges (m out of n bootstrap, Bickel, Goetze and van Zwet
    1997, Statistica Sinica 7, 1).
    """
    n_stars = label.size
    n_drawn = min(n_stars, MAX_RESAMPLED)
    resampled = np.empty((n_resamples, z.shape[1]))
    for row in resampled:
        drawn = rng.integers(n_stars, size=n_drawn)
        row[:] = spearman(z[drawn], label[drawn])
    correlation = spearman(z, label)
    shrink = np.sqrt(n_drawn / n_stars)
    low, high = (
        correlation + shrink * (end - correlation)
        for end in percentile_interval(resampled, confidence)
    )
    return Estimate(correlation, low, high)
