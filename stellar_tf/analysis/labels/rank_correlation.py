"""Spearman's rank correlation and its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stellar_tf.analysis.statistics import Estimate, bootstrap


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
    """
    return bootstrap(
        lambda drawn: spearman(z[drawn], label[drawn]),
        label.size,
        n_resamples=n_resamples,
        confidence=confidence,
        rng=rng,
    )
