"""The training loop, one for every strategy."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from pydantic import ValidationError

from stellar_tf.batches.dataset import (
    TrainingStream,
    build_evaluation_dataset,
    mean_spectrum,
)
from stellar_tf.batches.reading import name_corrupt_records
from stellar_tf.config import Config, ConfigError, TrainingConfig, describe_error
from stellar_tf.network.model import load_autoencoder, save_autoencoder
from stellar_tf.run import Run, open_run
from stellar_tf.training import losses
from stellar_tf.training.callbacks import ProgressBar, build_callbacks, trim_history
from stellar_tf.training.checkpoints import (
    CheckpointClock,
    CheckpointStore,
    TrainingState,
)
from stellar_tf.training.step import NotFiniteError, Trainer, coarse_scale_at
from stellar_tf.training.strategy import is_chief, wait_for_all
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest, hash_file, read_manifest
from tfrecords_tools.records.salvage import salvage
from tfrecords_tools.split import SPLITS

logger = logging.getLogger(__name__)

ADVICE = "pass skip_corrupt=True to do without such records, or convert them again"
N_SPECTRA_OF_MEAN = 4_096
"""Training spectra averaged into the reference at most: its error is then 1/64 of
the spread between stars."""


class TrainingError(UserError):
    """Training cannot go on; the message names the step and the batch."""


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: tf.distribute.Strategy,
    *,
    init_from: Path | None = None,
    skip_corrupt: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """
    Train on a folder of records, or continue a run that was interrupted.

    Parameters
    ----------
    records : Path
        Folder that `stellar-tf convert` wrote.
    run_folder : Path
        Folder for the history, the checkpoints and the best model; of several
        machines all must see it.
    config : Config
        The settings; the grid is taken from the records.
    strategy : tf.distribute.Strategy
        From `stellar_tf.training.strategy.build_strategy`.
    init_from : Path, optional
        Folder of a run whose best weights to begin with.
    skip_corrupt : bool, default False
        Whether to look for corrupt records first, log them and do without
        them.
    overwrite : bool, default False
        Whether to replace a run that is there instead of continuing it.
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
    RunError
        If the folder belongs to other settings or records, or `init_from` is no run.
    CorruptRecordsError
        If a record cannot be read, unless such are skipped.
    ConfigError
        If the batch cannot be shared out equally among the replicas, the network does
        not fit the records' grid or the weights to begin with, or several processes
        are to skip corrupt records.
    TrainingError
        If the loss or a gradient is not finite.

    Notes
    -----
    However a run ends early, the same call goes on from its last checkpoint, in the
    same way as if it had not ended: order, augmentation and noise depend on the seed
    and the step alone.
    """
    manifest = read_manifest(records)
    config = adopt_grid(config, manifest)
    _check_replicas(config.training, strategy.num_replicas_in_sync)
    if skip_corrupt and isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ConfigError(
            "skip_corrupt works in one process only; convert such records again"
        )
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    trainer = Trainer(config, strategy)
    origin = describe_records(manifest)
    if init_from is not None:
        origin["init_from_sha256"] = _load_weights(trainer, Run(init_from))
    if is_chief(strategy):
        open_run(run_folder, config, origin, overwrite=overwrite)
    wait_for_all(strategy)
    run = Run(run_folder)
    if skip_corrupt:
        manifest = _leave_out_corrupt(manifest, run.intact_records)
    with name_corrupt_records(ADVICE):
        bar = [ProgressBar(config.training.n_steps)] if progress else []
        _train(trainer, manifest, run, [*bar, *extra_callbacks])
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
    intact, corrupt = salvage(manifest, folder)
    for record in corrupt:
        logger.warning("skipped: %s", record)
    logger.warning("%d corrupt records skipped", len(corrupt))
    return intact


def _load_weights(trainer: Trainer, run: Run) -> str:
    """Take over the weights of another run; return the SHA-256 of its model."""
    weights = load_autoencoder(run).get_weights()
    try:
        trainer.model.set_weights(weights)
    except ValueError:
        raise ConfigError(
            f"{run.folder}: its network differs from that of the settings; give "
            f"its own, {run.config_path}"
        ) from None
    trainer.model.get_layer("bottleneck").step.assign(0)
    return hash_file(run.model_path)


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
        trim_history(run.history_path, state.n_steps)
        own = build_callbacks(run, config, trainer.model, manifest)
    is_new = state.n_steps == 0 and "init_from_sha256" not in run.read_records()
    if is_new and config.model.subtract_mean:
        mean = mean_spectrum(
            manifest,
            config.dataset,
            max_spectra=N_SPECTRA_OF_MEAN,
            batch_size=config.training.batch_size,
        )
        trainer.set_reference(mean)
    callbacks = keras.callbacks.CallbackList(
        [*own, *extra_callbacks], model=trainer.model
    )
    stream = TrainingStream(
        manifest,
        config.dataset,
        batch_size=config.training.batch_size,
        seed=config.training.seed,
    )
    loop = _Loop(trainer, stream, manifest, run, store, callbacks)
    callbacks.on_train_begin()
    try:
        loop.run(state)
    finally:  # files are closed and the terminal restored, whatever ends training
        callbacks.on_train_end()


class _Loop:
    """Steps, epochs and checkpoints of one run."""

    def __init__(
        self,
        trainer: Trainer,
        stream: TrainingStream,
        manifest: Manifest,
        run: Run,
        store: CheckpointStore,
        callbacks: keras.callbacks.CallbackList,
    ) -> None:
        self._trainer, self._stream, self._run = trainer, stream, run
        self._store, self._callbacks = store, callbacks
        self._is_chief = is_chief(trainer.strategy)
        config = trainer.config
        self._training, self._objective = config.training, config.objective
        self._validation = build_evaluation_dataset(
            manifest,
            "validation",
            config.dataset,
            batch_size=self._training.batch_size,
            one_per_star=config.dataset.one_per_star_validation,
        )

    def run(self, state: TrainingState) -> None:
        """
        Train to the last step.

        Parameters
        ----------
        state : TrainingState
            Where to go on.
        """
        training = self._training
        clock = CheckpointClock(training.checkpoint_steps, training.checkpoint_minutes)
        build = partial(self._stream.build, state.n_steps)
        distribute = self._trainer.strategy.distribute_datasets_from_function
        batches = iter(distribute(build))
        totals, best_loss = dict(state.totals or {}), state.best_loss
        for step in range(state.n_steps, training.n_steps):
            n_done = step + 1
            if step % training.steps_per_epoch == 0 or step == state.n_steps:
                self._callbacks.on_epoch_begin(step // training.steps_per_epoch)
            for name, value in self._make_step(next(batches), step).items():
                totals[name] = totals.get(name, 0.0) + value
            is_last = n_done == training.n_steps
            if n_done % training.steps_per_epoch == 0 or is_last:
                best_loss = self._end_epoch(n_done, totals, best_loss)
                totals = {}
            if self._is_chief and (clock.is_due(n_done) or is_last):
                self._store.save(TrainingState(n_done, best_loss, totals))

    def _make_step(self, flux: tf.Tensor, step: int) -> dict[str, float]:
        self._callbacks.on_train_batch_begin(step)
        try:
            logs = self._trainer.train_step(flux, step)
        except NotFiniteError as error:
            raise TrainingError(self._describe(step, error)) from None
        self._callbacks.on_train_batch_end(step, logs)
        return logs

    def _describe(self, step: int, error: NotFiniteError) -> str:
        records = self._stream.locate_batch(step)
        batch = ", ".join(f"{r.dp_id} in {r.path.name}" for r in records)
        return (
            f"{self._run.folder}: {error} at step {step}; the last checkpoint is kept; "
            f"try a smaller training.learning_rate or max_gradient_norm, or look at "
            f"the batch: {batch}"
        )

    def _end_epoch(
        self, n_done: int, totals: dict[str, float], best_loss: float
    ) -> float:
        """Validate, tell the callbacks and keep the model if it is the best so far."""
        training, objective = self._training, self._objective
        epoch = (n_done - 1) // training.steps_per_epoch
        n_steps = n_done - epoch * training.steps_per_epoch
        scores = self._trainer.evaluate(self._validation)
        logs = {
            "step": float(n_done),
            "beta": losses.kl_weight_at(n_done - 1, objective.kl_weights),
            "coarse_scale": float(coarse_scale_at(n_done - 1, objective)),
            **{name: total / n_steps for name, total in totals.items()},
            **{f"val_{name}": value for name, value in scores.items()},
        }
        self._callbacks.on_epoch_end(epoch, logs)
        if scores["loss"] >= best_loss or math.isnan(scores["loss"]):
            return best_loss
        if self._is_chief:
            save_autoencoder(self._trainer.model, self._run)
        return scores["loss"]


def _check_replicas(training: TrainingConfig, n_replicas: int) -> None:
    if training.batch_size % n_replicas:
        raise ConfigError(
            f"training.batch_size must be a multiple of the {n_replicas} replicas, "
            f"got {training.batch_size}"
        )
    if training.jit_compile and n_replicas > 1:
        raise ConfigError(
            f"training.jit_compile: XLA cannot compile a step that {n_replicas} "
            f"replicas share; set it to false"
        )
