"""Whether posteriors are as wide as the scatter between visits of one star."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from stellar_tf.analysis.evidence.repeats import MIN_REPEATED_STARS
from stellar_tf.analysis.statistics import Estimate, bootstrap

_ONE_SIGMA = 2.0 * float(ndtr(1.0)) - 1.0
_TWO_SIGMA = 1.959964


class Pulls(NamedTuple):
    """How honest widths are, per latent dimension; NaN with too few stars."""

    scale: Estimate
    """What widths must be multiplied by so that 68.3 % of the pulls are within 1."""
    coverage_68: Estimate
    """Share of the pulls within 1: 0.683 where widths are right."""
    coverage_95: Estimate
    """Share of the pulls within 1.96: 0.95 where widths are right."""
    n_stars: int
    """Stars with at least two visits."""


def measure_pulls(
    z_mean: NDArray[np.floating],
    z_log_var: NDArray[np.floating],
    star: NDArray[np.str_],
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Pulls:
    """
    Divide differences between visits of one star by what the posteriors claim.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_spectra, n_latent)
        Posterior means of all spectra.
    z_log_var : ndarray of float, shape (n_spectra, n_latent)
        Natural logarithm of the posterior variances.
    star : ndarray of str, shape (n_spectra,)
        Star of each spectrum.
    n_resamples : int
        Resamples of the stars.
    confidence : float
        Level of the intervals.
    rng : numpy.random.Generator
        Chooses two visits of each star, and resamples the stars.

    Returns
    -------
    pulls : Pulls
        Scales and coverages with percentile intervals.

    Notes
    -----
    The pull of two visits is (z1 - z2) / sqrt(s1^2 + s2^2), with a mean and a standard
    deviation s from each posterior. For a dimension that describes the star it is unit
    normal where widths are right. Two visits of each star, drawn at random, give one
    pull, so that pulls are independent.
    """
    first, second = _draw_pairs(star, rng)
    n_latent = z_mean.shape[1]
    if first.size < MIN_REPEATED_STARS:
        unknown = np.full(n_latent, np.nan)
        nothing = Estimate(unknown, unknown, unknown)
        return Pulls(nothing, nothing, nothing, first.size)
    variance = [np.exp(np.asarray(z_log_var[i], np.float64)) for i in (first, second)]
    difference = np.asarray(z_mean[first], np.float64) - z_mean[second]
    pulls = np.abs(difference) / np.sqrt(variance[0] + variance[1])

    def measure(drawn: NDArray[np.intp]) -> NDArray[np.float64]:
        of_drawn = pulls[drawn]
        scale = np.quantile(of_drawn, _ONE_SIGMA, axis=0)
        coverages = [(of_drawn <= end).mean(axis=0) for end in (1.0, _TWO_SIGMA)]
        return np.concatenate([scale, *coverages])

    found = bootstrap(
        measure, first.size, n_resamples=n_resamples, confidence=confidence, rng=rng
    )
    scale, coverage_68, coverage_95 = (
        Estimate(*(end[start : start + n_latent] for end in found))
        for start in range(0, 3 * n_latent, n_latent)
    )
    return Pulls(scale, coverage_68, coverage_95, first.size)


def _draw_pairs(
    star: NDArray[np.str_], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw two visits of each star that has as many; return their rows."""
    shuffled = rng.permutation(star.size)
    order = shuffled[np.argsort(star[shuffled], kind="stable")]
    _, start, size = np.unique(star[order], return_index=True, return_counts=True)
    start = start[size >= 2]
    return order[start], order[start + 1]
