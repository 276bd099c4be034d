"""Codes at the maximum of their posterior, and how wide that is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

Decode = Callable[[tf.Tensor], tf.Tensor]
"""From codes, (batch, n_latent), to normalised flux, (batch, n_pixels)."""

FREEDOM = 16.0
"""Degrees of freedom of the noise's Student distribution: nearly normal, and a cosmic
ray of 100 deviations counts for as little as one of 0.2."""
LEAST_FLUX = 0.05
"""Of the brightness that photon noise is taken from: lines are not quite black."""
_LARGEST_CORRELATION = 0.45
"""At one half what alternates from pixel to pixel would have no noise at all."""
_DIFFERENCE = 0.3
"""Of a posterior's width, by which codes are moved to differentiate the decoder: little
enough for its curvature, and much more than float32 resolves."""
_FIRST_DIFFERENCE, _LARGEST_DIFFERENCE = 0.005, 0.05
"""Of a code: before a width is known, and at most."""
_LARGEST_STEP = 0.5
"""Of a code, in any dimension."""
_GROWTH = 1.1
"""By which the share of a step that is taken grows where the last was not too long."""
_SMALL_STEP = 0.1
"""In widths of the posterior: who moves by less has arrived."""
_DEVIATION = 1.4826
"""Of a normal distribution, in medians of the absolute."""


class Noise(NamedTuple):
    """What the pixels of each spectrum scatter by."""

    deviation: tf.Tensor
    """Standard deviation, in the flux's unit, shape (batch, n_pixels)."""
    correlation: tf.Tensor
    """Of neighbouring pixels, shape (batch,)."""


class _State(NamedTuple):
    """Of a search, for each spectrum."""

    z: tf.Tensor
    """Shape (batch, n_latent)."""
    step: tf.Tensor
    """The last one, shape (batch, n_latent)."""
    difference: tf.Tensor
    """By which to differentiate, shape (batch, n_latent)."""
    share: tf.Tensor
    """Of a step that is taken, shape (batch,)."""
    n_widths: tf.Tensor
    """Length of the last step, in widths of the posterior, shape (batch,)."""
    is_moving: tf.Tensor
    """Whether it has not arrived, shape (batch,)."""


class Measurement(NamedTuple):
    """Posteriors of codes."""

    z: tf.Tensor
    """Means, shape (batch, n_latent)."""
    covariance: tf.Tensor
    """Shape (batch, n_latent, n_latent)."""
    noise: Noise
    """What they were weighted by."""
    has_converged: tf.Tensor
    """Whether the last step was a small part of the width, bool, shape (batch,)."""


def measure_codes(
    decode: Decode,
    flux: tf.Tensor,
    z: tf.Tensor,
    error: tf.Tensor | None = None,
    *,
    n_steps: int = 50,
) -> Measurement:
    """
    Find the codes whose spectra are most likely, by Gauss-Newton steps.

    Parameters
    ----------
    decode : callable
        The decoder.
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    z : Tensor of float32, shape (batch, n_latent)
        Where to start: the encoder's code.
    error : Tensor of float32, shape (batch, n_pixels), optional
        Standard deviation of the flux; NaN where it is unknown.
    n_steps : int, default 50
        Most steps. Each spectrum stops where its next one would be a tenth of the
        posterior's width, so that what is found does not depend on the others.

    Returns
    -------
    measurement : Measurement
        Of a spectrum without valid pixels the code it started from and the prior.

    Notes
    -----
    With residuals r, their covariance C and the decoder's derivatives J, a step is
    ``(J^T C^-1 J + 1)^-1 (J^T C^-1 r - z)``, the prior being a unit normal. The inverse
    is the posterior's covariance where the decoder is linear over its width (Laplace's
    approximation). The encoder's part is to be near enough: semi-amortised inference
    (Kim et al. 2018, arXiv 1802.02550). C is `measure_noise`'s; residuals of many
    deviations count less, as of a Student distribution, whose maximum the steps find
    as iteratively reweighted least squares. Where the decoder cannot describe a
    spectrum, its curvature along a weak direction can outweigh that of the normal
    equations, and whole steps go to and fro: a spectrum whose steps do so takes a half
    of them from then on, and a little more each time that they do not.

    The level of each spectrum is unknown, too: it was divided by the median of its
    pixels, which with S/N 60 a pixel is off by 0.1 to 0.2 %, several times what the
    average is off by. It has no prior, and what it takes from J and r is left out of
    both.
    """

    def move(state: _State) -> tuple[_State]:
        normal, gradient, _ = _build_equations(
            decode, flux, state.z, error, state.difference
        )
        return (_take_step(state, normal, gradient),)

    ones = tf.ones(tf.shape(z)[:1], z.dtype)
    first = _State(
        z=z,
        step=tf.zeros_like(z),
        difference=_FIRST_DIFFERENCE * tf.ones_like(z),
        share=ones,
        n_widths=float("inf") * ones,
        is_moving=tf.cast(ones, tf.bool),
    )
    (last,) = tf.while_loop(
        lambda state: tf.reduce_any(state.is_moving),
        move,
        (first,),
        maximum_iterations=n_steps,
    )
    normal, _, noise = _build_equations(decode, flux, last.z, error, last.difference)
    covariance = tf.cast(tf.linalg.inv(normal), z.dtype)
    return Measurement(last.z, covariance, noise, ~last.is_moving)


def measure_noise(
    flux: tf.Tensor, model: tf.Tensor, error: tf.Tensor | None = None
) -> Noise:
    """
    Measure the noise of spectra by what a model leaves.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Normalised flux, NaN at bad pixels.
    model : Tensor of float32, shape (batch, n_pixels)
        What is expected.
    error : Tensor of float32, shape (batch, n_pixels), optional
        Standard deviation of the flux; NaN where it is unknown.

    Returns
    -------
    noise : Noise
        Where errors are known they count, and more if residuals are larger. Elsewhere
        the variance is in proportion to the expected flux, as of photons, and the
        median absolute residual says how large. Neighbours correlate, since rebinning
        mixes detector pixels: by as much as the residuals do.
    """
    deviation = tf.sqrt(tf.maximum(model, LEAST_FLUX))
    if error is not None:
        known = tf.math.is_finite(error) & (error > 0.0)
        by_errors = tf.reduce_any(known & tf.math.is_finite(flux), -1, keepdims=True)
        # Errors and photons are not of one unit: a pixel of unknown error is bad there.
        known_error = tf.where(known, error, float("inf"))
        deviation = tf.where(by_errors, known_error, deviation)
    residual = (flux - model) / deviation
    scale = _DEVIATION * _median(tf.abs(residual))
    if error is not None:
        scale = tf.where(by_errors, tf.maximum(scale, 1.0), scale)
    scaled = tf.clip_by_value(tf.math.divide_no_nan(residual, scale), -3.0, 3.0)
    scaled = tf.where(tf.math.is_finite(scaled), scaled, 0.0)
    product = tf.reduce_sum(scaled[:, 1:] * scaled[:, :-1], axis=-1)
    correlation = tf.math.divide_no_nan(product, tf.reduce_sum(scaled**2, axis=-1))
    return Noise(
        deviation * scale, tf.clip_by_value(correlation, 0.0, _LARGEST_CORRELATION)
    )


def _take_step(state: _State, normal: tf.Tensor, gradient: tf.Tensor) -> _State:
    """Move codes by as much of the step as it is safe to."""
    covariance = tf.linalg.inv(normal)
    step = tf.linalg.matvec(covariance, gradient)
    n_widths = tf.sqrt(tf.reduce_sum(step * gradient, axis=-1))
    step, gradient, n_widths = (
        tf.cast(x, state.z.dtype) for x in (step, gradient, n_widths)
    )
    # It would go back to where it has come from: the last step was too long.
    overshot = tf.reduce_sum(gradient * state.step, axis=-1) < 0.0
    overshot &= n_widths > 0.5 * state.n_widths
    longer = tf.minimum(_GROWTH * state.share, 1.0)
    share = tf.where(overshot, 0.5 * state.share, longer)
    # As a whole, for what one dimension does the others make up for.
    largest = tf.reduce_max(tf.abs(step), axis=-1)
    taken = tf.minimum(share, tf.math.divide_no_nan(_LARGEST_STEP, largest))
    is_moving = state.is_moving[:, tf.newaxis]
    step *= tf.where(is_moving, taken[:, tf.newaxis], 0.0)
    difference = _choose_difference(covariance, step.dtype)
    return _State(
        z=state.z + step,
        step=step,
        difference=tf.where(is_moving, difference, state.difference),
        share=share,
        n_widths=n_widths,
        is_moving=state.is_moving & (n_widths > _SMALL_STEP),
    )


def _choose_difference(covariance: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Say by how much to move each code, (batch, n_latent)."""
    width = tf.cast(tf.sqrt(tf.linalg.diag_part(covariance)), dtype)
    return tf.minimum(_DIFFERENCE * width, _LARGEST_DIFFERENCE)


def _build_equations(
    decode: Decode,
    flux: tf.Tensor,
    z: tf.Tensor,
    error: tf.Tensor | None,
    difference: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, Noise]:
    """Return the normal matrix and the gradient at a code, with the prior in both."""
    n_latent = z.shape[-1]
    model = decode(z)
    noise = measure_noise(flux, model, error)
    scaled = (flux - model) / noise.deviation
    valid = tf.math.is_finite(scaled) & (noise.deviation > 0.0)
    valid &= tf.math.is_finite(noise.deviation)
    scaled = tf.where(valid, scaled, 0.0)
    # The root of a Student distribution's weight, 1 in its middle.
    root = tf.math.rsqrt(1.0 + scaled**2 / FREEDOM)
    slope_weight = tf.where(valid, root / noise.deviation, 0.0)
    steps = tf.split(difference, n_latent, axis=-1)  # (batch, 1) each
    axes = tf.unstack(tf.eye(n_latent))
    slopes = [
        (decode(z + step * axis) - model) / step
        for step, axis in zip(steps, axes, strict=True)
    ]
    rows = [slope_weight * slope for slope in slopes]
    # (batch, n_latent + 2, n_pixels)
    columns = tf.stack([*rows, root * scaled, slope_weight * model], axis=1)
    whitened = _solve_tridiagonal(columns, noise.correlation)
    # Along some directions spectra change a thousand times as much as along others.
    columns, whitened = (tf.cast(x, tf.float64) for x in (columns, whitened))
    product = tf.matmul(columns, whitened, transpose_b=True)
    # The level is eliminated: it is linear, so that it takes no steps of its own.
    by_level = product[:, :, -1:]
    product -= tf.math.divide_no_nan(
        by_level * tf.linalg.matrix_transpose(by_level), by_level[:, -1:]
    )
    normal = product[:, :n_latent, :n_latent] + tf.eye(n_latent, dtype=tf.float64)
    return normal, product[:, :n_latent, n_latent] - tf.cast(z, tf.float64), noise


def _solve_tridiagonal(rows: tf.Tensor, correlation: tf.Tensor) -> tf.Tensor:
    """Multiply rows of pixels by the inverse of a correlation between neighbours."""
    shape = tf.shape(rows)
    beside = tf.broadcast_to(
        correlation[:, tf.newaxis, tf.newaxis], (shape[0], 1, shape[2])
    )
    bands = tf.concat([beside, tf.ones_like(beside), beside], axis=1)
    solved = tf.linalg.tridiagonal_solve(
        bands,
        tf.linalg.matrix_transpose(rows),
        diagonals_format="compact",
        partial_pivoting=False,
    )
    return tf.linalg.matrix_transpose(solved)


def _median(x: tf.Tensor) -> tf.Tensor:
    """Take the median over the finite of the last axis, kept; 0 if there is none."""
    finite = tf.math.is_finite(x)
    n_finite = tf.math.count_nonzero(finite, axis=-1, keepdims=True)
    ordered = tf.sort(tf.where(finite, x, float("inf")), axis=-1)
    middle = tf.gather(ordered, tf.maximum(n_finite - 1, 0) // 2, axis=-1, batch_dims=1)
    return tf.where(n_finite > 0, middle, 0.0)
