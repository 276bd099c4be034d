from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.network.displacement import displace, displace_fast

RNG = np.random.default_rng(0)

SIZES = pytest.mark.parametrize(
    ("n_pixels", "scale"), [(400, 5.0), (8192, 50.0), (100_000, 200.0)]
)


def value_and_gradients(
    way: Callable[..., tf.Tensor],
    flux: tf.Tensor,
    coefficients: tf.Tensor,
    weight: tf.Tensor,
    scale: float,
) -> list[np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch((flux, coefficients))
        displaced = way(flux, coefficients, scale)
        total = tf.reduce_sum(displaced * weight)
    gradients = tape.gradient(total, (flux, coefficients))
    return [np.asarray(tf.convert_to_tensor(x)) for x in (displaced, *gradients)]


@SIZES
@pytest.mark.parametrize("n_terms", [1, 3])
def test_the_compiled_gradient_is_tensorflows(
    n_pixels: int, scale: float, n_terms: int
) -> None:
    flux, weight = (
        tf.constant(RNG.normal(size=(4, n_pixels)), tf.float32) for _ in range(2)
    )
    coefficients = tf.constant(RNG.normal(size=(4, n_terms)), tf.float32)
    plain = value_and_gradients(displace, flux, coefficients, weight, scale)
    fast = value_and_gradients(displace_fast, flux, coefficients, weight, scale)
    for a, b in zip(plain, fast, strict=True):
        # The fraction of a pixel is known to 1e-5 at a displacement of hundreds.
        np.testing.assert_allclose(b, a, atol=1e-3 * np.abs(a).max())


def test_no_displacement_passes_everything_through() -> None:
    flux, weight = (tf.constant(RNG.normal(size=(2, 30)), tf.float32) for _ in range(2))
    displaced, by_flux, _ = value_and_gradients(
        displace_fast, flux, tf.zeros((2, 3)), weight, 10.0
    )
    np.testing.assert_allclose(displaced, flux, atol=1e-6)
    np.testing.assert_allclose(by_flux, weight, atol=1e-6)


def test_every_bit_of_gradient_comes_back() -> None:
    """Interpolation weights of a pixel sum to 1: so do the gradients in total."""
    flux, weight = (
        tf.constant(RNG.normal(size=(3, 500)), tf.float32) for _ in range(2)
    )
    coefficients = tf.constant(RNG.normal(size=(3, 2)), tf.float32)
    _, by_flux, _ = value_and_gradients(displace_fast, flux, coefficients, weight, 20.0)
    total = np.asarray(weight).sum(axis=1)
    np.testing.assert_allclose(by_flux.sum(axis=1), total, atol=1e-3)


def test_a_shift_keeps_its_fraction_far_from_the_first_pixel() -> None:
    """float32 numbers the last of 300,000 pixels to 0.03 only."""
    n_pixels = 300_000
    pixel = np.arange(n_pixels, dtype=np.float64)
    flux = tf.constant(np.sin(pixel / 3.0)[None], tf.float32)
    displaced = displace(flux, tf.constant([[0.3017]]), 1.0)
    expected = np.interp(pixel - 0.3017, pixel, np.sin(pixel / 3.0))
    np.testing.assert_allclose(displaced[0], expected, atol=1e-5)
