"""A test of whether a latent dimension depends on the input at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stellar_tf.analysis.statistics import benjamini_hochberg

_MAX_EXACT = 2_000
"""Beyond, the limiting distribution is good to a percent, and at once."""


class TwoSample(NamedTuple):
    """Kolmogorov-Smirnov tests, one per latent dimension."""

    statistic: NDArray[np.float64]
    """Largest difference of the two distribution functions: the effect size."""
    p_value: NDArray[np.float64]
    """Probability of a statistic this large if the dimension ignores the input."""
    q_value: NDArray[np.float64]
    """`p_value` adjusted over the dimensions (Benjamini-Hochberg)."""
    n_within: int
    """Pairs drawn from the posterior of one spectrum."""
    n_between: int
    """Pairs drawn from the posteriors of two stars."""


def compare_posteriors(
    z_mean: NDArray[np.floating],
    z_log_var: NDArray[np.floating],
    *,
    n_draws: int,
    rng: np.random.Generator,
) -> TwoSample:
    """
    Test each dimension: are two stars farther apart than two draws of one star.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    z_log_var : ndarray of float, shape (n_stars, n_latent)
        Natural logarithm of the posterior variances.
    n_draws : int
        The stars are split, paired and drawn from afresh until about this many
        values of z have been drawn; at least once.
    rng : numpy.random.Generator
        Source of the splits and of the draws.

    Returns
    -------
    test : TwoSample
        Statistic, p-value and adjusted p-value of each dimension.

    Notes
    -----
    The stars are split into halves. In the first, z and z' are drawn from the
    posterior of the same spectrum; in the second, z and z'' from the posteriors of
    two different stars, each star in one pair. If the posterior does not depend on
    the input, ``|z - z'|`` and ``|z - z''|`` are independent samples of one
    distribution, whatever that is, so the two-sample Kolmogorov-Smirnov test is
    exact. (Samples that share draws are dependent and make it too shy: 3 percent
    for 5.)

    Under that hypothesis fresh draws are independent whichever star they are from,
    so the test stays exact when rounds of it are pooled. Pooling makes its power
    depend on `n_draws` rather than on the number of stars; whether what it finds is
    large enough to matter is for `information` to say.
    """
    n_rounds = max(1, round(n_draws / (1.5 * z_mean.shape[0])))
    rounds = [draw_distances(z_mean, z_log_var, rng) for _ in range(n_rounds)]
    within, between = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    method = "exact" if within.shape[0] <= _MAX_EXACT else "asymp"
    result = stats.ks_2samp(within, between, axis=0, method=method)
    p_value = np.asarray(result.pvalue, np.float64)
    return TwoSample(
        statistic=np.asarray(result.statistic, np.float64),
        p_value=p_value,
        q_value=benjamini_hochberg(p_value),
        n_within=within.shape[0],
        n_between=between.shape[0],
    )


def draw_distances(
    z_mean: NDArray[np.floating],
    z_log_var: NDArray[np.floating],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Draw distances within posteriors and between stars, from disjoint stars.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    z_log_var : ndarray of float, shape (n_stars, n_latent)
        Natural logarithm of the posterior variances.
    rng : numpy.random.Generator
        Source of the split and of the draws.

    Returns
    -------
    within : ndarray of float, shape (n_stars // 2, n_latent)
        Distances of two draws from one posterior.
    between : ndarray of float, shape (about n_stars / 4, n_latent)
        Distances of draws from the posteriors of two stars.
    """
    n_stars = z_mean.shape[0]
    order = rng.permutation(n_stars)
    n_within = n_stars // 2
    n_between = (n_stars - n_within) // 2
    same = order[:n_within]
    first = order[n_within : n_within + n_between]
    second = order[n_within + n_between : n_within + 2 * n_between]

    deviation = np.exp(0.5 * np.asarray(z_log_var, np.float64))
    mean = np.asarray(z_mean, np.float64)

    def draw(stars: NDArray[np.intp]) -> NDArray[np.float64]:
        noise = rng.standard_normal((stars.size, mean.shape[1]))
        return mean[stars] + deviation[stars] * noise

    within = np.abs(draw(same) - draw(same))
    between = np.abs(draw(first) - draw(second))
    return within, between
