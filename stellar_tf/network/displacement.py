"""Displacing spectra along their pixels, and the gradient of that."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def displace(flux: tf.Tensor, coefficients: tf.Tensor, scale: float) -> tf.Tensor:
    """
    Move spectra along their pixels, by linear interpolation.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Spectra.
    coefficients : Tensor of float32, shape (batch, n_terms)
        Of a polynomial in the pixel's coordinate, from -1 to 1; positive to the
        right.
    scale : float
        Displacement by a coefficient of 1 [pixel].

    Returns
    -------
    displaced : Tensor of float32, shape (batch, n_pixels)
        Beyond its ends a spectrum goes on with its last value.
    """
    left, fraction, step = _neighbours(flux, coefficients, scale)
    return _take(flux, left) + fraction * step


def displace_fast(flux: tf.Tensor, coefficients: tf.Tensor, scale: float) -> tf.Tensor:
    """
    Do the same, compiled, with a gradient of its own.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Spectra.
    coefficients : Tensor of float32, shape (batch, n_terms)
        As in `displace`.
    scale : float
        Displacement by a coefficient of 1 [pixel].

    Returns
    -------
    displaced : Tensor of float32, shape (batch, n_pixels)
        As of `displace`.

    Notes
    -----
    TensorFlow's gradient of a gather scatters: pixel by pixel, on one core. Here each
    pixel collects what comes back to it from the few that took from it, which are found
    by inverting the displacement. That is exact as long as the displacement changes by
    less than half a pixel per pixel.
    """

    def run(flux: tf.Tensor, coefficients: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            by_source, by_term = _compiled_gradient(upstream, flux, coefficients, scale)
            return by_source, by_term

        return _compiled_displace(flux, coefficients, scale), gradient

    return tf.custom_gradient(run)(flux, coefficients)


def _find_gradient(
    upstream: tf.Tensor, flux: tf.Tensor, coefficients: tf.Tensor, scale: float
) -> tuple[tf.Tensor, tf.Tensor]:
    pixel, last = _pixels(flux), flux.shape[-1] - 1.0
    displacement = _displacement(coefficients, pixel, scale, last)
    before, beyond = displacement > pixel, displacement < pixel - last

    _, _, step = _neighbours(flux, coefficients, scale)
    by_pixel = tf.where(before | beyond, 0.0, -scale * upstream * step)
    coordinate = _coordinate(pixel, last)
    n_terms = coefficients.shape[-1]
    by_term = [tf.reduce_sum(by_pixel * coordinate**k, axis=-1) for k in range(n_terms)]

    by_source = _collect(upstream, coefficients, scale)
    for is_outside, end in ((before, 0.0), (beyond, last)):
        total = tf.reduce_sum(tf.where(is_outside, upstream, 0.0), -1, keepdims=True)
        by_source += tf.where(pixel == end, total, 0.0)
    return by_source, tf.stack(by_term, axis=-1)


_compiled_displace = tf.function(displace, jit_compile=True)
_compiled_gradient = tf.function(_find_gradient, jit_compile=True)


def _collect(upstream: tf.Tensor, coefficients: tf.Tensor, scale: float) -> tf.Tensor:
    """Sum for each pixel the gradients of those that took from it, but for the ends."""
    pixel, last = _pixels(upstream), upstream.shape[-1] - 1.0
    # Two steps of a fixed-point iteration lead to how far the pixel has gone.
    gone = _displacement(coefficients, pixel, scale, last)
    gone = tf.floor(_displacement(coefficients, pixel + gone, scale, last))
    total = tf.zeros_like(upstream)
    for offset in (-1.0, 0.0, 1.0, 2.0):
        moved = gone + offset
        taker = pixel + moved
        displacement = _displacement(coefficients, taker, scale, last)
        source_exists = (displacement <= taker) & (displacement >= taker - last)
        exists = (taker >= 0.0) & (taker <= last) & source_exists
        distance = tf.abs(moved - displacement)
        weight = tf.where(exists, tf.nn.relu(1.0 - distance), 0.0)
        total += weight * _take(upstream, taker)
    return total


def _neighbours(
    flux: tf.Tensor, coefficients: tf.Tensor, scale: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the pixel left of each source, how far on it lies, and the step there."""
    pixel, last = _pixels(flux), flux.shape[-1] - 1.0
    displacement = _displacement(coefficients, pixel, scale, last)
    # Whole pixels apart: float32 has no room for hundreds of thousands and a fraction.
    whole = tf.math.ceil(displacement)
    left = tf.clip_by_value(pixel - whole, 0.0, last - 1.0)
    fraction = tf.clip_by_value(pixel - whole - left + (whole - displacement), 0.0, 1.0)
    return left, fraction, _take(flux, left + 1.0) - _take(flux, left)


def _displacement(
    coefficients: tf.Tensor, pixel: tf.Tensor, scale: float, last: float
) -> tf.Tensor:
    coordinate = _coordinate(pixel, last)
    total = tf.zeros_like(coordinate)
    for k in reversed(range(coefficients.shape[-1])):
        total = coefficients[:, k : k + 1] + coordinate * total
    return scale * total


def _coordinate(pixel: tf.Tensor, last: float) -> tf.Tensor:
    """Let the pixels run from -1 to 1."""
    return 2.0 * pixel / last - 1.0


def _pixels(flux: tf.Tensor) -> tf.Tensor:
    return tf.range(flux.shape[-1], dtype=flux.dtype)[tf.newaxis]


def _take(flux: tf.Tensor, pixel: tf.Tensor) -> tf.Tensor:
    # NaN has no coordinate: it must reach the loss, where it is told, not the indices.
    index = tf.clip_by_value(tf.cast(pixel, tf.int32), 0, flux.shape[-1] - 1)
    return tf.gather(flux, index, axis=1, batch_dims=1)
