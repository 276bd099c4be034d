"""The training loop, one for every strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf
from pydantic import ValidationError

from stellar_tf import losses
from stellar_tf.callbacks import build_callbacks, trim_history
from stellar_tf.config import (
    Config,
    ConfigError,
    ObjectiveConfig,
    TrainingConfig,
    describe_error,
)
from stellar_tf.dataset import (
    build_evaluation_dataset,
    build_training_dataset,
    mean_spectrum,
)
from stellar_tf.model import build_autoencoder
from stellar_tf.run import Run, open_run
from tfrecords_tools.manifest import Manifest, read_manifest
from tfrecords_tools.split import SPLITS

N_SPECTRA_OF_MEAN = 4_096
"""Training spectra averaged into the reference at most: its error is then 1/64 of
the spread between stars."""


class TermSums(NamedTuple):
    """Sums over spectra of the terms of the objective."""

    flux_mae: tf.Tensor
    """Absolute error, in normalised flux."""
    kl: tf.Tensor
    """Divergence summed over the dimensions, in nats."""
    objective: tf.Tensor
    """What is minimised, in normalised flux."""
    n_spectra: tf.Tensor
    """Spectra summed over."""


class Trainer:
    """
    Model, optimiser and the compiled steps under one strategy.

    Parameters
    ----------
    config : Config
        The settings.
    strategy : tf.distribute.Strategy
        Where the replicas live.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy) -> None:
        self.config = config
        self.strategy = strategy
        with strategy.scope():
            self.model = build_autoencoder(config)
            self.optimizer = build_optimizer(config.training)
            self.optimizer.build(self.model.trainable_variables)
        self._train_steps: dict[int, Callable[..., TermSums]] = {}
        self._evaluate = tf.function(self._run_evaluation)

    def set_reference(self, mean: tf.Tensor) -> None:
        """
        Give the network the spectrum it works relative to.

        Parameters
        ----------
        mean : array_like of float32, shape (padded_length,)
            Normalised flux.
        """
        encoder, decoder = (self.model.get_layer(n) for n in ("encoder", "decoder"))
        encoder.get_layer("standardise").reference.assign(mean)
        decoder.get_layer("destandardise").reference.assign(mean)

    def train_step(self, flux: tf.Tensor, step: int) -> dict[str, float]:
        """
        Make one update.

        Parameters
        ----------
        flux : Tensor or PerReplica, shape (batch_size, padded_length)
            A global batch.
        step : int
            Updates made before this one.

        Returns
        -------
        logs : dict
            ``loss`` and ``flux_mae`` in normalised flux, ``kl`` in nats: means over
            the global batch, before the update.
        """
        coarse = coarse_scale_at(step, self.config.objective)
        if coarse not in self._train_steps:
            self._train_steps[coarse] = tf.function(
                partial(self._run_training, coarse=coarse)
            )
        beta = losses.kl_weight_at(step, self.config.objective.kl_weights)
        sums = self._train_steps[coarse](flux, tf.constant(beta))
        return _means(sums)

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """
        Average the terms over a data set, with z at the posterior's mean.

        Parameters
        ----------
        batches : tf.data.Dataset
            Of `build_evaluation_dataset`.

        Returns
        -------
        logs : dict
            As of `train_step`; the loss is taken at the final KL weight, so that
            epochs compare.
        """
        flux = batches.map(lambda batch: batch["flux"])
        total: TermSums | None = None
        for batch in self.strategy.experimental_distribute_dataset(flux):
            sums = self._evaluate(batch)
            total = sums if total is None else TermSums(*map(tf.add, total, sums))
        if total is None:
            raise ValueError("batches must hold at least one spectrum")
        return _means(total)

    def _run_training(
        self, flux: tf.Tensor, beta: tf.Tensor, *, coarse: int
    ) -> TermSums:
        def update(flux: tf.Tensor) -> TermSums:
            with tf.GradientTape() as tape:
                sums = self._terms(flux, beta, coarse, training=True)
                # Replicas' gradients are summed: dividing by the global batch
                # makes that the mean over it.
                loss = sums.objective / float(self.config.training.batch_size)
            variables = self.model.trainable_variables
            gradients = self._limit(tape.gradient(loss, variables))
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return sums

        return self._sum_replicas(self.strategy.run(update, (flux,)))

    def _limit(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        max_norm = self.config.training.max_gradient_norm
        if max_norm is None:
            return gradients
        # The optimiser sums over replicas, and it is that sum which must be short.
        replica = tf.distribute.get_replica_context()
        total = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        limited, _ = tf.clip_by_global_norm(total, max_norm)
        return [gradient / replica.num_replicas_in_sync for gradient in limited]

    def _run_evaluation(self, flux: tf.Tensor) -> TermSums:
        def evaluate(flux: tf.Tensor) -> TermSums:
            beta = tf.constant(self.config.objective.final_kl_weight)
            return self._terms(flux, beta, 1, training=False)

        return self._sum_replicas(self.strategy.run(evaluate, (flux,)))

    def _terms(
        self, flux: tf.Tensor, beta: tf.Tensor, coarse: int, *, training: bool
    ) -> TermSums:
        objective = self.config.objective
        if coarse > 1:
            flux = _coarsen(flux, coarse)
        outputs = self.model(flux, training=training)
        reconstruction = outputs["reconstruction"]
        if coarse > 1:
            reconstruction = _coarsen(reconstruction, coarse)
        error = losses.reconstruction_error(flux, reconstruction, objective.scales)
        kl = losses.reduce_kl(outputs["kl"], objective.kl_reduction)
        return TermSums(
            tf.reduce_sum(losses.masked_absolute_error(flux, reconstruction)),
            tf.reduce_sum(outputs["kl"]),
            tf.reduce_sum(error + beta * kl),
            tf.cast(tf.shape(flux)[0], tf.float32),
        )

    def _sum_replicas(self, sums: TermSums) -> TermSums:
        reduce = self.strategy.reduce
        return TermSums(
            *(reduce(tf.distribute.ReduceOp.SUM, term, axis=None) for term in sums)
        )


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: tf.distribute.Strategy,
    *,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train on a folder of records, or continue a run that was interrupted.

    Parameters
    ----------
    records : Path
        Folder that `stellar-tf convert` wrote.
    run_folder : Path
        Folder for the history, the checkpoints and the best model.
    config : Config
        The settings; the grid is taken from the records.
    strategy : tf.distribute.Strategy
        From `stellar_tf.strategy.build_strategy`.
    extra_callbacks : sequence of keras.callbacks.Callback
        Further observers.

    Returns
    -------
    run : Run
        The run folder's paths.

    Raises
    ------
    RunError
        If the folder belongs to other settings or records.
    ConfigError
        If the batch cannot be shared out equally among the replicas, or the network
        does not fit the records' grid.
    """
    manifest = read_manifest(records)
    config = adopt_grid(config, manifest)
    _check_batch(config.training.batch_size, strategy.num_replicas_in_sync)
    run = open_run(run_folder, config, describe_records(manifest))
    trainer = Trainer(config, strategy)
    callbacks = build_callbacks(run, trainer.model, trainer.optimizer, config)
    n_done = callbacks.checkpoint.restore()
    trim_history(run.history_path, n_done)
    if n_done == 0 and config.model.subtract_mean:
        trainer.set_reference(
            mean_spectrum(
                manifest,
                config.dataset,
                max_spectra=N_SPECTRA_OF_MEAN,
                batch_size=config.training.batch_size,
            )
        )
    observers = keras.callbacks.CallbackList(
        [*callbacks.all, *extra_callbacks], model=trainer.model
    )
    _run_epochs(trainer, manifest, observers, n_done)
    return run


def adopt_grid(config: Config, manifest: Manifest) -> Config:
    """
    Put the records' grid into the settings.

    Parameters
    ----------
    config : Config
        The settings.
    manifest : Manifest
        The data set.

    Returns
    -------
    config : Config
        With the grid and the conversion of the records.

    Raises
    ------
    ConfigError
        If the network does not fit that grid.
    """
    tree = config.model_dump()
    tree["grid"] = manifest.grid.model_dump()
    tree["convert"] = manifest.config.model_dump()
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{manifest.folder}: {describe_error(error)}") from None


def describe_records(manifest: Manifest) -> dict[str, object]:
    """
    State which records a run belongs to.

    Parameters
    ----------
    manifest : Manifest
        The data set.

    Returns
    -------
    records : dict
        ``folder``, ``manifest_sha256`` and ``n_spectra`` by split.
    """
    return {
        "folder": str(manifest.folder.resolve()),
        "manifest_sha256": manifest.sha256,
        "n_spectra": {split: manifest.n_spectra(split) for split in SPLITS},
    }


def build_optimizer(config: TrainingConfig) -> keras.optimizers.Optimizer:
    """
    Build Adam with the configured schedule.

    Parameters
    ----------
    config : TrainingConfig
        Learning rate, its decay and the number of steps.

    Returns
    -------
    optimizer : keras.optimizers.Optimizer
        Adam.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule
    rate = config.learning_rate
    if config.learning_rate_decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, config.n_steps)
    return keras.optimizers.Adam(rate)


def coarse_scale_at(step: int, config: ObjectiveConfig) -> int:
    """
    Pixels that input and target are averaged over at a step.

    Parameters
    ----------
    step : int
        Updates made so far.
    config : ObjectiveConfig
        The stages.

    Returns
    -------
    n_average : int
        1 at full resolution.
    """
    if not config.coarse_scales or step >= config.coarse_end:
        return 1
    return config.coarse_scales[step * len(config.coarse_scales) // config.coarse_end]


def _run_epochs(
    trainer: Trainer,
    manifest: Manifest,
    observers: keras.callbacks.CallbackList,
    n_done: int,
) -> None:
    training, dataset = trainer.config.training, trainer.config.dataset
    stream = build_training_dataset(
        manifest,
        dataset,
        batch_size=training.batch_size,
        seed=training.seed,
        first_spectrum=n_done * training.batch_size,
    )
    batches = iter(trainer.strategy.experimental_distribute_dataset(stream))
    validation = build_evaluation_dataset(
        manifest, "validation", dataset, batch_size=training.batch_size
    )
    first_epoch = n_done // training.steps_per_epoch
    n_epochs = math.ceil(training.n_steps / training.steps_per_epoch)
    observers.on_train_begin()
    try:
        for epoch in range(first_epoch, n_epochs):
            observers.on_epoch_begin(epoch)
            logs = _run_epoch(trainer, batches, observers, epoch)
            scores = trainer.evaluate(validation)
            logs.update({f"val_{name}": value for name, value in scores.items()})
            observers.on_epoch_end(epoch, logs)
    finally:  # files are closed and the terminal restored, whatever ends training
        observers.on_train_end()


def _run_epoch(
    trainer: Trainer,
    batches: Iterator[tf.Tensor],
    observers: keras.callbacks.CallbackList,
    epoch: int,
) -> dict[str, float]:
    training, objective = trainer.config.training, trainer.config.objective
    first = epoch * training.steps_per_epoch
    last = min(first + training.steps_per_epoch, training.n_steps)
    totals: dict[str, float] = {}
    for step in range(first, last):
        observers.on_train_batch_begin(step)
        logs = trainer.train_step(next(batches), step)
        for name, value in logs.items():
            totals[name] = totals.get(name, 0.0) + value
        observers.on_train_batch_end(step, logs)
    means = {name: total / (last - first) for name, total in totals.items()}
    return {
        "step": float(last),
        "beta": losses.kl_weight_at(last - 1, objective.kl_weights),
        "coarse_scale": float(coarse_scale_at(last - 1, objective)),
        **means,
    }


def _coarsen(flux: tf.Tensor, n_average: int) -> tf.Tensor:
    return tf.repeat(losses.average_pixels(flux, n_average), n_average, axis=-1)


def _means(sums: TermSums) -> dict[str, float]:
    n_spectra = float(sums.n_spectra)
    return {
        "loss": float(sums.objective) / n_spectra,
        "flux_mae": float(sums.flux_mae) / n_spectra,
        "kl": float(sums.kl) / n_spectra,
    }


def _check_batch(batch_size: int, n_replicas: int) -> None:
    if batch_size % n_replicas:
        raise ConfigError(
            f"training.batch_size must be a multiple of the {n_replicas} replicas, "
            f"got {batch_size}"
        )
