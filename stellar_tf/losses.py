"""The terms of the objective and their schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf


def masked_absolute_error(flux: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """
    Mean absolute error over the valid pixels of each spectrum.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    reconstruction : Tensor of float32, shape (batch, n_pixels)
        The decoder's output.

    Returns
    -------
    error : Tensor of float32, shape (batch,)
        In normalised flux; zero for a spectrum without valid pixels.

    Notes
    -----
    Sedaghat et al. 2021 mask the same pixels of all spectra; here each has its own.
    """
    valid = tf.math.is_finite(flux)
    # The subtraction comes after the blanking: a NaN behind tf.where would still
    # make the gradient NaN.
    target = tf.where(valid, flux, tf.zeros_like(flux))
    error = tf.where(valid, tf.abs(target - reconstruction), tf.zeros_like(flux))
    n_valid = tf.reduce_sum(tf.cast(valid, flux.dtype), axis=-1)
    return tf.reduce_sum(error, axis=-1) / tf.maximum(n_valid, 1.0)


def average_pixels(flux: tf.Tensor, n_average: int) -> tf.Tensor:
    """
    Average neighbouring pixels, over the valid ones of each group.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        NaN at bad pixels.
    n_average : int
        Pixels a group; a divisor of n_pixels.

    Returns
    -------
    averaged : Tensor of float32, shape (batch, n_pixels / n_average)
        NaN for a group without valid pixels.
    """
    if n_average == 1:
        return flux
    groups = tf.reshape(flux, (-1, flux.shape[-1] // n_average, n_average))
    valid = tf.math.is_finite(groups)
    total = tf.reduce_sum(tf.where(valid, groups, tf.zeros_like(groups)), axis=-1)
    n_valid = tf.reduce_sum(tf.cast(valid, flux.dtype), axis=-1)
    nan = tf.constant(float("nan"), flux.dtype)
    return tf.where(n_valid > 0, total / tf.maximum(n_valid, 1.0), nan)


def reconstruction_error(
    flux: tf.Tensor, reconstruction: tf.Tensor, scales: Sequence[int]
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

    Returns
    -------
    error : Tensor of float32, shape (batch,)
        Mean of the scales' errors, in normalised flux.

    Notes
    -----
    A line displaced by more than its width costs the plain error the same however
    far it is; the averaged spectra still see in which direction it lies.
    """
    # Averages must run over the same pixels on both sides.
    valid = tf.math.is_finite(flux)
    masked = tf.where(valid, reconstruction, tf.constant(float("nan"), flux.dtype))
    errors = []
    for scale in scales:
        averaged = average_pixels(masked, scale)
        averaged = tf.where(tf.math.is_finite(averaged), averaged, 0.0)
        errors.append(masked_absolute_error(average_pixels(flux, scale), averaged))
    return tf.add_n(errors) / len(scales)


def reduce_kl(kl: tf.Tensor, reduction: Literal["mean", "sum"]) -> tf.Tensor:
    """
    Reduce the divergence of each dimension to one number per spectrum.

    Parameters
    ----------
    kl : Tensor of float32, shape (batch, n_latent)
        Divergence from the prior in nats.
    reduction : {"mean", "sum"}
        Over the dimensions. The same ``kl_weight`` presses n_latent times harder
        with "sum"; the paper takes the mean.

    Returns
    -------
    kl : Tensor of float32, shape (batch,)
        In nats.
    """
    reduce = tf.reduce_mean if reduction == "mean" else tf.reduce_sum
    return reduce(kl, axis=-1)


def kl_weight_at(step: int, schedule: Sequence[tuple[int, float]]) -> float:
    """
    Weight of the KL term, beta, at a step.

    Parameters
    ----------
    step : int
        Training steps done.
    schedule : sequence of (int, float)
        Steps, rising, and the weights there, in normalised flux per nat.

    Returns
    -------
    beta : float
        Linear between the steps of the schedule, constant outside.
    """
    steps, weights = zip(*schedule, strict=True)
    return float(np.interp(step, steps, weights))
