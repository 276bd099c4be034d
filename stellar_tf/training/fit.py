"""The training loop, one for every strategy."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError

from stellar_tf.batches.dataset import (
    TrainingStream,
    build_evaluation_dataset,
)
from stellar_tf.batches.reading import name_corrupt_records
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import Config, ConfigError, TrainingConfig, describe_error
from stellar_tf.config.recipe import complete_config
from stellar_tf.network.model import (
    load_autoencoder,
    save_autoencoder,
    set_flux_scale,
)
from stellar_tf.run import Run, is_run, open_run
from stellar_tf.training.callbacks import ProgressBar, build_callbacks, trim_history
from stellar_tf.training.checkpoints import (
    CheckpointClock,
    CheckpointStore,
    TrainingState,
)
from stellar_tf.training.duration import count_steps_in, measure_cost
from stellar_tf.training.step import (
    Batch,
    NotFiniteError,
    Trainer,
    coarse_scale_at,
)
from stellar_tf.training.strategy import is_chief, wait_for_all
from tfrecords_tools.durable import remove_partial
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest, hash_file, read_manifest
from tfrecords_tools.records.salvage import salvage
from tfrecords_tools.split import SPLITS

logger = logging.getLogger(__name__)

ADVICE = "pass skip_corrupt=True to do without such records, or convert them again"
MAX_IN_A_ROW = 10
"""Steps left out in a row that end the fit: it is not some spectra then."""
_N_CULPRITS = 3
"""Spectra named of a step that is left out."""


class TrainingError(UserError):
    """Training cannot go on; the message names the step and spectra of the batch."""


def fit(
    records: Path,
    run_folder: Path,
    config: Config,
    strategy: tf.distribute.Strategy,
    *,
    minutes: float | None = None,
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
    minutes : float, optional
        Train for as many steps as this time holds; they are counted once, when the run
        begins, and written into its settings [min].
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
        not fit the weights to begin with, several processes are to skip corrupt
        records or to count steps, or no steps fit into the time.
    TrainingError
        If the loss or a gradient is not finite `MAX_IN_A_ROW` times.

    Notes
    -----
    A step whose loss or gradient is not finite is left out, logged and counted.
    However a run ends early, the same call goes on from its last checkpoint, in the
    same way as if it had not ended: order, augmentation and noise depend on the seed
    and the step alone.
    """
    manifest = read_manifest(records)
    if minutes is not None:
        begun = None if overwrite or not is_run(run_folder) else Run(run_folder)
        config = _fix_length(config, manifest, strategy, minutes, begun)
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


def _fix_length(
    config: Config,
    manifest: Manifest,
    strategy: tf.distribute.Strategy,
    minutes: float,
    begun: Run | None,
) -> Config:
    """Set the number of steps: that of the run if it has begun, else by the time."""
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ConfigError("minutes works in one process only; set training.n_steps")
    if "n_steps" in config.training.model_fields_set:
        raise ConfigError("minutes and training.n_steps must not be given both")
    if begun is not None:
        n_steps = begun.read_config().training.n_steps
    else:
        whole = adopt_grid(config, manifest)
        _check_replicas(whole.training, strategy.num_replicas_in_sync)
        with name_corrupt_records(ADVICE):
            cost = measure_cost(whole, manifest, strategy)
        n_steps = count_steps_in(minutes, cost, whole)
        logger.info("%d steps in %g minutes", n_steps, minutes)
    training = config.training.model_copy(update={"n_steps": n_steps})
    return config.model_copy(update={"training": training})


def adopt_grid(config: Config, manifest: Manifest) -> Config:
    """
    Complete the settings by the recipe, for the grid and the number of the spectra.

    Parameters
    ----------
    config : Config
        The settings.
    manifest : Manifest
        The data set.

    Returns
    -------
    config : Config
        Whole, with the grid and the conversion of the records.

    Raises
    ------
    ConfigError
        If what the recipe adds does not go with what was set.
    """
    n_spectra = manifest.n_spectra("train")
    try:
        whole = complete_config(config, manifest.grid, n_spectra)
    except ValidationError as error:
        raise ConfigError(f"{manifest.folder}: {describe_error(error)}") from None
    return whole.model_copy(update={"convert": manifest.config})


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
        statistics = measure_flux(manifest, config)
        set_flux_scale(trainer.model, config.model, *statistics)
    callbacks = keras.callbacks.CallbackList(
        [*own, *extra_callbacks], model=trainer.model
    )
    stream = TrainingStream(manifest, config)
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
        self._n_in_a_row = 0
        config = trainer.config
        self._training, self._objective = config.training, config.objective
        self._validation = build_evaluation_dataset(
            manifest,
            "validation",
            config,
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
        steering = self._trainer.steering
        if state.kl_level is not None:
            steering.level = state.kl_level
        limit = self._trainer.gradient_limit
        limit.mean = state.gradient_mean
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
                state = TrainingState(
                    n_done, best_loss, totals, steering.level, limit.mean
                )
                self._store.save(state)

    def _make_step(self, batch: Batch, step: int) -> dict[str, float]:
        """Make an update, or count that there was none."""
        self._callbacks.on_train_batch_begin(step)
        try:
            logs = self._trainer.train_step(batch, step)
        except NotFiniteError as error:
            self._leave_out(step, error)
            return {"skipped": 1.0}
        self._n_in_a_row = 0
        self._callbacks.on_train_batch_end(step, logs)
        return {**logs, "skipped": 0.0}

    def _leave_out(self, step: int, error: NotFiniteError) -> None:
        """Tell of a step whose numbers are not finite; end training after too many."""
        self._n_in_a_row += 1
        culprits = ", ".join(self._find_culprits(step, error.objective))
        if self._n_in_a_row == MAX_IN_A_ROW:
            raise TrainingError(
                f"{self._run.folder}: {error} at step {step}, as in the "
                f"{MAX_IN_A_ROW - 1} before it; the last checkpoint is kept; try a "
                f"smaller training.learning_rate, or look at {culprits}"
            )
        if self._is_chief:
            logger.warning("step %d left out: %s; look at %s", step, error, culprits)

    def _find_culprits(
        self, step: int, objective: NDArray[np.float32]
    ) -> Iterator[str]:
        """Name the spectra that add what is not finite, or most."""
        places = self._stream.locate_batch(step)
        finite = np.where(np.isfinite(objective), objective, np.inf)
        worst = np.argsort(-finite, kind="stable")
        n_named = int(np.clip(np.isinf(finite).sum(), 1, _N_CULPRITS))
        for i in worst[:n_named]:
            yield f"{places[i].dp_id} in {places[i].path.name}"

    def _end_epoch(
        self, n_done: int, totals: dict[str, float], best_loss: float
    ) -> float:
        """Validate, tell the callbacks and keep the model if it is the best so far."""
        training, objective = self._training, self._objective
        epoch = (n_done - 1) // training.steps_per_epoch
        n_skipped = totals.pop("skipped")
        n_steps = n_done - epoch * training.steps_per_epoch - n_skipped
        scores = self._trainer.evaluate(self._validation)
        logs = {
            "step": float(n_done),
            "beta": self._trainer.steering.weight_at(n_done - 1).beta,
            "coarse_scale": float(coarse_scale_at(n_done - 1, objective)),
            "skipped": n_skipped,
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
