"""Displacing spectra along their pixels, and the gradient of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import tensorflow as tf

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Order = Literal[1, 3]
"""Of the B-spline in between pixels."""


def displace(
    flux: tf.Tensor, coefficients: tf.Tensor, scale: float, order: Order = 1
) -> tf.Tensor:
    """
    Move spectra along their pixels.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Spectra, as the coefficients of B-splines centred on the pixels; of order 1
        these are the values.
    coefficients : Tensor of float32, shape (batch, n_terms)
        Of a polynomial in the pixel's coordinate, from -1 to 1; positive to the
        right.
    scale : float
        Displacement by a coefficient of 1 [pixel].
    order : {1, 3}, default 1
        Of the B-splines: linear or cubic.

    Returns
    -------
    displaced : Tensor of float32, shape (batch, n_pixels)
        Beyond its ends a spectrum goes on with its last value.

    Notes
    -----
    Lines of two pixels lose up to a third of their finest details half-way between two
    pixels by linear interpolation, and 3 % by a cubic spline.
    """
    left, fraction = _sources(flux, coefficients, scale)
    taps = zip(_taps(order), _weights(fraction, order), strict=True)
    return tf.add_n([weight * _take(flux, left + tap) for tap, weight in taps])


def displace_fast(
    flux: tf.Tensor, coefficients: tf.Tensor, scale: float, order: Order = 1
) -> tf.Tensor:
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
    order : {1, 3}, default 1
        As in `displace`.

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
            by_source, by_term = _compiled_gradient(
                upstream, flux, coefficients, scale, order
            )
            return by_source, by_term

        return displace_compiled(flux, coefficients, scale, order), gradient

    return tf.custom_gradient(run)(flux, coefficients)


def _find_gradient(
    upstream: tf.Tensor,
    flux: tf.Tensor,
    coefficients: tf.Tensor,
    scale: float,
    order: Order,
) -> tuple[tf.Tensor, tf.Tensor]:
    pixel, last = _pixels(flux), flux.shape[-1] - 1.0
    left, fraction = _sources(flux, coefficients, scale)
    slopes = zip(_taps(order), _slopes(fraction, order), strict=True)
    slope = tf.add_n([weight * _take(flux, left + tap) for tap, weight in slopes])
    by_pixel = -scale * upstream * slope
    coordinate = _coordinate(pixel, last)
    n_terms = coefficients.shape[-1]
    by_term = [tf.reduce_sum(by_pixel * coordinate**k, axis=-1) for k in range(n_terms)]

    by_source = _collect(upstream, coefficients, scale, order)
    # Whatever is taken from beyond an end is taken from the end.
    for end, beyond in ((0.0, tf.less_equal), (last, tf.greater_equal)):
        taps = zip(_taps(order), _weights(fraction, order), strict=True)
        taken = tf.add_n([tf.where(beyond(left + k, end), w, 0.0) for k, w in taps])
        total = tf.reduce_sum(taken * upstream, axis=-1, keepdims=True)
        by_source = tf.where(pixel == end, total, by_source)
    return by_source, tf.stack(by_term, axis=-1)


displace_compiled = tf.function(displace, jit_compile=True, autograph=False)
"""The same, by XLA."""
_compiled_gradient = tf.function(_find_gradient, jit_compile=True, autograph=False)


def _collect(
    upstream: tf.Tensor, coefficients: tf.Tensor, scale: float, order: Order
) -> tf.Tensor:
    """Sum for each pixel the gradients of those that took from it, but for the ends."""
    pixel, last = _pixels(upstream), upstream.shape[-1] - 1.0
    # Two steps of a fixed-point iteration lead to how far the pixel has gone.
    gone = _displacement(coefficients, pixel, scale, last)
    gone = tf.floor(_displacement(coefficients, pixel + gone, scale, last))
    total = tf.zeros_like(upstream)
    taps = _taps(order)
    for offset in (taps[0] - 1.0, *taps, taps[-1] + 1.0):
        moved = gone + offset
        taker = pixel + moved
        displacement = _displacement(coefficients, taker, scale, last)
        exists = (taker >= 0.0) & (taker <= last)
        weight = tf.where(exists, _spline(moved - displacement, order), 0.0)
        total += weight * _take(upstream, taker)
    return total


def _taps(order: Order) -> tuple[float, ...]:
    """List the pixels that a value is made of, from the one left of it."""
    return (0.0, 1.0) if order == 1 else (-1.0, 0.0, 1.0, 2.0)


def _weights(f: tf.Tensor, order: Order) -> tuple[tf.Tensor, ...]:
    """Compute how much of each of the taps lies at a fraction of a pixel."""
    if order == 1:
        return 1.0 - f, f
    third = (1.0 + 3.0 * f * (1.0 + f * (1.0 - f))) / 6.0
    second = (4.0 - 3.0 * f**2 * (2.0 - f)) / 6.0
    return (1.0 - f) ** 3 / 6.0, second, third, f**3 / 6.0


def _slopes(f: tf.Tensor, order: Order) -> tuple[tf.Tensor, ...]:
    """Compute how fast these weights change with the fraction."""
    if order == 1:
        return -tf.ones_like(f), tf.ones_like(f)
    third = 0.5 + f * (1.0 - 1.5 * f)
    return -0.5 * (1.0 - f) ** 2, f * (1.5 * f - 2.0), third, 0.5 * f**2


def _spline(distance: tf.Tensor, order: Order) -> tf.Tensor:
    """Compute a B-spline at distances from its centre [pixel]."""
    size = tf.abs(distance)
    if order == 1:
        return tf.nn.relu(1.0 - size)
    return tf.nn.relu(2.0 - size) ** 3 / 6.0 - tf.nn.relu(1.0 - size) ** 3 * (2.0 / 3.0)


def _sources(
    flux: tf.Tensor, coefficients: tf.Tensor, scale: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pixel left of where each comes from, and how far on that lies."""
    pixel, last = _pixels(flux), flux.shape[-1] - 1.0
    displacement = _displacement(coefficients, pixel, scale, last)
    # Whole pixels apart: float32 has no room for hundreds of thousands and a fraction.
    whole = tf.math.ceil(displacement)
    return pixel - whole, whole - displacement


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
    last = flux.shape[-1] - 1
    index = tf.cast(tf.clip_by_value(pixel, 0.0, float(last)), tf.int32)
    return tf.gather(flux, tf.clip_by_value(index, 0, last), axis=1, batch_dims=1)
