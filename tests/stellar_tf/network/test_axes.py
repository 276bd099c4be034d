from __future__ import annotations

import keras
import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.network.axes import _rotate_onto, reset_axes, velocity_axis
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
    """Let codes displace along a direction, and along no other two do anything else."""
    decoder = autoencoder.get_layer("decoder")
    n = len(direction)
    layer = decoder.get_layer("displacement1")
    kernel, bias = layer.get_weights()
    kernel[:] = 0.0
    kernel[:n] = np.outer(direction, np.arange(1, kernel.shape[1] + 1))
    layer.set_weights([kernel, bias])
    for name in ("weights1", "decode_dense1"):
        kernel, bias = decoder.get_layer(name).get_weights()
        unit = np.array(direction) / np.linalg.norm(direction)
        kernel[:n] -= np.outer(unit, unit @ kernel[:n])
        decoder.get_layer(name).set_weights([kernel, bias])


def encode(autoencoder: keras.Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_pixels = autoencoder.input_shape[-1]
    flux = np.random.default_rng(1).normal(1.0, 0.1, (5, n_pixels)).astype(np.float32)
    out = autoencoder.get_layer("encoder")(flux)
    mean = out["z_mean"].numpy()
    return mean, out["z_log_var"].numpy(), autoencoder.get_layer("decoder")(mean)


def test_the_direction_that_only_displaces_becomes_an_axis(
    autoencoder: keras.Model,
) -> None:
    displace_by(autoencoder, [0.006, -0.008])
    mean, log_var, flux = encode(autoencoder)
    with velocity_axis(autoencoder):
        of_axes, log_var_of_axes, same = encode(autoencoder)
    rotation = np.array([[0.8, 0.6], [-0.6, 0.8]])
    np.testing.assert_allclose(of_axes[:, :2], mean[:, :2] @ rotation.T, atol=0.02)
    np.testing.assert_allclose(of_axes[:, 2:], mean[:, 2:], atol=0.02)
    variance = np.exp(log_var[:, :2]) @ np.square(rotation.T)
    np.testing.assert_allclose(np.exp(log_var_of_axes[:, :2]), variance, rtol=0.02)
    np.testing.assert_allclose(same, flux, atol=1e-4)
    back = encode(autoencoder)
    for found, expected in zip(back, (mean, log_var, flux), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_axis_turns_within_its_block(autoencoder: keras.Model) -> None:
    displace_by(autoencoder, [0.002, 0.006, -0.008])
    mean = encode(autoencoder)[0]
    with velocity_axis(autoencoder, ("stellar", *3 * ("observational",))):
        of_axes = encode(autoencoder)[0]
    np.testing.assert_array_equal(of_axes[:, 0], mean[:, 0])
    rotation = np.array([[0.8, 0.6], [-0.6, 0.8]])
    np.testing.assert_allclose(of_axes[:, 1:3], mean[:, 1:3] @ rotation.T, atol=0.05)


def test_an_axis_turns_in_one_plane() -> None:
    direction = RNG.normal(size=7)
    direction /= np.linalg.norm(direction)
    rotation = _rotate_onto(direction)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(7), atol=1e-12)
    nearest = np.argmax(np.abs(direction))
    expected = direction * np.sign(direction[nearest])
    np.testing.assert_allclose(rotation[:, nearest], expected)
    turned = np.linalg.matrix_rank(rotation - np.eye(7), tol=1e-9)
    assert turned == 2


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
