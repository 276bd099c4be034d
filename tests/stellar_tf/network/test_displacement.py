from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from scipy.interpolate import BSpline

from stellar_tf.network.displacement import Order, displace, displace_fast

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give a test the same numbers whichever others were run before."""
    RNG.bit_generator.state = np.random.default_rng(1).bit_generator.state


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
@pytest.mark.parametrize("order", [1, 3])
def test_the_compiled_gradient_is_tensorflows(
    n_pixels: int, scale: float, n_terms: int, order: Order
) -> None:
    flux, weight = (
        tf.constant(RNG.normal(size=(4, n_pixels)), tf.float32) for _ in range(2)
    )
    coefficients = tf.constant(RNG.normal(size=(4, n_terms)), tf.float32)
    plain, fast = (
        value_and_gradients(
            partial(way, order=order), flux, coefficients, weight, scale
        )
        for way in (displace, displace_fast)
    )
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


def test_a_cubic_displacement_is_scipys_spline() -> None:
    n_pixels, shift = 40, 3.37
    values = RNG.normal(size=n_pixels)
    displaced = displace(
        tf.constant(values[None], tf.float32), tf.constant([[shift]]), 1.0, order=3
    )
    # A B-spline of order 3 is centred two knots on from its first.
    spline = BSpline(np.arange(-2.0, n_pixels + 2.0), values, 3)
    pixel = np.arange(6, n_pixels - 2)
    np.testing.assert_allclose(
        np.asarray(displaced)[0, pixel], spline(pixel - shift), atol=1e-5
    )


def test_a_cubic_displacement_goes_on_with_the_last_value() -> None:
    values = tf.constant(RNG.normal(size=(1, 20)), tf.float32)
    displaced = np.asarray(displace(values, tf.constant([[9.5]]), 1.0, order=3))[0]
    np.testing.assert_allclose(displaced[:7], values[0, 0], rtol=1e-6)


def test_narrow_lines_keep_their_place_between_pixels() -> None:
    """A line of two pixels' width, moved and fitted for its place."""
    pixel = np.arange(64.0)

    def line(centre: float) -> np.ndarray:
        return np.exp(-0.5 * ((pixel - centre) / 1.0) ** 2)

    worst = {}
    for order in (1, 3):
        # Values to coefficients: nothing to do for the linear spline.
        matrix = np.asarray(displace(tf.eye(64), tf.zeros((64, 1)), 1.0, order)).T
        moved = displace(
            tf.constant(np.linalg.solve(matrix, line(30.0))[None], tf.float32),
            tf.constant([[0.3]]),
            1.0,
            order,
        )
        worst[order] = np.abs(np.asarray(moved)[0] - line(30.3)).max()
    assert worst[3] < 0.01 < 0.06 < worst[1]
