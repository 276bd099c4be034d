"""The terms of the objective and their schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import tensorflow as tf

LEAST_ERROR = 1.0e-4
"""Added to errors before their logarithm is taken: S/N 10,000 a pixel."""
LARGEST_WEIGHT = 10.0
"""Of a pixel, whatever its error: one that is nearly zero is hardly ever true."""


def weigh_pixels(flux: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
    """
    Say how much each pixel counts: by the inverse of its error.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    error : Tensor of float32, shape (batch, n_pixels)
        Standard deviation of the flux, in its unit; NaN where it is unknown.

    Returns
    -------
    weight : Tensor of float32, shape (batch, n_pixels)
        Geometric mean of the spectrum's errors over the pixel's, at most
        `LARGEST_WEIGHT`; 1 where the error is unknown, 0 at bad pixels.

    Notes
    -----
    The likelihood of a Laplace distribution as wide as the error of each pixel has the
    absolute error over it; only the ratio within a spectrum is taken from the errors.
    """
    valid = tf.math.is_finite(flux)
    known = valid & tf.math.is_finite(error) & (error > 0.0)
    logarithm = tf.math.log(tf.where(known, error, tf.ones_like(error)))
    n_known = tf.reduce_sum(tf.cast(known, flux.dtype), axis=-1, keepdims=True)
    mean = tf.reduce_sum(logarithm, axis=-1, keepdims=True) / tf.maximum(n_known, 1.0)
    weight = tf.minimum(tf.exp(mean - logarithm), LARGEST_WEIGHT)
    weight = tf.where(known, weight, tf.ones_like(weight))
    return tf.where(valid, weight, tf.zeros_like(weight))


def masked_absolute_error(
    flux: tf.Tensor, reconstruction: tf.Tensor, weight: tf.Tensor | None = None
) -> tf.Tensor:
    """
    Mean absolute error over the valid pixels of each spectrum.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    reconstruction : Tensor of float32, shape (batch, n_pixels)
        The decoder's output.
    weight : Tensor of float32, shape (batch, n_pixels), optional
        How much each pixel counts; by default all count the same.

    Returns
    -------
    error : Tensor of float32, shape (batch,)
        In normalised flux; zero for a spectrum without valid pixels.

    Notes
    -----
    Sedaghat et al. 2021 mask the same pixels of all spectra; here each has its own.

    Examples
    --------
    >>> import tensorflow as tf
    >>> from stellar_tf.training.losses import masked_absolute_error
    >>> flux = tf.constant([[1.0, 0.5, np.nan]])
    >>> masked_absolute_error(flux, tf.constant([[1.0, 1.0, 7.0]])).numpy()
    array([0.25], dtype=float32)
    """
    valid = tf.math.is_finite(flux)
    # The subtraction comes after the blanking: a NaN behind tf.where would still
    # make the gradient NaN.
    target = tf.where(valid, flux, tf.zeros_like(flux))
    error = tf.where(valid, tf.abs(target - reconstruction), tf.zeros_like(flux))
    counts = tf.cast(valid, flux.dtype)
    if weight is not None:
        counts *= weight
        error *= weight
    total = tf.reduce_sum(counts, axis=-1)
    return tf.math.divide_no_nan(tf.reduce_sum(error, axis=-1), total)


def average_pixels(flux: tf.Tensor, n_average: int) -> tf.Tensor:
    """
    Average neighbouring pixels, over the valid ones of each group.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        NaN at bad pixels.
    n_average : int
        Pixels a group; the last group may have fewer.

    Returns
    -------
    averaged : Tensor of float32, shape (batch, n_groups)
        NaN for a group without valid pixels.
    """
    if n_average == 1:
        return flux
    n_groups = -(-flux.shape[-1] // n_average)
    beyond = n_groups * n_average - flux.shape[-1]
    if beyond:
        flux = tf.pad(flux, [[0, 0], [0, beyond]], constant_values=float("nan"))
    groups = tf.reshape(flux, (-1, n_groups, n_average))
    valid = tf.math.is_finite(groups)
    total = tf.reduce_sum(tf.where(valid, groups, tf.zeros_like(groups)), axis=-1)
    n_valid = tf.reduce_sum(tf.cast(valid, flux.dtype), axis=-1)
    nan = tf.constant(float("nan"), flux.dtype)
    return tf.where(n_valid > 0, total / tf.maximum(n_valid, 1.0), nan)


def reconstruction_error(
    flux: tf.Tensor,
    reconstruction: tf.Tensor,
    scales: Sequence[int],
    weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """
    Absolute error averaged over several pixel scales.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    reconstruction : Tensor of float32, shape (batch, n_pixels)
        The decoder's output.
    scales : sequence of int
        Pixels averaged before the error is taken; 1 is the plain error.
    weight : Tensor of float32, shape (batch, n_pixels), optional
        How much each pixel counts; averaged pixels count as their mean.

    Returns
    -------
    error : Tensor of float32, shape (batch,)
        Mean of the scales' errors, in normalised flux.

    Notes
    -----
    A line displaced by more than its width costs the plain error the same however
    far it is; the averaged spectra still see in which direction it lies.
    """
    if tuple(scales) == (1,):
        return masked_absolute_error(flux, reconstruction, weight)
    # Averages must run over the same pixels on both sides.
    valid = tf.math.is_finite(flux)
    masked = tf.where(valid, reconstruction, tf.constant(float("nan"), flux.dtype))
    errors = []
    for scale in scales:
        averaged = average_pixels(masked, scale)
        averaged = tf.where(tf.math.is_finite(averaged), averaged, 0.0)
        counted = None if weight is None else average_pixels(weight, scale)
        coarse = average_pixels(flux, scale)
        errors.append(masked_absolute_error(coarse, averaged, counted))
    return tf.add_n(errors) / len(scales)


def reduce_kl(
    kl: tf.Tensor, reduction: Literal["mean", "sum"], free_nats: float = 0.0
) -> tf.Tensor:
    """
    Reduce the divergence of each dimension to one number per spectrum.

    Parameters
    ----------
    kl : Tensor of float32, shape (batch, n_latent)
        Divergence from the prior in nats.
    reduction : {"mean", "sum"}
        Over the dimensions. The same ``kl_weight`` presses n_latent times harder
        with "sum"; the paper takes the mean.
    free_nats : float
        A dimension's divergence counts as this where it is smaller, so that nothing
        presses it further down: free bits (Kingma et al. 2016, arXiv 1606.04934),
        here for each spectrum by itself, so that replicas need not know each other's.

    Returns
    -------
    kl : Tensor of float32, shape (batch,)
        In nats.
    """
    reduce = tf.reduce_mean if reduction == "mean" else tf.reduce_sum
    return reduce(tf.maximum(kl, free_nats), axis=-1)


def total_correlation(
    z: tf.Tensor, z_mean: tf.Tensor, z_log_var: tf.Tensor
) -> tf.Tensor:
    """
    Estimate how far the dimensions depend on each other, over all spectra.

    Parameters
    ----------
    z : Tensor of float32, shape (batch, n_latent)
        Draws from the posteriors of some spectra.
    z_mean, z_log_var : Tensor of float32, shape (n, n_latent)
        Posteriors of all spectra of the batch, on whichever replica.

    Returns
    -------
    total_correlation : Tensor of float32, shape (batch,)
        Its mean estimates the divergence of the aggregate posterior from the product
        of its marginals [nat].

    Notes
    -----
    Both densities are averages over the batch's posteriors (Chen et al. 2018, arXiv
    1802.04942, up to a constant). A draw's own posterior is among them, so that the
    estimate is too large where posteriors are narrow and the batch is small.
    """
    log_sigma = 0.5 * z_log_var
    scaled = (z[:, tf.newaxis] - z_mean) * tf.exp(-log_sigma)  # (batch, n, n_latent)
    log_density = -0.5 * scaled**2 - log_sigma - 0.5 * math.log(2.0 * math.pi)
    log_n = tf.math.log(tf.cast(tf.shape(z_mean)[0], z.dtype))
    joint = tf.reduce_logsumexp(tf.reduce_sum(log_density, axis=-1), axis=1) - log_n
    marginals = tf.reduce_logsumexp(log_density, axis=1) - log_n
    return joint - tf.reduce_sum(marginals, axis=-1)


def kl_weight_at(step: tf.Tensor, schedule: Sequence[tuple[int, float]]) -> tf.Tensor:
    """
    Weight of the KL term, beta, at a step.

    Parameters
    ----------
    step : Tensor or float
        Training steps done, scalar float64.
    schedule : sequence of (int, float)
        Steps, rising, and the weights there, in normalised flux per nat.

    Returns
    -------
    beta : Tensor
        Scalar float64. Linear between the steps of the schedule, constant outside.

    Examples
    --------
    >>> from stellar_tf.training.losses import kl_weight_at
    >>> paper = [(5_000, 0.0), (20_000, 0.3)]
    >>> [float(kl_weight_at(step, paper)) for step in (0, 12_500, 10**6)]
    [0.0, 0.15, 0.3]
    """
    beta = tf.constant(schedule[0][1], tf.float64)
    for (start, low), (end, high) in pairwise(schedule):
        done = (tf.cast(step, tf.float64) - start) / (end - start)
        beta += (high - low) * tf.clip_by_value(done, 0.0, 1.0)
    return beta
