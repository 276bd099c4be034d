from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.batches.dataset import TrainingStream, build_evaluation_dataset
from stellar_tf.config import Config, ObjectiveConfig
from stellar_tf.training import losses
from stellar_tf.training.optimizer import build_optimizer
from stellar_tf.training.step import Trainer, coarse_scale_at
from stellar_tf.training.step_results import Controls, read_steps
from stellar_tf.training.strategy import build_strategy
from tests.stellar_tf.settings import with_settings
from tfrecords_tools.records.manifest import read_manifest


def loss_curve(
    config: Config,
    records: Path,
    strategy: tf.distribute.Strategy,
    n_steps: int,
    *,
    noise: bool = True,
) -> np.ndarray:
    """The terms of each step, shape (n_steps, 4)."""
    trainer = Trainer(config, strategy)
    if not noise:
        trainer.model.get_layer("bottleneck")._draw_noise = tf.zeros_like
    batches = TrainingStream(read_manifest(records), config)
    build = partial(batches.build, 0)
    stream = iter(strategy.distribute_datasets_from_function(build))
    made = [trainer.train_step(next(stream), step) for step in range(n_steps)]
    return np.array([list(numbers.terms.values()) for numbers in read_steps(made)])


@pytest.mark.parametrize("architecture", ["strided", "folded"])
def test_two_replicas_follow_the_single_curve(
    config: Config, records: Path, architecture: str
) -> None:
    config = with_settings(
        config,
        model={
            "architecture": architecture,
            "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
            # Rounding, which replicas do in another order, is amplified by long
            # steps, and where a displaced pixel crosses another.
            "folded": {**config.model.folded.model_dump(), "displacement_scale": 2.0},
        },
        objective={
            "coarse_scales": (8, 2),
            "coarse_end": 6,
            "scales": (1, 4),
        },
        training={"max_gradient_ratio": 1.05, "learning_rate": 2e-4},
    )
    single = loss_curve(config, records, build_strategy("single"), 50)
    mirrored = loss_curve(config, records, build_strategy("mirrored", 2), 50)
    np.testing.assert_allclose(mirrored, single, rtol=1e-4)
    # The curves are worth comparing only if the weights moved.
    assert abs(np.log(single[-1, 2] / single[0, 2])) > np.log(2.0)


def test_two_replicas_have_whole_pairs(config: Config, records: Path) -> None:
    config = with_settings(
        config,
        model={
            "architecture": "strided",
            "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
        },
        objective={"visits": 1},
        training={"learning_rate": 3e-4},
    )
    single = loss_curve(config, records, build_strategy("single"), 12)
    mirrored = loss_curve(config, records, build_strategy("mirrored", 2), 12)
    np.testing.assert_allclose(mirrored, single, rtol=1e-4, atol=1e-6)


def test_replicas_know_each_others_posteriors(config: Config, records: Path) -> None:
    """The total correlation is that of the global batch."""
    config = with_settings(
        config,
        model={
            "architecture": "strided",
            "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
        },
        objective={"free_nats": 0.01, "total_correlation": 0.1},
        training={"learning_rate": 3e-4},
    )
    single = loss_curve(config, records, build_strategy("single"), 12)
    mirrored = loss_curve(config, records, build_strategy("mirrored", 2), 12)
    # It passes through zero.
    np.testing.assert_allclose(mirrored, single, rtol=1e-4, atol=1e-6)
    assert np.abs(single[:, 3]).max() > 0.001
    # At the first steps the divergence has no weight.
    np.testing.assert_allclose(
        single[:3, 0], single[:3, 1] + 0.1 * single[:3, 3], rtol=1e-5
    )


@pytest.mark.parametrize("architecture", ["strided", "folded"])
@pytest.mark.parametrize(
    ("option", "rtol"), [("jit_compile", 1e-4), ("mixed_precision", 0.03)]
)
def test_faster_arithmetic_follows_the_plain_curve(
    config: Config, records: Path, architecture: str, option: str, rtol: float
) -> None:
    config = with_settings(
        config,
        model={
            "architecture": architecture,
            "strided": {"channels": (4, 8, 8), "kernels": (7, 5, 3)},
            "folded": {**config.model.folded.model_dump(), "displacement_scale": 2.0},
        },
        training={"learning_rate": 3e-4},
    )
    changed = with_settings(config, training={option: True})
    # XLA turns the same bits into other normal numbers.
    plain = loss_curve(config, records, build_strategy("single"), 6, noise=False)
    faster = loss_curve(changed, records, build_strategy("single"), 6, noise=False)
    np.testing.assert_allclose(faster[:, :3], plain[:, :3], rtol=rtol)
    assert (faster != plain).any(), "the option changed nothing"


def test_mixed_precision_keeps_weights_and_outputs_exact(config: Config) -> None:
    mixed = with_settings(config, training={"mixed_precision": True})
    model = Trainer(mixed, build_strategy("single")).model
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert {tensor.dtype for tensor in model.outputs} == {"float32"}
    convolution = model.get_layer("encoder").get_layer("conv1")
    assert convolution.compute_dtype == "bfloat16"
    assert Trainer(config, build_strategy("single")).model.compute_dtype == "float32"


def test_one_step_is_the_formula(config: Config, records: Path) -> None:
    """Error, KL and Adam's first step, computed a second way."""
    config = with_settings(config, objective={"kl_weights": ((0, 0.0), (4, 0.002))})
    trainer = Trainer(config, build_strategy("single"))
    stream = TrainingStream(read_manifest(records), config)
    flux = next(iter(stream.build()))["flux"]
    # The bottleneck's kernels start at zero, where the sign of noise would decide.
    rng = np.random.default_rng(0)
    trainer.model.set_weights(
        [w if w.ndim == 0 else rng.normal(0.0, 0.1, w.shape)
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
    # Half way through the warm-up.
    (logs,) = read_steps([trainer.train_step({"flux": flux}, 2)])
    assert logs.loss == pytest.approx(float(loss), rel=1e-5)
    assert logs.flux_mae == pytest.approx(float(error), rel=1e-5)
    assert logs.kl == pytest.approx(float(kl), rel=1e-5)
    for before, after, gradient in zip(
        weights, trainer.model.trainable_variables, gradients, strict=True
    ):
        g = gradient.numpy()
        # Kingma & Ba 2015, algorithm 1 with the epsilon of its section 2 as Keras
        # has it: before the bias correction.
        step = 1e-3 * g / (np.abs(g) + 1e-7 / np.sqrt(1.0 - 0.999))
        np.testing.assert_allclose(before - after.numpy(), step, rtol=0.01, atol=1e-6)


def test_a_step_on_visits_is_the_formula(config: Config, records: Path) -> None:
    """Each spectrum is rebuilt with the star of the other, whose divergence is half."""
    config = with_settings(config, objective={"kl_weights": ((0, 0.002),), "visits": 1})
    trainer = Trainer(config, build_strategy("single"))
    batch = next(iter(TrainingStream(read_manifest(records), config).build()))
    rng = np.random.default_rng(0)
    trainer.model.set_weights(
        [w if w.ndim == 0 else rng.normal(0.0, 0.1, w.shape)
         for w in trainer.model.get_weights()]
    )  # fmt: skip
    step = trainer.model.get_layer("bottleneck").step
    before = int(step)
    outputs = trainer.model(batch["flux"], training=True)
    step.assign(before)
    z, kl = outputs["z"].numpy(), outputs["kl"].numpy()
    swapped = z.copy()
    swapped[::2, :3], swapped[1::2, :3] = z[1::2, :3], z[::2, :3]
    rebuilt = trainer.model.get_layer("decoder")(swapped)
    error = losses.masked_absolute_error(batch["flux"], rebuilt).numpy()
    counted = 0.5 * kl[:, :3].sum(axis=1) + kl[:, 3]
    (logs,) = read_steps([trainer.train_step(batch, 0)])
    assert logs.loss == pytest.approx(np.mean(error + 0.002 * counted), rel=1e-4)
    assert logs.flux_mae == pytest.approx(error.mean(), rel=1e-4)
    # The divergence that is told is that of each spectrum by itself.
    assert logs.kl == pytest.approx(kl.sum(axis=1).mean(), rel=1e-4)


def test_evaluation_is_exact_over_uneven_batches(config: Config, records: Path) -> None:
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
            manifest, "validation", config, batch_size=batch_size
        )
        means.append(list(trainer.evaluate(batches).values()))
    np.testing.assert_allclose(means[1], means[0], rtol=1e-5)
    np.testing.assert_allclose(means[2], means[0], rtol=1e-5)


def test_coarse_stages_are_equally_long() -> None:
    objective = ObjectiveConfig(coarse_scales=(8, 4, 2), coarse_end=30)
    scales = [coarse_scale_at(step, objective) for step in (0, 9, 10, 19, 20, 29, 30)]
    assert scales == [8, 8, 4, 4, 2, 2, 1]
    assert coarse_scale_at(0, ObjectiveConfig()) == 1


def test_the_likelihood_is_the_logarithm_of_each_spectrums_error(
    config: Config, records: Path
) -> None:
    (batch,) = build_evaluation_dataset(
        read_manifest(records), "validation", config, batch_size=1000
    ).take(1)
    flux = batch["flux"]
    objective = {"error": "likelihood", "kl_weights": (), "kl_unit": 0.01}
    trainer = Trainer(
        with_settings(config, objective=objective), build_strategy("single")
    )
    outputs = trainer.model(flux)
    error = losses.masked_absolute_error(flux, outputs["reconstruction"])
    kl = tf.reduce_sum(outputs["kl"], axis=1)
    expected = tf.reduce_mean(tf.math.log(error + 1.0e-4) + 3.0 * 0.01 * kl)
    logs = trainer.evaluate(tf.data.Dataset.from_tensors({"flux": flux}))
    assert logs["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_pixels_count_by_their_errors(config: Config, records: Path) -> None:
    (batch,) = build_evaluation_dataset(
        read_manifest(records), "validation", config, batch_size=1000
    ).take(1)
    flux = batch["flux"]
    error = np.random.default_rng(0).uniform(0.1, 0.9, flux.shape).astype(np.float32)
    objective = {"kl_weights": ((0, 0.0),), "scales": (1,)}
    trainer = Trainer(
        with_settings(config, objective=objective), build_strategy("single")
    )
    apart = np.abs(flux - trainer.model(flux)["reconstruction"])
    weight = np.where(np.isfinite(flux), 1.0 / error, 0.0)
    expected = np.nansum(weight * apart, axis=1) / weight.sum(axis=1)
    spectra = tf.data.Dataset.from_tensors({"flux": flux, "error": error})
    logs = trainer.evaluate(spectra)
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    assert logs["flux_mae"] == pytest.approx(np.nanmean(apart, axis=1).mean(), rel=1e-5)


def test_idle_dimensions_weigh_more_at_the_end(config: Config, records: Path) -> None:
    (batch,) = build_evaluation_dataset(
        read_manifest(records), "validation", config, batch_size=1000
    ).take(1)
    flux = batch["flux"]
    objective = {"kl_weights": (), "kl_unit": 0.01}
    training = {"n_steps": 100, "batch_size": int(flux.shape[0])}
    trainer = Trainer(
        with_settings(config, objective=objective, training=training),
        build_strategy("single"),
    )
    kl = trainer.model(flux, training=True)["kl"].numpy()
    weight = 0.01 * (1.0 + 2.0 / (1.0 + kl.mean(axis=0) ** 2))
    trainer.model.get_layer("bottleneck").step.assign(0)
    trainer.controls = Controls(level=3.0)
    (logs,) = read_steps([trainer.train_step({"flux": flux}, 99)])
    divergence = 3.0 * (weight * kl).sum(axis=1).mean()
    assert logs.loss - logs.flux_mae == pytest.approx(divergence, rel=1e-3)


def test_the_rate_rises_before_it_falls(config: Config) -> None:
    settings = {
        "learning_rate_decay": "cosine", "n_steps": 100, "learning_rate": 0.5,
        "warmup": 0.2,
    }  # fmt: skip
    optimizer = build_optimizer(with_settings(config, training=settings).training)
    rates = []
    for step in (0, 10, 20, 60, 100):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0.0, 0.25, 0.5, 0.25, 0.0])


def test_cosine_decay_ends_at_zero(config: Config) -> None:
    settings = {"learning_rate_decay": "cosine", "n_steps": 10, "learning_rate": 0.5}
    training = with_settings(config, training=settings).training
    optimizer = build_optimizer(training)
    rates = []
    for step in (0, 5, 10):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([0.5, 0.25, 0.0])


def test_a_step_that_is_not_finite_leaves_all_as_it_was(config: Config) -> None:
    trainer = Trainer(config, build_strategy("single"))
    rng = np.random.default_rng(0)
    flux = rng.normal(1.0, 0.1, (8, config.grid.n_pixels)).astype(np.float32)
    first = trainer.train_step({"flux": tf.constant(flux)}, 0)
    kept = [*trainer.model.trainable_variables, *trainer.optimizer.variables]
    before = [variable.numpy().copy() for variable in kept]
    flux[5, 500:502] = 3e38, -3e38
    made = trainer.train_step({"flux": tf.constant(flux)}, 1)
    good, bad = read_steps([first, made])
    assert good.fault is None
    assert bad.fault == "the loss is inf"
    assert (bad.level, bad.gradient_mean) == (good.level, good.gradient_mean)
    np.testing.assert_array_equal(np.flatnonzero(~np.isfinite(made.objective)), [5])
    for variable, value in zip(kept, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
