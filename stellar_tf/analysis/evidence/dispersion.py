"""Dispersion of the latent means: the paper's statistical criterion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.statistics import Estimate, bootstrap


def median_absolute_deviation(
    z_mean: NDArray[np.floating],
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Estimate:
    """
    Compute the median absolute deviation of each latent mean.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    n_resamples : int
        Resamples of the stars behind the interval.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    dispersion : Estimate
        Median over stars of ``|z_mean - median(z_mean)|`` (not scaled to a standard
        deviation), with percentile intervals.

    Notes
    -----
    Sedaghat et al. 2021, section 4: a dimension is called informative where this
    exceeds a threshold set by hand (0.02). It carries no error rate.
    """
    columns = np.ascontiguousarray(z_mean.T, np.float64)  # (n_latent, n_stars)
    return bootstrap(
        lambda drawn: _deviation(columns[:, drawn]),
        columns.shape[1],
        n_resamples=n_resamples,
        confidence=confidence,
        rng=rng,
    )


def _deviation(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = np.median(columns, axis=1, keepdims=True)
    deviation: NDArray[np.float64] = np.median(np.abs(columns - centre), axis=1)
    return deviation
