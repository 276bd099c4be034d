"""Training on what was asked for, one way for every strategy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import keras
import tensorflow as tf

from stellar_tf.batches.dataset import TrainingStream
from stellar_tf.batches.reading import name_corrupt_records
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import Config, ConfigError
from stellar_tf.network.axes import reset_axes
from stellar_tf.network.model import load_autoencoder, set_flux_scale
from stellar_tf.network.transfer import keep_dimensions
from stellar_tf.run import Run, lock_run, open_run
from stellar_tf.training.callbacks import ProgressBar, build_callbacks, trim_history
from stellar_tf.training.checkpoints import CheckpointStore
from stellar_tf.training.duration import count_steps_in, measure_cost
from stellar_tf.training.loop import TrainingLoop
from stellar_tf.training.request import (
    FitRequest,
    adopt_grid,
    check_replicas,
    set_length,
)
from stellar_tf.training.step import Trainer
from stellar_tf.training.strategy import build_vote, is_chief
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.interruption import StopSignals
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.salvage import salvage

logger = logging.getLogger(__name__)

ADVICE = "pass skip_corrupt=True to do without such records, or convert them again"


def train(
    request: FitRequest,
    strategy: tf.distribute.Strategy,
    *,
    skip_corrupt: bool = False,
    progress: bool = True,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train what was asked for, or go on with it.

    Parameters
    ----------
    request : FitRequest
        Records, run and settings.
    strategy : tf.distribute.Strategy
        From `stellar_tf.training.strategy.build_strategy`.
    skip_corrupt : bool, default False
        Whether to look for corrupt records first, log them and do without them.
    progress : bool, default True
        Whether to show steps, rate and the terms of the loss on stderr.
    extra_callbacks : sequence of keras.callbacks.Callback
        Further callbacks.

    Returns
    -------
    run : Run
        The run folder's paths.

    Raises
    ------
    ConfigError, CorruptRecordsError, RunError, TrainingError
        As of `stellar_tf.training.fit.fit`.
    """
    manifest, run = request.manifest, request.run
    check_replicas(request.config, strategy.num_replicas_in_sync)
    config = request.config
    if request.minutes is not None:
        config = _fill_minutes(request, request.minutes, strategy)
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    trainer = Trainer(config, strategy)
    if request.init_from is not None:
        _load_weights(trainer, request.init_from, request.dimensions)
    with ExitStack() as stack:
        if is_chief(strategy):
            stack.enter_context(lock_run(run))
            overwrite = request.overwrite
            open_run(run.folder, config, request.origin, overwrite=overwrite)
        build_vote(strategy)(False)  # the folder is there
        if skip_corrupt:
            manifest = _leave_out_corrupt(manifest, run.intact_records)
        stack.enter_context(name_corrupt_records(ADVICE))
        bar = [ProgressBar(config.training.n_steps)] if progress else []
        _train(trainer, manifest, run, [*bar, *extra_callbacks])
    return run


def _fill_minutes(
    request: FitRequest, minutes: float, strategy: tf.distribute.Strategy
) -> Config:
    """Set as many steps as the time holds."""
    with name_corrupt_records(ADVICE):
        cost = measure_cost(request.config, request.manifest, strategy)
    n_steps = count_steps_in(minutes, cost, request.config)
    logger.info("%d steps in %g minutes", n_steps, minutes)
    return adopt_grid(set_length(request.given, n_steps), request.manifest)


def _leave_out_corrupt(manifest: Manifest, folder: Path) -> Manifest:
    intact, corrupt = salvage(manifest, folder)
    for record in corrupt:
        logger.warning("skipped: %s", record)
    logger.warning("%d corrupt records skipped", len(corrupt))
    return intact


def _load_weights(
    trainer: Trainer, run: Run, dimensions: tuple[int, ...] | None
) -> None:
    """Take over the weights of another run."""
    source = load_autoencoder(run)
    try:
        if dimensions is None:
            trainer.model.set_weights(source.get_weights())
        else:
            keep_dimensions(source, trainer.model, dimensions)
    except ValueError:
        raise ConfigError(
            f"{run.folder}: its network differs from that of the settings; give "
            f"its own, {run.config_path}"
        ) from None
    reset_axes(trainer.model)
    trainer.model.get_layer("bottleneck").step.assign(0)


def _train(
    trainer: Trainer,
    manifest: Manifest,
    run: Run,
    extra_callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    config = trainer.config
    store = CheckpointStore(run.checkpoints, trainer.model, trainer.optimizer)
    state = store.restore()
    own: list[keras.callbacks.Callback] = []
    if is_chief(trainer.strategy):
        remove_partial(run.folder)
        trim_history(run.history_path, state.n_steps, is_open=bool(state.totals))
        own = build_callbacks(run, config, trainer.model, manifest)
    is_new = state.n_steps == 0 and "init_from_sha256" not in run.read_records()
    if is_new and config.model.subtract_mean:
        statistics = measure_flux(manifest, config)
        set_flux_scale(trainer.model, config.model, *statistics)
    callbacks = keras.callbacks.CallbackList(
        [*own, *extra_callbacks], model=trainer.model
    )
    stream = TrainingStream(manifest, config)
    loop = TrainingLoop(trainer, stream, manifest, run, store, callbacks)
    with StopSignals() as stop:
        callbacks.on_train_begin()
        try:
            loop.run(state, stop)
        finally:  # files are closed and the terminal restored, whatever ends training
            callbacks.on_train_end()
