from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import Config
from stellar_tf.training.step import Trainer
from stellar_tf.training.strategy import build_strategy
from stellar_tf.training.visits import count_stellar_once, exchange_stellar
from tests.stellar_tf.settings import with_settings

PAIRED = tf.constant([True, True, False, False, True, True])
RNG = np.random.default_rng(0)


def test_the_star_is_exchanged_within_pairs_alone() -> None:
    z = RNG.normal(size=(6, 5)).astype(np.float32)
    expected = z.copy()
    for one, other in ((0, 1), (4, 5)):
        expected[[one, other], :3] = z[[other, one], :3]
    exchanged = exchange_stellar(tf.constant(z), PAIRED, 3)
    np.testing.assert_array_equal(exchanged, expected)
    twice = exchange_stellar(exchanged, PAIRED, 3)
    np.testing.assert_array_equal(twice, z)


def test_a_pair_has_one_star() -> None:
    kl = RNG.gamma(1.0, size=(6, 5)).astype(np.float32)
    counted = count_stellar_once(tf.constant(kl), PAIRED, 3).numpy()
    # The pair's sum has the mean of both stars, and both observations.
    expected = kl[:2, :3].mean(axis=0).sum() + kl[:2, 3:].sum()
    np.testing.assert_allclose(counted[:2].sum(), expected, rtol=1e-6)
    np.testing.assert_array_equal(counted[2:4], kl[2:4])


def plant(
    n_pairs: int, rng: np.random.Generator, star: int
) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of two visits a star, and the strengths of star and observation."""
    pixel = np.arange(128)
    lines = [
        np.exp(-0.5 * ((pixel - 40) / 4) ** 2),
        np.exp(-0.5 * ((pixel - 90) / 6) ** 2),
    ]
    strength = rng.normal(size=(2 * n_pairs, 2))
    strength[1::2, 0] = strength[::2, 0]
    flux = strength @ np.stack([lines[star], lines[1 - star]])
    flux += rng.normal(0.0, 0.1, flux.shape)
    return flux.astype(np.float32), strength


@pytest.fixture(scope="module")
def planted(config: Config) -> Config:
    return with_settings(
        config,
        grid={"n_pixels": 128},
        model={
            "n_latent": 4,
            "subtract_mean": False,
            "folded": {
                **config.model.folded.model_dump(),
                "folds": (8,),
                "channels": (16,),
                "kernels": (3,),
                "n_displacement": 0,
            },
        },
        objective={
            "error": "likelihood",
            "kl_weights": ((0, 0.05),),
            "visits": 2,
        },
        training={"batch_size": 32, "learning_rate": 0.003},
    )


def correlate_blocks(config: Config, star: int, *, paired: bool) -> np.ndarray:
    """Largest |correlation| of (star, observation) by each block, in draws of z."""
    trainer, rng = Trainer(config, build_strategy("single")), np.random.default_rng(1)
    for step in range(400):
        batch = {"flux": tf.constant(plant(16, rng, star)[0])}
        if paired:
            batch["paired"] = tf.fill((32,), True)
        trainer.train_step(batch, step)
    flux, strength = plant(500, rng, star)
    # Draws: the means of a dimension that carries nothing may follow anything.
    z = trainer.model(flux, training=True)["z"].numpy()
    found = np.abs(np.corrcoef(z.T, strength.T)[:4, 4:])
    return found.reshape(2, 2, 2).max(axis=1)


def test_the_star_goes_to_its_block_and_the_observation_to_the_other(
    planted: Config,
) -> None:
    alone = []
    for star in (0, 1):
        by_block = correlate_blocks(planted, star, paired=True)
        np.testing.assert_array_less(0.97, np.diag(by_block))
        np.testing.assert_array_less(by_block[[0, 1], [1, 0]], 0.1)
        by_block = correlate_blocks(planted, star, paired=False)
        alone.append(np.diag(by_block).min())
    # It is the pairs that do it: without, the same line goes to the same block,
    # whether it is the star's or not.
    assert min(alone) < 0.5
