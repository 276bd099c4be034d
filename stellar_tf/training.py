"""The training loop, one for every strategy."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from pydantic import ValidationError

from stellar_tf import losses
from stellar_tf.callbacks import build_callbacks, trim_history
from stellar_tf.config import Config, ConfigError, describe_error
from stellar_tf.dataset import (
    build_evaluation_dataset,
    build_training_dataset,
    mean_spectrum,
    name_corrupt_records,
)
from stellar_tf.run import Run, open_run
from stellar_tf.trainer import Trainer, coarse_scale_at
from tfrecords_tools.manifest import Manifest, read_manifest
from tfrecords_tools.salvage import salvage
from tfrecords_tools.split import SPLITS

N_SPECTRA_OF_MEAN = 4_096
"""Training spectra averaged into the reference at most: its error is then 1/64 of
the spread between stars."""


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: tf.distribute.Strategy,
    *,
    skip_corrupt: bool = False,
    overwrite: bool = False,
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
    skip_corrupt : bool, default False
        Whether to look for corrupt records first, tell of them on stderr and do
        without them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of continuing it.
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
    CorruptRecordsError
        If a record is corrupt, unless such are skipped.
    ConfigError
        If the batch cannot be shared out equally among the replicas, or the network
        does not fit the records' grid.
    """
    manifest = read_manifest(records)
    config = adopt_grid(config, manifest)
    _check_batch(config.training.batch_size, strategy.num_replicas_in_sync)
    origin = describe_records(manifest)
    run = open_run(run_folder, config, origin, overwrite=overwrite)
    if skip_corrupt:
        manifest = _leave_out_corrupt(manifest, run.sound_records)
    advice = "pass --skip-corrupt to do without such records, or convert them again"
    with name_corrupt_records(manifest, advice):
        _train(Trainer(config, strategy), manifest, run, extra_callbacks)
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


def _leave_out_corrupt(manifest: Manifest, folder: Path) -> Manifest:
    sound, corrupt = salvage(manifest, folder)
    for record in corrupt:
        print(f"skipped: {record}", file=sys.stderr)
    print(f"{len(corrupt)} corrupt records skipped", file=sys.stderr)
    return sound


def _train(
    trainer: Trainer,
    manifest: Manifest,
    run: Run,
    extra_callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    config = trainer.config
    callbacks = build_callbacks(run, trainer.model, trainer.optimizer, config)
    n_done = callbacks.checkpoint.restore()
    trim_history(run.history_path, n_done)
    if n_done == 0 and config.model.subtract_mean:
        mean = mean_spectrum(
            manifest,
            config.dataset,
            max_spectra=N_SPECTRA_OF_MEAN,
            batch_size=config.training.batch_size,
        )
        trainer.set_reference(mean)
    observers = keras.callbacks.CallbackList(
        [*callbacks.all, *extra_callbacks], model=trainer.model
    )
    _run_epochs(trainer, manifest, observers, n_done)


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


def _check_batch(batch_size: int, n_replicas: int) -> None:
    if batch_size % n_replicas:
        raise ConfigError(
            f"training.batch_size must be a multiple of the {n_replicas} replicas, "
            f"got {batch_size}"
        )
