"""The one-per-star view, and intervals by resampling stars."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.star import star_of

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


def one_per_star(
    dp_id: NDArray[np.str_], star: NDArray[np.str_], *, seed: int
) -> NDArray[np.intp]:
    """
    Draw one spectrum of each star.

    Parameters
    ----------
    dp_id : ndarray of str, shape (n,)
        Identifier of each spectrum; the draw does not depend on the order of rows.
    star : ndarray of str, shape (n,)
        Star of each spectrum; where it is empty the spectrum is its own star.
    seed : int
        Another seed draws other spectra.

    Returns
    -------
    rows : ndarray of int, shape (n_stars,)
        Row numbers of the drawn spectra, ascending.

    Notes
    -----
    The paper's "unique" view: spectra of one star are not independent, stars are.
    """
    shuffled = np.argsort(dp_id, kind="stable")
    shuffled = shuffled[np.random.default_rng(seed).permutation(shuffled.size)]
    owner = name_stars(dp_id, star)[shuffled]
    _, first = np.unique(owner, return_index=True)
    return np.sort(shuffled[first])


def name_stars(dp_id: NDArray[np.str_], star: NDArray[np.str_]) -> NDArray[np.str_]:
    """
    Give spectra without a star a name of their own.

    Parameters
    ----------
    dp_id : ndarray of str, shape (n,)
        Identifier of each spectrum.
    star : ndarray of str, shape (n,)
        Star of each spectrum, or ``""``.

    Returns
    -------
    owner : ndarray of str, shape (n,)
        The star, or the name that `star_of` gives a spectrum without one.
    """
    named = [s or star_of("", i) for s, i in zip(star, dp_id, strict=True)]
    return np.array(named, np.str_)


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
