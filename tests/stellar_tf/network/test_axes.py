from __future__ import annotations

import keras
import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.network.axes import reset_axes, velocity_axis
from stellar_tf.network.model import build_autoencoder
from tests.stellar_tf.settings import with_settings

RNG = np.random.default_rng(0)


@pytest.fixture
def autoencoder(config: Config) -> keras.Model:
    model = build_autoencoder(config)
    for weight in model.trainable_weights:
        weight.assign(0.1 * RNG.normal(size=weight.shape))
    return model


def displace_by(autoencoder: keras.Model, direction: list[float]) -> None:
    layer = autoencoder.get_layer("decoder").get_layer("displacement1")
    kernel, bias = layer.get_weights()
    kernel[:] = 0.0
    kernel[: len(direction)] = np.outer(direction, np.arange(1, kernel.shape[1] + 1))
    layer.set_weights([kernel, bias])


def encode(autoencoder: keras.Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_pixels = autoencoder.input_shape[-1]
    flux = np.random.default_rng(1).normal(1.0, 0.1, (5, n_pixels)).astype(np.float32)
    out = autoencoder.get_layer("encoder")(flux)
    mean = out["z_mean"].numpy()
    return mean, out["z_log_var"].numpy(), autoencoder.get_layer("decoder")(mean)


def test_the_displacement_becomes_a_dimension(autoencoder: keras.Model) -> None:
    displace_by(autoencoder, [3.0, -4.0])
    mean, log_var, flux = encode(autoencoder)
    with velocity_axis(autoencoder):
        of_axes, log_var_of_axes, same = encode(autoencoder)
    np.testing.assert_allclose(
        of_axes[:, 1], -0.6 * mean[:, 0] + 0.8 * mean[:, 1], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(np.delete(of_axes, 1, 1), np.delete(mean, 1, 1))
    variance = 0.36 * np.exp(log_var[:, 0]) + 0.64 * np.exp(log_var[:, 1])
    np.testing.assert_allclose(np.exp(log_var_of_axes[:, 1]), variance, rtol=1e-4)
    np.testing.assert_allclose(same, flux, atol=1e-4)
    back = encode(autoencoder)
    for found, expected in zip(back, (mean, log_var, flux), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_blocks_are_not_mixed(autoencoder: keras.Model) -> None:
    displace_by(autoencoder, [3.0, -4.0, 12.0, 1.0])
    mean, _, flux = encode(autoencoder)
    with velocity_axis(autoencoder, ("stellar",) * 2 + ("observational",) * 2):
        of_axes, _, same = encode(autoencoder)
    expected = (12.0 * mean[:, 2] + mean[:, 3]) / np.sqrt(145.0)
    np.testing.assert_allclose(of_axes[:, 2], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(np.delete(of_axes, 2, 1), np.delete(mean, 2, 1))
    np.testing.assert_allclose(same, flux, atol=1e-4)


def test_along_the_others_lines_keep_their_place(autoencoder: keras.Model) -> None:
    displace_by(autoencoder, [3.0, -4.0])
    decoder = autoencoder.get_layer("decoder")
    displacement = keras.Model(decoder.input, decoder.get_layer("displacement1").output)
    z = RNG.normal(size=(4, decoder.input_shape[-1])).astype(np.float32)
    moved = z.copy()
    moved[:, 0] += 1.0
    with velocity_axis(autoencoder):
        np.testing.assert_allclose(displacement(moved), displacement(z), atol=1e-4)
    assert np.abs(displacement(moved) - displacement(z)).max() > 1.0


def test_what_hardly_moves_is_no_velocity(autoencoder: keras.Model) -> None:
    displace_by(autoencoder, [3.0e-6, 4.0e-6])
    mean = encode(autoencoder)[0]
    with velocity_axis(autoencoder):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)


@pytest.mark.parametrize(
    "model", [{"folded": {"n_displacement": 0}}, {"architecture": "strided"}]
)
def test_without_displacement_nothing_changes(config: Config, model: dict) -> None:
    folded = {**config.model.folded.model_dump(), **model.get("folded", {})}
    model = {
        **model,
        "folded": folded,
        "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
    }
    autoencoder = build_autoencoder(with_settings(config, model=model))
    mean = encode(autoencoder)[0]
    with velocity_axis(autoencoder):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)
    reset_axes(autoencoder)
