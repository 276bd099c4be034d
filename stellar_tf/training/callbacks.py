"""Keras callbacks of the training loop: history, progress, TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import keras
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from stellar_tf.batches.dataset import build_evaluation_dataset
from stellar_tf.config import Config
from stellar_tf.history import read_history
from stellar_tf.run import Run
from stellar_tf.training.tensorboard import Embedding, Pictures, Scalars, Settings
from tfrecords_tools.durable import write_whole
from tfrecords_tools.progress import ProgressLines, can_draw, open_console
from tfrecords_tools.records.manifest import Manifest


class ProgressBar(keras.callbacks.Callback):
    """
    Show steps and the terms of the loss on stderr; a log file gets a line a minute.

    Parameters
    ----------
    n_steps : int
        Steps of the whole training.
    """

    def __init__(self, n_steps: int) -> None:
        super().__init__()
        console = open_console()
        self._lines = None if can_draw(console) else ProgressLines("fit", n_steps)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("fit"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[terms]}"),
            TimeRemainingColumn(),
            console=console,
            disable=self._lines is not None,
        )
        self._task = self._progress.add_task("fit", total=n_steps, terms="")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._progress.start()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        terms = "error {flux_mae:.4f}  KL {kl:.2f} nat".format(**(logs or {}))
        self._progress.update(self._task, completed=batch + 1, terms=terms)
        if self._lines is not None:
            self._lines.update(batch + 1, terms)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._progress.stop()


def build_callbacks(
    run: Run, config: Config, autoencoder: keras.Model, manifest: Manifest
) -> list[keras.callbacks.Callback]:
    """
    Build the callbacks of a run.

    Parameters
    ----------
    run : Run
        The run folder's paths.
    config : Config
        The settings.
    autoencoder : keras.Model
        The model under training.
    manifest : Manifest
        Its records.

    Returns
    -------
    callbacks : list of keras.callbacks.Callback
        In the order in which they are called.
    """
    validation = build_evaluation_dataset(
        manifest,
        "validation",
        config,
        batch_size=config.training.batch_size,
        with_metadata=True,
        one_per_star=True,
    )
    return [
        keras.callbacks.CSVLogger(str(run.history_path), append=True),
        Settings(run.tensorboard, config),
        Scalars(run.tensorboard),
        Pictures(run.tensorboard, autoencoder, config, validation),
        Embedding(run.tensorboard, autoencoder, validation),
    ]


def trim_history(path: Path, n_done: int, *, is_open: bool = False) -> None:
    """
    Drop the rows that come after the state a run continues from.

    One that is damaged is kept beside, as history.damaged.csv.

    Parameters
    ----------
    path : Path
        History of the run, CSV; it need not exist.
    n_done : int
        Steps that the state had made.
    is_open : bool, default False
        Whether the epoch of the last of them is not validated yet.

    Raises
    ------
    HistoryError
        If it is a folder.
    """
    history = read_history(path)
    if history.is_damaged:
        path.replace(path.with_suffix(".damaged.csv"))
    steps = (
        float(dict(zip(history.names, row, strict=True))["step"])
        for row in history.rows
    )
    kept = [
        row
        for row, step in zip(history.rows, steps, strict=True)
        if step <= n_done - is_open
    ]
    if not kept:
        path.unlink(missing_ok=True)
        return
    content = io.StringIO()
    csv.writer(content).writerows([history.names, *kept])
    write_whole(path, content.getvalue())
