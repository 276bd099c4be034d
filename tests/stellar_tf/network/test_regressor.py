from __future__ import annotations

import keras
import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.network.model import build_autoencoder, set_flux_scale
from stellar_tf.network.regressor import build_regressor
from tests.stellar_tf.settings import with_settings

STRIDED = {"channels": [4, 4], "kernels": [7, 3]}


@pytest.fixture(params=["folded", "strided"])
def settings(request: pytest.FixtureRequest, config: Config) -> Config:
    return with_settings(
        config, model={"architecture": request.param, "strided": STRIDED}
    )


def build(config: Config, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    autoencoder = build_autoencoder(config)
    if config.model.subtract_mean:
        mean = np.full(config.grid.n_pixels, 0.7, np.float32)
        set_flux_scale(autoencoder, config.model, mean, 0.3)
    encoder = autoencoder.get_layer("encoder")
    standardise = encoder.get_layer("standardise")
    return encoder, build_regressor(config, 3, seed, standardise)


def test_it_is_the_encoder_with_another_head(settings: Config) -> None:
    encoder, regressor = build(settings)
    heads = {"z_mean", "z_log_var", "to_axes"}
    shapes = {
        layer.name: [weight.shape for weight in layer.get_weights()]
        for layer in encoder.layers
        if layer.name not in heads and layer.get_weights()
    }
    for name, expected in shapes.items():
        found = [weight.shape for weight in regressor.get_layer(name).get_weights()]
        assert found == expected, name
    assert not heads & {layer.name for layer in regressor.layers}
    flux = np.full((2, settings.grid.n_pixels), 0.9, np.float32)
    flux[0, ::2] = np.nan
    predicted = np.asarray(regressor(flux))
    assert predicted.shape == (2, 3)
    assert np.isfinite(predicted).all()


def test_spectrum_and_unit_are_those_of_the_run(settings: Config) -> None:
    encoder, regressor = build(settings)
    found = regressor.get_layer("standardise").get_weights()
    for weight, expected in zip(
        found, encoder.get_layer("standardise").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, expected)


def test_the_seed_decides_the_initial_weights(settings: Config) -> None:
    flux = np.ones((1, settings.grid.n_pixels), np.float32)
    first, again, other = (
        np.asarray(build(settings, seed)[1](flux)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
