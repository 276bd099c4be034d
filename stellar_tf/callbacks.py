"""Observers of the training loop: history, TensorBoard, progress."""

from __future__ import annotations

import csv
from pathlib import Path

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


def build_observers(run: Run, config: Config) -> list[keras.callbacks.Callback]:
    """
    Build the observers of a run.

    Parameters
    ----------
    run : Run
        The run folder's paths.
    config : Config
        The settings.

    Returns
    -------
    observers : list of keras.callbacks.Callback
        In the order in which they are called.
    """
    return [
        ProgressBar(config.training.n_steps),
        keras.callbacks.CSVLogger(str(run.history_path), append=True),
        Scalars(run.tensorboard),
    ]


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
