from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf import losses
from stellar_tf.config import Config, ConfigError, ObjectiveConfig, load_config
from stellar_tf.dataset import build_training_dataset
from stellar_tf.run import Run, RunError
from stellar_tf.strategy import build_strategy
from stellar_tf.training import (
    Trainer,
    adopt_grid,
    build_optimizer,
    coarse_scale_at,
    fit,
)
from tfrecords_tools.manifest import read_manifest


def with_settings(config: Config, **sections: dict[str, object]) -> Config:
    tree = config.model_dump()
    for name, values in sections.items():
        tree[name].update(values)
    return Config.model_validate(tree)


def loss_curve(
    config: Config, records: Path, strategy: tf.distribute.Strategy, n_steps: int
) -> np.ndarray:
    """Loss, error and KL of each step, shape (n_steps, 3)."""
    trainer = Trainer(config, strategy)
    # Replicas must start from the same weights as the single device.
    rng = np.random.default_rng(0)
    trainer.model.set_weights(
        [0 * w if w.ndim == 0 else rng.normal(0.0, 0.05, w.shape)
         for w in trainer.model.get_weights()]
    )  # fmt: skip
    batches = build_training_dataset(
        read_manifest(records), config.dataset, batch_size=8, seed=4
    )
    stream = iter(strategy.experimental_distribute_dataset(batches))
    logs = [trainer.train_step(next(stream), step) for step in range(n_steps)]
    return np.array([[log[k] for k in ("loss", "flux_mae", "kl")] for log in logs])


@pytest.mark.parametrize("architecture", ["strided", "folded"])
def test_two_replicas_follow_the_single_curve(
    config: Config, records: Path, architecture: str
) -> None:
    config = with_settings(
        config,
        model={
            "architecture": architecture,
            "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
        },
        objective={"coarse_scales": (8, 2), "coarse_end": 6, "scales": (1, 4)},
        training={"max_gradient_norm": 0.5},
    )
    single = loss_curve(config, records, build_strategy("single"), 20)
    mirrored = loss_curve(config, records, build_strategy("mirrored", 2), 20)
    np.testing.assert_allclose(mirrored, single, rtol=1e-4)
    assert single[-1, 2] < 0.5 * single[0, 2]  # the weights moved


def test_one_step_is_the_formula(config: Config, records: Path) -> None:
    """Error, KL and Adam's first step, computed a second way."""
    config = with_settings(config, objective={"kl_weights": ((0, 0.0), (4, 0.002))})
    trainer = Trainer(config, build_strategy("single"))
    batches = build_training_dataset(
        read_manifest(records), config.dataset, batch_size=8, seed=4
    )
    flux = next(iter(batches))
    # The bottleneck's kernels start at zero, where the sign of noise would decide.
    rng = np.random.default_rng(0)
    trainer.model.set_weights(
        [0 * w if w.ndim == 0 else rng.normal(0.0, 0.1, w.shape)
         for w in trainer.model.get_weights()]
    )  # fmt: skip
    weights = [w.numpy().copy() for w in trainer.model.trainable_variables]
    with tf.GradientTape() as tape:
        outputs = trainer.model(flux, training=True)
        error = tf.reduce_mean(
            losses.masked_absolute_error(flux, outputs["reconstruction"])
        )
        kl = tf.reduce_mean(tf.reduce_sum(outputs["kl"], axis=1))
        loss = error + 0.001 * kl
    gradients = tape.gradient(loss, trainer.model.trainable_variables)
    trainer.model.get_layer("bottleneck").step.assign(0)
    logs = trainer.train_step(flux, 2)  # half way through the warm-up
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert logs["flux_mae"] == pytest.approx(float(error), rel=1e-5)
    assert logs["kl"] == pytest.approx(float(kl), rel=1e-5)
    for before, after, gradient in zip(
        weights, trainer.model.trainable_variables, gradients, strict=True
    ):
        g = gradient.numpy()
        # Kingma & Ba 2015, algorithm 1 with the epsilon of its section 2 as Keras
        # has it: before the bias correction.
        step = 1e-3 * g / (np.abs(g) + 1e-7 / np.sqrt(1.0 - 0.999))
        np.testing.assert_allclose(before - after.numpy(), step, rtol=0.01, atol=1e-6)


def test_long_gradients_are_shortened(config: Config) -> None:
    config = with_settings(config, training={"max_gradient_norm": 2.0})
    trainer = Trainer(config, build_strategy("single"))
    short, long = [tf.constant([0.3, 0.4])], [tf.constant([3.0]), tf.constant([4.0])]
    np.testing.assert_allclose(trainer._limit(short)[0], [0.3, 0.4])
    np.testing.assert_allclose(tf.concat(trainer._limit(long), 0), [1.2, 1.6])


def test_evaluation_is_exact_over_uneven_batches(config: Config, records: Path) -> None:
    from stellar_tf.dataset import build_evaluation_dataset

    manifest = read_manifest(records)
    means = []
    for strategy, batch_size in (
        (build_strategy("single"), 1000),
        (build_strategy("single"), 7),
        (build_strategy("mirrored", 2), 7),
    ):
        trainer = Trainer(config, strategy)
        rng = np.random.default_rng(0)
        trainer.model.set_weights(
            [rng.normal(0.0, 0.05, w.shape) for w in trainer.model.get_weights()]
        )
        batches = build_evaluation_dataset(
            manifest, "validation", config.dataset, batch_size=batch_size
        )
        means.append(list(trainer.evaluate(batches).values()))
    np.testing.assert_allclose(means[1], means[0], rtol=1e-5)
    np.testing.assert_allclose(means[2], means[0], rtol=1e-5)


def read_history(run: Run) -> list[dict[str, str]]:
    with run.history_path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_run_folder(run: Run, config: Config, records: Path) -> None:
    assert run.read_config() == config
    described = run.read_records()
    assert described["n_spectra"]["train"] == read_manifest(records).n_spectra("train")
    rows = read_history(run)
    assert [float(row["step"]) for row in rows] == [3.0, 6.0]
    assert {"flux_mae", "kl", "beta", "val_flux_mae", "val_kl"} <= set(rows[0])
    for split in ("training", "validation"):
        assert list((run.tensorboard / split).glob("events.out.tfevents.*"))


def test_reference_is_the_mean_of_the_training_set(run: Run, records: Path) -> None:
    from stellar_tf.dataset import mean_spectrum

    manifest = read_manifest(records)
    expected = mean_spectrum(
        manifest, run.read_config().dataset, max_spectra=10**6, batch_size=8
    )
    model = run.load_model()
    for part, layer in (("encoder", "standardise"), ("decoder", "destandardise")):
        reference = model.get_layer(part).get_layer(layer).reference
        np.testing.assert_array_equal(reference, expected)


class Stop(keras.callbacks.Callback):
    """Ends training like a power cut, after an epoch."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_run_continues_exactly(
    config: Config, records: Path, run: Run, tmp_path: Path
) -> None:
    strategy = build_strategy("single")
    keras.utils.set_random_seed(1)
    whole = fit(records, tmp_path / "whole", config, strategy)
    keras.utils.set_random_seed(1)
    with pytest.raises(KeyboardInterrupt):
        fit(records, tmp_path / "cut", config, strategy, extra_callbacks=[Stop()])
    cut = fit(records, tmp_path / "cut", config, strategy)
    assert read_history(cut) == read_history(whole)
    for a, b in zip(
        cut.load_model().get_weights(), whole.load_model().get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_finished_run_stays_as_it_is(config: Config, records: Path, run: Run) -> None:
    before = run.history_path.read_bytes()
    fit(records, run.folder, config, build_strategy("single"))
    assert run.history_path.read_bytes() == before


def test_other_settings_need_another_run(
    config: Config, records: Path, run: Run
) -> None:
    other = with_settings(config, training={"seed": 5})
    with pytest.raises(RunError, match="other settings"):
        fit(records, run.folder, other, build_strategy("single"))


def test_batch_must_divide_among_replicas(
    config: Config, records: Path, tmp_path: Path
) -> None:
    config = with_settings(config, training={"batch_size": 9})
    with pytest.raises(ConfigError, match=r"batch_size must be a multiple of the 2"):
        fit(records, tmp_path / "run", config, build_strategy("mirrored", 2))
    assert not (tmp_path / "run").exists()


def test_the_grid_is_the_records(config: Config, records: Path) -> None:
    paper = load_config("paper")
    strided = {"channels": (4, 8, 8), "kernels": (7, 5, 3)}
    small = with_settings(paper, model={"strided": strided})
    manifest = read_manifest(records)
    assert adopt_grid(small, manifest).grid == config.grid
    with pytest.raises(ConfigError, match="pad_to_multiple"):
        adopt_grid(paper, manifest)


def test_coarse_stages_are_equally_long() -> None:
    objective = ObjectiveConfig(coarse_scales=(8, 4, 2), coarse_end=30)
    scales = [coarse_scale_at(step, objective) for step in (0, 9, 10, 19, 20, 29, 30)]
    assert scales == [8, 8, 4, 4, 2, 2, 1]
    assert coarse_scale_at(0, ObjectiveConfig()) == 1


def test_cosine_decay_ends_at_zero(config: Config) -> None:
    settings = {"learning_rate_decay": "cosine", "n_steps": 10, "learning_rate": 0.5}
    training = with_settings(config, training=settings).training
    optimizer = build_optimizer(training)
    rates = []
    for step in (0, 5, 10):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0.5, 0.25, 0.0])
