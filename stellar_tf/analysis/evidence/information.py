"""How many nats each latent dimension carries about the input."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from stellar_tf.analysis.statistics import percentile_interval, resample_counts

MAX_GRID = 4096
"""Most grid points an aggregate posterior is tabulated on."""
_CHUNK = 512
_LOG_2_PI_E = np.log(2.0 * np.pi * np.e)


class Information(NamedTuple):
    """Information of each latent dimension, all in nats and of shape (n_latent,)."""

    value: NDArray[np.float64]
    """I(x; z_d), corrected for the bias the resamples show."""
    low: NDArray[np.float64]
    """Lower end of its interval."""
    high: NDArray[np.float64]
    """Upper end of its interval."""
    standard_error: NDArray[np.float64]
    """Standard deviation of the resampled values."""
    kl: NDArray[np.float64]
    """Mean KL divergence of the posteriors from the prior: what training paid."""


def measure_information(
    z_mean: NDArray[np.floating],
    z_log_var: NDArray[np.floating],
    *,
    n_resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> Information:
    """
    Measure the mutual information of the input and each latent dimension.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    z_log_var : ndarray of float, shape (n_stars, n_latent)
        Natural logarithm of the posterior variances.
    n_resamples : int
        Resamples of the stars behind the interval.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    information : Information
        Values, intervals and KL divergences, in nats.

    Notes
    -----
    I(x; z_d) = E[KL(q(z_d|x) || p)] - KL(q(z_d) || p) with the aggregate posterior
    q(z_d), the mixture of all stars' Gaussians (Hoffman and Johnson 2016, "ELBO
    surgery"). The prior p cancels: what is computed is the entropy of the mixture
    minus the mean entropy of its parts, the first by quadrature. With N stars it
    cannot exceed ln N.

    The resamples of the stars enter as weights of the mixture. Their mean falls
    short of the sample's value by about as much as that falls short of the truth:
    value and interval are corrected for it (basic bootstrap).
    """
    n_stars, n_latent = z_mean.shape
    weights = np.ones((1 + n_resamples, n_stars), np.float32)
    weights[1:] = resample_counts(n_stars, n_resamples, rng)
    weights /= np.float32(n_stars)

    values = np.empty((1 + n_resamples, n_latent))
    kl = np.empty(n_latent)
    for index in range(n_latent):
        mean = np.asarray(z_mean[:, index], np.float64)
        variance = np.exp(np.asarray(z_log_var[:, index], np.float64))
        kl[index] = 0.5 * np.mean(mean**2 + variance - 1.0 - np.log(variance))
        values[:, index] = mixture_information(mean, variance, weights)

    plain, resampled = values[0], values[1:]
    low, high = percentile_interval(resampled, confidence)
    return Information(
        value=np.maximum(2.0 * plain - resampled.mean(axis=0), 0.0),
        low=np.maximum(2.0 * plain - high, 0.0),
        high=np.maximum(2.0 * plain - low, 0.0),
        standard_error=resampled.std(axis=0, ddof=1),
        kl=kl,
    )


def mixture_information(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    weights: NDArray[np.floating],
) -> NDArray[np.float64]:
    """
    Entropy of Gaussian mixtures minus the mean entropy of their parts.

    Parameters
    ----------
    mean : ndarray of float, shape (n_stars,)
        Means of the parts.
    variance : ndarray of float, shape (n_stars,)
        Variances of the parts.
    weights : ndarray of float, shape (n_mixtures, n_stars)
        Weights of the parts in each mixture; rows sum to 1.

    Returns
    -------
    information : ndarray of float, shape (n_mixtures,)
        Mutual information of part and value [nat].

    Notes
    -----
    Where parts are too narrow for `MAX_GRID` points, the same Gaussian noise is
    added to all of them. By the data-processing inequality the result is then a
    lower bound. Memory is bounded: parts enter in chunks.
    """
    grid, step, blur = _build_grid(mean, np.sqrt(variance))
    variance = variance + blur**2
    density = np.zeros((weights.shape[0], grid.size), np.float64)
    for start in range(0, mean.size, _CHUNK):
        rows = slice(start, start + _CHUNK)
        precision = 1.0 / variance[rows, None]  # (chunk, 1)
        parts = np.exp(-0.5 * precision * (grid - mean[rows, None]) ** 2)
        parts *= np.sqrt(precision / (2.0 * np.pi))  # (chunk, n_grid)
        density += weights[:, rows] @ parts.astype(weights.dtype)
    mixture = -step * xlogy(density, density).sum(axis=1)
    parts_entropy = weights @ (0.5 * (_LOG_2_PI_E + np.log(variance)))
    return np.asarray(np.maximum(mixture - parts_entropy, 0.0), np.float64)


def _build_grid(
    mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    low = float(np.min(mean - 7.0 * deviation))
    high = float(np.max(mean + 7.0 * deviation))
    # Half the narrowest width: the trapezoid rule is then exact to rounding.
    n_wanted = (high - low) / (0.5 * float(deviation.min()))
    n_grid = int(min(max(n_wanted, 128.0), MAX_GRID))
    step = (high - low) / (n_grid - 1)
    blur = 2.0 * step if n_wanted > MAX_GRID else 0.0
    return np.linspace(low, high, n_grid), step, blur
