"""Steps, epochs and checkpoints of one run."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from stellar_tf.batches.continuum import list_smooth_modes
from stellar_tf.batches.dataset import TrainingStream, build_evaluation_dataset
from stellar_tf.network.axes import physical_axes
from stellar_tf.network.model import save_autoencoder
from stellar_tf.run import Run
from stellar_tf.training.checkpoints import (
    CheckpointClock,
    CheckpointStore,
    TrainingState,
)
from stellar_tf.training.step import Trainer, coarse_scale_at
from stellar_tf.training.step_results import (
    EXACT,
    Controls,
    Step,
    StepNumbers,
    read_steps,
)
from stellar_tf.training.strategy import build_vote, is_chief
from tfrecords_tools.errors import UserError
from tfrecords_tools.interruption import StopRequested, StopSignals, Terminated
from tfrecords_tools.records.manifest import Manifest

logger = logging.getLogger(__name__)

MAX_IN_A_ROW = 10
"""Steps left out in a row that end the fit: it is not some spectra then."""
_N_UNREAD, _UNREAD_SECONDS = 8, 1.0
"""Steps that may be under way unread, and how long [s]: each reading waits for the
device, and a signal for the steps."""
_N_CULPRITS = 3
"""Spectra named of a step that is left out."""


class TrainingError(UserError):
    """Training cannot go on; the message names the step and spectra of the batch."""


class TrainingLoop:
    """
    Trains, validates and saves.

    Parameters
    ----------
    trainer : Trainer
        Model, optimiser and steps.
    stream : TrainingStream
        The batches.
    manifest : Manifest
        The data set, for validation.
    run : Run
        Where the best model goes.
    store : CheckpointStore
        Where the states go.
    callbacks : keras.callbacks.CallbackList
        Observers.
    """

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
        self._is_alone = not isinstance(
            trainer.strategy, tf.distribute.MultiWorkerMirroredStrategy
        )
        self._vote = build_vote(trainer.strategy)
        self._n_in_a_row = 0
        self._unread: dict[int, Step] = {}
        self._read_at = time.monotonic()
        self._state = self._saved = TrainingState()
        config = trainer.config
        self._training, self._objective = config.training, config.objective
        self._validation = build_evaluation_dataset(
            manifest,
            "validation",
            config,
            batch_size=self._training.batch_size,
            one_per_star=config.dataset.one_per_star_validation,
        )

    def run(self, state: TrainingState, stop: StopSignals) -> None:
        """
        Train to the last step, or until a signal is noted.

        Parameters
        ----------
        state : TrainingState
            Where to go on.
        stop : StopSignals
            They are held from the first step on: before it there is nothing to save.
            Of several workers all stop after the same step when one is told to.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not finite `MAX_IN_A_ROW` times.
        Terminated
            If another worker was told to stop.
        """
        self._state = self._saved = state
        if self._is_chief and state.best_loss < math.inf:
            self._bring_back_model()
        if state.kl_level is not None:
            self._trainer.controls = Controls(state.kl_level, state.gradient_mean)
        if not self._is_alone:
            stop.hold()  # whoever leaves now leaves the others waiting
        is_stopped = False
        try:
            self._train(stop)
        except StopRequested:
            is_stopped = True
            self._read()
            logger.warning(
                "%s: stopped after step %d of %d, goes on from there",
                self._run.folder,
                self._state.n_steps,
                self._training.n_steps,
            )
        self._save()
        self._vote(False)  # the first has saved before any leaves
        if is_stopped and not stop.is_noted:
            raise Terminated

    def _train(self, stop: StopSignals) -> None:
        training, first = self._training, self._state.n_steps
        clock = CheckpointClock(training.checkpoint_steps, training.checkpoint_minutes)
        distribute = self._trainer.strategy.distribute_datasets_from_function
        batches = iter(distribute(partial(self._stream.build, first)))
        self._end_epoch(stop)  # in whose validation it may have been stopped
        for step in range(first, training.n_steps):
            if self._is_alone or step == first or step % _N_UNREAD == 0:
                self._check(stop)
            if step % training.steps_per_epoch == 0 or step == first:
                self._callbacks.on_epoch_begin(step // training.steps_per_epoch)
            self._callbacks.on_train_batch_begin(step)
            self._unread[step] = self._trainer.train_step(next(batches), step)
            stop.hold()
            is_due = clock.is_due(step + 1)
            if is_due or self._ends_epoch(step + 1) or self._has_waited():
                self._read()
            self._end_epoch(stop)
            if is_due:
                self._save()

    def _check(self, stop: StopSignals) -> None:
        """End the work if this worker was told to stop, or another."""
        if self._vote(stop.is_noted):
            raise StopRequested

    def _ends_epoch(self, n_done: int) -> bool:
        training = self._training
        return n_done == training.n_steps or n_done % training.steps_per_epoch == 0

    def _has_waited(self) -> bool:
        """Tell whether enough steps or time are unread."""
        waited = time.monotonic() - self._read_at
        return len(self._unread) >= _N_UNREAD or waited >= _UNREAD_SECONDS

    def _read(self) -> None:
        """Wait for the steps that are under way, and take note of them."""
        unread, self._unread = self._unread, {}
        if unread:
            found = read_steps(list(unread.values()))
            for (step, made), numbers in zip(unread.items(), found, strict=True):
                self._count(step, made, numbers)
        self._read_at = time.monotonic()

    def _count(self, step: int, made: Step, numbers: StepNumbers) -> None:
        """Take note of a step: of an update, or that there was none."""
        if numbers.fault is None:
            self._n_in_a_row = 0
            self._callbacks.on_train_batch_end(step, numbers.terms)
            logs = {**numbers.terms, "skipped": 0.0}
        else:
            self._leave_out(step, numbers.fault, made)
            logs = {"skipped": 1.0}
        totals = dict(self._state.totals or {})
        for name, value in logs.items():
            totals[name] = totals.get(name, 0.0) + value
        self._state = TrainingState(
            step + 1,
            self._state.best_loss,
            totals,
            numbers.level,
            numbers.gradient_mean,
        )

    def _bring_back_model(self) -> None:
        """Write the state as the best model, if that was removed."""
        if self._run.model_path.exists():
            return
        logger.warning(
            "%s: was removed; that after step %d takes its place",
            self._run.model_path,
            self._state.n_steps,
        )
        self._save_model()
        self._state = self._state._replace(best_loss=math.inf)

    def _save(self) -> None:
        """Write a checkpoint, if anything is new."""
        if self._is_chief and self._state != self._saved:
            self._store.save(self._state)
        self._saved = self._state

    def _leave_out(self, step: int, fault: str, made: Step) -> None:
        """Tell of a step whose numbers are not finite; end training after too many."""
        self._n_in_a_row += 1
        culprits = ", ".join(self._find_culprits(step, made))
        if self._n_in_a_row == MAX_IN_A_ROW:
            raise TrainingError(
                f"{self._run.folder}: {fault} at step {step}, as in the "
                f"{MAX_IN_A_ROW - 1} before it; the last checkpoint is kept; try a "
                f"smaller training.learning_rate, or look at {culprits}"
            )
        if self._is_chief:
            logger.warning("step %d left out: %s; look at %s", step, fault, culprits)

    def _find_culprits(self, step: int, made: Step) -> Iterator[str]:
        """Name the spectra that add what is not finite, or most."""
        objective = made.objective.numpy()
        places = self._stream.locate_batch(step)
        finite = np.where(np.isfinite(objective), objective, np.inf)
        worst = np.argsort(-finite, kind="stable")
        n_named = int(np.clip(np.isinf(finite).sum(), 1, _N_CULPRITS))
        for i in worst[:n_named]:
            yield f"{places[i].dp_id} in {places[i].path.name}"

    def _end_epoch(self, stop: StopSignals) -> None:
        """Validate after an epoch's last step and keep the model if it is the best."""
        training, n_done = self._training, self._state.n_steps
        totals = dict(self._state.totals or {})
        if not totals or not self._ends_epoch(n_done):
            return
        epoch = (n_done - 1) // training.steps_per_epoch
        n_skipped = totals.pop("skipped")
        n_steps = n_done - epoch * training.steps_per_epoch - n_skipped
        scores = self._trainer.evaluate(self._validation, partial(self._check, stop))
        logs = {
            "step": float(n_done),
            "beta": self._beta_at(n_done - 1),
            "coarse_scale": float(coarse_scale_at(n_done - 1, self._objective)),
            "skipped": n_skipped,
            **{name: total / n_steps for name, total in totals.items()},
            **{f"val_{name}": value for name, value in scores.items()},
        }
        self._callbacks.on_epoch_end(epoch, logs)
        best_loss = self._state.best_loss
        if scores["loss"] < best_loss:
            best_loss = scores["loss"]
            if self._is_chief:
                self._save_model()
        self._state = self._state._replace(best_loss=best_loss, totals={})

    def _beta_at(self, step: int) -> float:
        """Weight of the divergence in a step, as far as it has followed since."""
        steering, controls = self._trainer.steering, self._trainer.controls
        return float(steering.weight_at(tf.constant(step, EXACT), controls.level).beta)

    def _save_model(self) -> None:
        model, config = self._trainer.model, self._trainer.config
        few = next(iter(self._validation))["flux"]
        modes = list_smooth_modes(config.grid)
        with physical_axes(model, few, modes, config.blocks):
            save_autoencoder(model, self._run)
