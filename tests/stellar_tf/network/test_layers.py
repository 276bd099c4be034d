from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.compilation import compile_parts
from stellar_tf.network.bottleneck import GaussianBottleneck
from stellar_tf.network.layers import (
    Condense,
    Destandardise,
    Displace,
    SmoothLeakyReLU,
    Standardise,
    Unbin,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (Standardise(), tf.ones((2, 4))),
        (Standardise(relative=False), tf.ones((2, 4))),
        (Destandardise(), tf.ones((2, 4))),
        (Displace(3.0), (tf.ones((2, 4)), tf.ones((2, 2)))),
        (SmoothLeakyReLU(0.2), tf.ones((2, 4))),
        (Condense(True, 2, (1, 3)), tf.ones((2, 4))),
        (Unbin(2), tf.ones((2, 4))),
        (GaussianBottleneck(3), (tf.ones((2, 3)), tf.zeros((2, 3)))),
    ],
    ids=[
        "standardise",
        "identity",
        "destandardise",
        "displace",
        "smooth",
        "condense",
        "unbin",
        "bottleneck",
    ],
)
def test_config_round_trip(layer: keras.layers.Layer, inputs: tf.Tensor) -> None:
    expected = layer(inputs)
    again = type(layer).from_config(layer.get_config())
    again.build(tf.nest.map_structure(lambda t: t.shape, inputs))
    again.set_weights(layer.get_weights())
    for a, b in zip(
        tf.nest.flatten(expected), tf.nest.flatten(again(inputs)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_standardise_is_inverted_ends_at_100_units_and_blanks_bad_pixels() -> None:
    flux = RNG.normal(1.0, 0.2, (3, 6)).astype(np.float32)
    flux[1, 2], flux[2, 5] = np.nan, 1.0e30
    reference = RNG.normal(1.0, 0.1, 6).astype(np.float32)
    forward, backward = Standardise(), Destandardise()
    for layer in (forward, backward):
        layer.build((None, 6))
        layer.reference.assign(reference)
        layer.scale.assign(0.2)
    x = forward(flux).numpy()
    assert x[1, 2] == 0.0
    assert x[2, 5] == 100.0
    back = backward(x).numpy()
    valid = np.isfinite(flux) & (flux < 2.0)
    np.testing.assert_allclose(back[valid], flux[valid], rtol=1e-5)
    assert back[1, 2] == pytest.approx(reference[2])


def test_smooth_leaky_relu_is_leaky_relu_without_a_corner() -> None:
    layer, sharp = SmoothLeakyReLU(0.1), keras.layers.LeakyReLU(0.1)
    far = tf.constant([-40.0, -8.0, 8.0, 40.0])
    np.testing.assert_allclose(layer(far), sharp(far), atol=1e-6)
    x = tf.linspace(-3.0, 3.0, 601)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    slope = np.asarray(tape.gradient(y, x))
    # The slope is a logistic function from 0.1 to 1, and so bends nowhere abruptly.
    np.testing.assert_allclose(slope, 0.1 + 0.9 / (1.0 + np.exp(-2.0 * x)), atol=1e-5)
    assert np.isclose(layer(tf.zeros(1))[0], 0.9 * np.log(2.0) / 2.0)


def test_paper_standardise_has_no_weights() -> None:
    layer = Standardise(relative=False)
    layer.build((None, 6))
    assert layer.weights == []


@pytest.mark.parametrize(("n_bins", "n_pixels"), [(192, 2), (10, 4), (7, 3), (64, 1)])
def test_unbinned_values_are_interpolated_between_centres(
    n_bins: int, n_pixels: int
) -> None:
    bins = RNG.normal(size=(3, n_bins)).astype(np.float32)
    centre = (np.arange(n_bins * n_pixels) + 0.5) / n_pixels - 0.5
    expected = [np.interp(centre, np.arange(n_bins), row) for row in bins]
    np.testing.assert_allclose(Unbin(n_pixels)(bins), expected, atol=1e-6)


@pytest.mark.parametrize("relative", [True, False])
def test_condensed_spectra_are_means_of_bins_compressed(relative: bool) -> None:
    flux = RNG.normal(1.0, 0.2, (3, 21)).astype(np.float32)
    flux[0, 3], flux[1, 7:11], flux[2, 0] = np.nan, np.inf, 1.0e30
    layer = Condense(relative, 4, (1, 2))
    layer.build((None, 21))
    expected = np.where(np.isfinite(flux), flux, 0.0)
    if relative:
        reference = RNG.normal(1.0, 0.1, 21).astype(np.float32)
        layer.reference.assign(reference)
        layer.scale.assign(0.2)
        units = np.clip((flux - reference) / 0.2, -100.0, 100.0)
        expected = np.where(np.isfinite(flux), units, 0.0)
    expected = np.pad(expected, ((0, 0), (1, 2))).reshape(3, 6, 4).mean(axis=-1)
    if relative:
        expected = np.arcsinh(expected)
    np.testing.assert_allclose(layer(flux), expected, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape(flux.shape) == expected.shape


def test_compiled_parts_are_the_same() -> None:
    flux = RNG.normal(1.0, 0.2, (3, 32)).astype(np.float32)
    flux[0, 3] = np.nan
    condense, displace = Condense(True, 4, (0, 0)), Displace(5.0, 3)
    coefficients = RNG.normal(size=(3, 2)).astype(np.float32)
    calls = (lambda: condense(flux), lambda: displace((flux[1:], coefficients[1:])))
    for call in calls:
        plain = call()
        with compile_parts():
            graph = tf.function(call).get_concrete_function()
            compiled = call()
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)
        # XLA is asked for inside, and for nothing that a server is given.
        assert must_compile(graph)
        assert not must_compile(tf.function(call).get_concrete_function())


def must_compile(graph: tf.types.experimental.ConcreteFunction) -> bool:
    library = graph.graph.as_graph_def().library.function
    return any(function.attr["_XlaMustCompile"].b for function in library)


def test_displacement_is_interpolation_at_the_source() -> None:
    flux = RNG.normal(1.0, 0.3, (4, 50)).astype(np.float32)
    coefficients = RNG.normal(0.0, 1.0, (4, 3)).astype(np.float32)
    displaced = Displace(5.0)((flux, coefficients))
    pixel = np.arange(50)
    u = pixel / 24.5 - 1.0
    for i in range(4):
        shift = 5.0 * np.polyval(coefficients[i, ::-1], u)
        expected = np.interp(pixel - shift, pixel, flux[i])
        np.testing.assert_allclose(displaced[i], expected, atol=2e-5)


def test_whole_pixels_move_to_the_right_and_repeat_the_end() -> None:
    flux = np.arange(1.0, 7.0, dtype=np.float32)[np.newaxis]
    displaced = Displace(2.0)((flux, np.ones((1, 1), np.float32)))
    np.testing.assert_allclose(displaced, [[1, 1, 1, 2, 3, 4]], rtol=1e-6)


def test_displacement_has_the_gradient_of_the_slope() -> None:
    pixel = tf.range(40, dtype=tf.float32)
    parabola = tf.square(pixel - 20.0)[tf.newaxis]
    coefficients = tf.constant([[0.25]])
    with tf.GradientTape() as tape:
        tape.watch(coefficients)
        value = Displace(2.0)((parabola, coefficients))[0, 30]
    # By a displacement of 0.5: minus the slope between pixels 29 and 30, times 2.
    gradient = tape.gradient(value, coefficients)
    assert gradient.numpy().item() == pytest.approx(-2.0 * (100.0 - 81.0), rel=1e-5)
