"""Observers of the training loop: checkpoints, history, TensorBoard, progress."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from stellar_tf.config import Config
from stellar_tf.run import Run

N_CHECKPOINTS = 2
"""States kept: the newest, and one more should that be damaged."""


class Checkpoint(keras.callbacks.Callback):
    """
    Keep the state training can continue from, and the best model.

    Parameters
    ----------
    run : Run
        The run folder's paths.
    autoencoder : keras.Model
        The model under training.
    optimizer : keras.optimizers.Optimizer
        Its optimiser.

    Notes
    -----
    "Best" is the smallest validation loss at the final KL weight.
    """

    def __init__(
        self,
        run: Run,
        autoencoder: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        super().__init__()
        self._model_path = run.model_path
        self._autoencoder = autoencoder
        self._step = tf.Variable(0, dtype=tf.int64, name="step")
        self._best = tf.Variable(math.inf, dtype=tf.float64, name="best")
        state = tf.train.Checkpoint(
            model=autoencoder, optimizer=optimizer, step=self._step, best=self._best
        )
        self._states = tf.train.CheckpointManager(
            state, str(run.checkpoints), max_to_keep=N_CHECKPOINTS
        )

    def restore(self) -> int:
        """
        Continue from the newest state if there is one.

        Returns
        -------
        n_done : int
            Steps it had made; 0 for a new run.
        """
        self._states.restore_or_initialize()
        return int(self._step)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """
        Save the state, and the model if it is the best so far.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        logs : dict
            ``step`` and ``val_loss`` are used.
        """
        logs = logs or {}
        if logs["val_loss"] < float(self._best):
            self._best.assign(logs["val_loss"])
            _save_model(self._autoencoder, self._model_path)
        self._step.assign(int(logs["step"]))
        self._states.save(checkpoint_number=int(logs["step"]))


class Scalars(keras.callbacks.Callback):
    """
    Write every logged number for TensorBoard, against the step.

    Parameters
    ----------
    folder : Path
        Folder of the event files; training and validation become two curves.

    Notes
    -----
    Keras' own callback asks for a compiled model, which this loop has no use for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._writers = {
            name: tf.summary.create_file_writer(str(folder / name))
            for name in ("training", "validation")
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """
        Write the numbers of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        logs : dict
            Names that begin with ``val_`` belong to the validation split.
        """
        numbers = dict(logs or {})
        step = int(numbers.pop("step"))
        for name, value in numbers.items():
            is_validation = name.startswith("val_")
            writer = self._writers["validation" if is_validation else "training"]
            with writer.as_default(step=step):
                tf.summary.scalar(name.removeprefix("val_"), value)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """
        Close the event files.

        Parameters
        ----------
        logs : dict
            Not used.
        """
        for writer in self._writers.values():
            writer.close()


class ProgressBar(keras.callbacks.Callback):
    """
    Show steps, rate and the terms of the loss on stderr.

    Parameters
    ----------
    n_steps : int
        Steps of the whole training.
    """

    def __init__(self, n_steps: int) -> None:
        super().__init__()
        self._n_steps = n_steps
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("fit"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[terms]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("fit", total=n_steps, terms="")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """
        Draw the bar where a person looks on; a log file gets its last state.

        Parameters
        ----------
        logs : dict
            Not used.
        """
        self._progress.start()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """
        Advance by a step.

        Parameters
        ----------
        batch : int
            Number of the step.
        logs : dict
            ``flux_mae`` and ``kl`` are shown.
        """
        terms = "error {flux_mae:.4f}  KL {kl:.2f} nat".format(**(logs or {}))
        self._progress.update(self._task, completed=batch + 1, terms=terms)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """
        Leave the terminal as it was.

        Parameters
        ----------
        logs : dict
            Not used.
        """
        self._progress.stop()


class Callbacks(NamedTuple):
    """The observers of a run."""

    checkpoint: Checkpoint
    """The one that knows where to continue."""
    all: list[keras.callbacks.Callback]
    """Every one, in the order in which they are called."""


def build_callbacks(
    run: Run,
    autoencoder: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    config: Config,
) -> Callbacks:
    """
    Build the observers of a run.

    Parameters
    ----------
    run : Run
        The run folder's paths.
    autoencoder : keras.Model
        The model under training.
    optimizer : keras.optimizers.Optimizer
        Its optimiser.
    config : Config
        The settings.

    Returns
    -------
    callbacks : Callbacks
        In an order in which the checkpoint comes after the row of the history that
        it stands for.
    """
    checkpoint = Checkpoint(run, autoencoder, optimizer)
    observers: list[keras.callbacks.Callback] = [
        ProgressBar(config.training.n_steps),
        keras.callbacks.CSVLogger(str(run.history_path), append=True),
        Scalars(run.tensorboard),
        checkpoint,
    ]
    return Callbacks(checkpoint, observers)


def trim_history(path: Path, n_done: int) -> None:
    """
    Drop the rows that come after the state a run continues from.

    Parameters
    ----------
    path : Path
        History of the run, CSV; it need not exist.
    n_done : int
        Steps that the state had made.
    """
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream)) or [[]]
    # A kill can leave the last row unfinished, and the first.
    whole = [row for row in rows if "step" in header and len(row) == len(header)]
    kept = [row for row in whole if float(row[header.index("step")]) <= n_done]
    if not kept:
        path.unlink()
        return
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *kept])
    temporary.replace(path)


def _save_model(autoencoder: Any, path: Path) -> None:
    temporary = path.with_name(f"part-{path.name}")
    autoencoder.save(temporary)
    temporary.replace(path)
