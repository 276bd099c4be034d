from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from stellar_tf.config import Config
from stellar_tf.network.model import build_autoencoder
from stellar_tf.training import supervised
from stellar_tf.training.supervised import predict_supervised

N_STARS, N_LABELLED = 160, 80


@pytest.fixture(scope="module")
def standardise(config: Config) -> keras.layers.Layer:
    return build_autoencoder(config).get_layer("encoder").get_layer("standardise")


def survey(config: Config) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Spectra with a line of varying depth, some pixels bad; and depth in two units."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.1, 0.9, N_STARS)
    pixel = np.arange(config.grid.n_pixels)
    line = np.exp(-0.5 * ((pixel - 480.0) / 12.0) ** 2)
    flux = 1.0 - depth[:, np.newaxis] * line + 0.01 * rng.normal(size=(N_STARS, 1))
    flux[::3, :50] = np.nan
    return flux.astype(np.float32), np.column_stack([depth, 5000.0 + 800.0 * depth])


def test_it_learns_from_the_labels_in_their_units(
    config: Config, standardise: keras.layers.Layer
) -> None:
    flux, labels = survey(config)
    known, others = slice(None, N_LABELLED), slice(N_LABELLED, None)
    predicted = predict_supervised(
        config, standardise, flux[known], labels[known], flux[others]
    )
    assert predicted.shape == labels[others].shape
    r2 = 1.0 - np.mean((predicted - labels[others]) ** 2, axis=0) / labels[others].var(
        axis=0
    )
    assert (r2 > 0.9).all()


def test_the_seed_decides_the_result(
    config: Config, standardise: keras.layers.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "MAX_CHECKS", 2)
    flux, labels = survey(config)

    def run(seed: int) -> NDArray[np.float64]:
        return predict_supervised(
            config, standardise, flux[:20], labels[:20], flux[20:30], seed=seed
        )

    np.testing.assert_array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))


def test_stars_set_aside_say_when_to_stop(
    config: Config, standardise: keras.layers.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If theirs are wrong, training stops before it follows the others."""
    monkeypatch.setattr(supervised, "PATIENCE", 1)
    flux, labels = survey(config)
    n_aside = round(supervised.VALIDATION_SHARE * N_LABELLED)
    wrong = labels[:N_LABELLED].copy()
    wrong[:n_aside] = 2.0 * wrong.mean(axis=0) - wrong[:n_aside]
    others = slice(N_LABELLED, None)
    predicted = predict_supervised(
        config, standardise, flux[:N_LABELLED], wrong, flux[others]
    )
    assert np.std(predicted[:, 0]) < 0.8 * np.std(labels[others, 0])
