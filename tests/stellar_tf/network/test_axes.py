from __future__ import annotations

from contextlib import AbstractContextManager

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from stellar_tf.config import Config
from stellar_tf.network.axes import (
    FromAxes,
    ToAxes,
    _rotate_onto,
    physical_axes,
    reset_axes,
)
from stellar_tf.network.model import build_autoencoder
from tests.stellar_tf.settings import with_settings

RNG = np.random.default_rng(0)
N_PIXELS = 200
PLACE = np.linspace(0.0, 1.0, N_PIXELS)


@pytest.fixture
def autoencoder(config: Config) -> keras.Model:
    model = build_autoencoder(config)
    for weight in model.trainable_weights:
        weight.assign(0.1 * RNG.normal(size=weight.shape))
    layer = model.get_layer("encoder").get_layer("z_log_var")
    layer.bias.assign(layer.bias - 4.0)
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


def few_spectra(autoencoder: keras.Model) -> np.ndarray:
    shape = (16, autoencoder.input_shape[-1])
    return np.random.default_rng(1).normal(1.0, 0.1, shape).astype(np.float32)


def modes(autoencoder: keras.Model) -> np.ndarray:
    place = np.linspace(-1.0, 1.0, autoencoder.input_shape[-1])
    return np.polynomial.legendre.legvander(place, 2)


def axes(
    autoencoder: keras.Model, blocks: tuple[str, ...] = ()
) -> AbstractContextManager[None]:
    few = few_spectra(autoencoder)
    return physical_axes(autoencoder, few, modes(autoencoder), blocks)


def encode(autoencoder: keras.Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    out = autoencoder.get_layer("encoder")(few_spectra(autoencoder))
    mean = out["z_mean"].numpy()
    return mean, out["z_log_var"].numpy(), autoencoder.get_layer("decoder")(mean)


def test_the_direction_that_only_displaces_becomes_an_axis(
    autoencoder: keras.Model,
) -> None:
    displace_by(autoencoder, [0.006, -0.008])
    mean, log_var, flux = encode(autoencoder)
    with axes(autoencoder):
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
    with axes(autoencoder, ("stellar", *3 * ("observational",))):
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
    with axes(autoencoder):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)


def test_another_architecture_stays_as_it_is(config: Config) -> None:
    strided = {"channels": (4, 8, 8), "kernels": (7, 5, 3)}
    settings = {"architecture": "strided", "strided": strided}
    autoencoder = build_autoencoder(with_settings(config, model=settings))
    mean = encode(autoencoder)[0]
    with axes(autoencoder):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)
    reset_axes(autoencoder)


def test_without_displacement_there_is_no_velocity(config: Config) -> None:
    folded = {**config.model.folded.model_dump(), "n_displacement": 0}
    autoencoder = build_autoencoder(with_settings(config, model={"folded": folded}))
    flux = encode(autoencoder)[2]
    with axes(autoencoder):
        np.testing.assert_allclose(encode(autoencoder)[2], flux, atol=1e-4)


class PlantedSpectra(keras.layers.Layer):
    """Lines by the first code; along a direction of the others a smooth factor."""

    def __init__(self, direction: np.ndarray, roughness: float) -> None:
        super().__init__()
        noise = roughness * np.random.default_rng(2).normal(size=N_PIXELS)
        self.slope = (PLACE - 0.5 + noise).astype(np.float32)
        self.direction = direction.astype(np.float32)
        self.across = np.array(
            [0.0, -direction[2], direction[1]], np.float32
        )  # the other direction in their plane

    def call(self, z: tf.Tensor) -> tf.Tensor:
        lines = [np.exp(-(((PLACE - c) / 0.01) ** 2)) for c in (0.2, 0.35, 0.6)]
        deep, narrow, third = (line.astype(np.float32) for line in lines)
        along = ops.sum(z * self.direction, axis=1)[:, None]
        across = ops.sum(z * self.across, axis=1)[:, None]
        flux = 1.0 - deep * (0.4 + 0.1 * z[:, :1]) - narrow * (0.4 + 0.1 * across)
        return (flux - 0.3 * third) * (1.0 + 0.1 * self.slope * along)


def plant_continuum(
    direction: np.ndarray,
    roughness: float = 0.0,
    log_var: tuple[float, float, float] = (-4.0, -4.0, -4.0),
) -> keras.Model:
    """Build an autoencoder of three dimensions whose decoder is known."""
    flux = keras.Input((N_PIXELS,))
    bias = keras.initializers.Constant(np.array(log_var))
    widths = keras.layers.Dense(3, kernel_initializer="zeros", bias_initializer=bias)
    mean, log_variance = ToAxes(name="to_axes")(
        (keras.layers.Dense(3)(flux), widths(flux))
    )
    outputs = {"z_mean": mean, "z_log_var": log_variance}
    encoder = keras.Model(flux, outputs, name="encoder")
    z = keras.Input((3,))
    spectra = PlantedSpectra(direction, roughness)(FromAxes(name="from_axes")(z))
    decoder = keras.Model(z, spectra, name="decoder")
    return keras.Model(flux, decoder(encoder(flux)["z_mean"]))


@pytest.mark.parametrize("angle", [0.3, -0.6, 1.2])
def test_the_direction_of_the_continuum_becomes_an_axis(angle: float) -> None:
    direction = np.array([0.0, np.cos(angle), np.sin(angle)])
    autoencoder = plant_continuum(direction)
    mean, _, flux = encode(autoencoder)
    with axes(autoencoder):
        of_axes, _, same = encode(autoencoder)
    nearest = int(np.argmax(np.abs(direction)))
    wanted = mean @ direction * np.sign(direction[nearest])
    np.testing.assert_allclose(of_axes[:, nearest], wanted, atol=0.03)
    np.testing.assert_allclose(of_axes[:, 0], mean[:, 0], atol=0.03)
    np.testing.assert_allclose(same, flux, atol=1e-5)


def test_what_is_not_smooth_is_no_continuum() -> None:
    autoencoder = plant_continuum(np.array([0.0, 0.8, 0.6]), roughness=1.0)
    mean = encode(autoencoder)[0]
    with axes(autoencoder):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)


def test_a_dimension_that_is_hardly_known_stays_apart() -> None:
    planted = plant_continuum(np.array([0.0, 0.8, 0.6]), log_var=(-4.0, -4.0, -0.1))
    mean = encode(planted)[0]
    with axes(planted):
        np.testing.assert_array_equal(encode(planted)[0][:, 2], mean[:, 2])


def test_no_turn_costs_what_is_known() -> None:
    planted = plant_continuum(np.array([0.0, 0.8, 0.6]), log_var=(-4.0, -8.0, -1.2))
    mean = encode(planted)[0]
    with axes(planted):
        np.testing.assert_array_equal(encode(planted)[0], mean)


def test_no_spectra_turn_nothing() -> None:
    autoencoder = plant_continuum(np.array([0.0, 0.8, 0.6]))
    mean = encode(autoencoder)[0]
    none = np.zeros((0, N_PIXELS), np.float32)
    with physical_axes(autoencoder, none, modes(autoencoder)):
        np.testing.assert_array_equal(encode(autoencoder)[0], mean)
