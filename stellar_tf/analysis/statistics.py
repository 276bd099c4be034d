"""What every method shares: intervals by resampling stars, and many tests at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MIN_STARS = 20
"""No statistic is made from fewer stars."""
MIN_LABELLED_STARS = 30
"""A label known for fewer stars is not related to anything."""
MIN_HELD_OUT_STARS = 10
"""With fewer held-out stars nothing is reported on them."""
DEVIATION = 1.4826
"""Standard deviation of a normal distribution, in medians of the absolute."""
MAX_RESAMPLED = 5_000
"""Stars in a resample that is sorted, at most: more cost time and change nothing."""


class Estimate(NamedTuple):
    """A statistic per latent dimension with its interval."""

    value: NDArray[np.float64]
    """The statistic of the sample, shape (n_latent,)."""
    low: NDArray[np.float64]
    """Lower end of the interval, shape (n_latent,)."""
    high: NDArray[np.float64]
    """Upper end of the interval, shape (n_latent,)."""


def resample_counts(
    n_stars: int, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """
    Draw stars with replacement, as the number of times each one is drawn.

    Parameters
    ----------
    n_stars : int
        Stars to draw from, and to draw.
    n_resamples : int
        Independent resamples.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    counts : ndarray of float32, shape (n_resamples, n_stars)
        Each row sums to ``n_stars``.
    """
    counts = np.empty((n_resamples, n_stars), np.float32)
    for row in counts:
        row[:] = np.bincount(rng.integers(n_stars, size=n_stars), minlength=n_stars)
    return counts


def percentile_interval(
    samples: NDArray[np.float64], confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Cut equal tails off the resampled values.

    Parameters
    ----------
    samples : ndarray of float, shape (n_resamples, ...)
        A statistic of each resample.
    confidence : float
        Share of the resamples the interval holds.

    Returns
    -------
    low : ndarray of float, shape (...)
        Lower end.
    high : ndarray of float, shape (...)
        Upper end.
    """
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(samples, [tail, 100.0 - tail], axis=0)
    return low, high


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    n_stars: int,
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Estimate:
    """
    Compute a statistic with an interval by resampling stars.

    Parameters
    ----------
    statistic : callable
        From indices of stars, shape (n_drawn,), to one value per latent dimension.
    n_stars : int
        Stars to draw from.
    n_resamples : int
        Resamples with replacement.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    estimate : Estimate
        The statistic of all stars, with percentile intervals.

    Notes
    -----
    Of more than `MAX_RESAMPLED` stars N, resamples have m = `MAX_RESAMPLED`, and the
    interval's ends come nearer to the value by sqrt(m / N), the rate at which the
    statistic must converge (m out of n bootstrap, Bickel, Goetze and van Zwet 1997,
    Statistica Sinica 7, 1).
    """
    n_drawn = min(n_stars, MAX_RESAMPLED)
    value = statistic(np.arange(n_stars))
    resampled = np.empty((n_resamples, value.size))
    for row in resampled:
        row[:] = statistic(rng.integers(n_stars, size=n_drawn))
    shrink = np.sqrt(n_drawn / n_stars)
    low, high = (
        value + shrink * (end - value)
        for end in percentile_interval(resampled, confidence)
    )
    return Estimate(value, low, high)


def benjamini_hochberg(p_value: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Adjust p-values so that cutting them at q keeps the false discovery rate at q.

    Parameters
    ----------
    p_value : ndarray of float, any shape
        P-values of all tests of one family; NaN where no test was made.

    Returns
    -------
    q_value : ndarray of float, same shape
        Adjusted p-values, NaN where `p_value` is.

    Notes
    -----
    Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57, 289. Tests that were not
    made do not count.

    Examples
    --------
    >>> from stellar_tf.analysis.statistics import benjamini_hochberg
    >>> benjamini_hochberg(np.array([0.001, 0.02, np.nan, 0.9]))
    array([0.003, 0.03 ,   nan, 0.9  ])
    """
    q_value = np.full(p_value.shape, np.nan)
    made = np.isfinite(p_value)
    if made.any():
        q_value[made] = stats.false_discovery_control(p_value[made], method="bh")
    return q_value
