"""States that training continues from: written whole, checked, and few."""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from stellar_tf.run import RunError
from tfrecords_tools.durable import PARTIAL_SUFFIX, replacing
from tfrecords_tools.records.manifest import hash_file

logger = logging.getLogger(__name__)

N_KEPT = 2
"""The newest, and one more should that be damaged."""
_STATE_NAME = "state.json"
_PREFIX = "variables"


class TrainingState(NamedTuple):
    """What training needs beside the variables to go on as if never interrupted."""

    n_steps: int = 0
    """Updates made."""
    best_loss: float = float("inf")
    """Smallest validation loss so far."""
    totals: dict[str, float] | None = None
    """Sums of the terms over the steps of the epoch under way."""
    kl_level: float | None = None
    """Level of the steered weight of the divergence."""
    gradient_mean: float = 0.0
    """Running mean of the gradients' lengths."""


class CheckpointStore:
    """
    Checkpoints of one run.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoints, one folder each.
    model : keras.Model
        The model under training.
    optimizer : keras.optimizers.Optimizer
        Its optimiser, built.

    Notes
    -----
    A checkpoint is written under another name, flushed and renamed; state.json holds
    the SHA-256 of its files. Weights, the bottleneck's counter of steps and the
    optimiser's moments are among the variables.
    """

    def __init__(
        self, folder: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        self._folder = folder
        self._variables = tf.train.Checkpoint(model=model, optimizer=optimizer)

    def save(self, state: TrainingState) -> Path:
        """
        Write a checkpoint and remove those that are too old.

        Parameters
        ----------
        state : TrainingState
            Its `n_steps` names the checkpoint.

        Returns
        -------
        folder : Path
            The checkpoint.
        """
        folder = self._folder / f"step-{state.n_steps:09d}"
        with replacing(folder) as partial:
            partial.mkdir(parents=True)
            self._variables.write(str(partial / _PREFIX))
            files = {path.name: hash_file(path) for path in sorted(partial.iterdir())}
            tree = {**state._asdict(), "files": files}
            (partial / _STATE_NAME).write_text(json.dumps(tree), encoding="ascii")
            shutil.rmtree(folder, ignore_errors=True)  # one that was damaged
        for old in self._list()[:-N_KEPT]:
            shutil.rmtree(old)
        return folder

    def restore(self) -> TrainingState:
        """
        Go back to the newest checkpoint that is whole.

        Returns
        -------
        state : TrainingState
            The default if there is no checkpoint.

        Raises
        ------
        RunError
            If there are checkpoints, all of them damaged.
        """
        folders = self._list()
        for folder in reversed(folders):
            state = _read_state(folder)
            if state is not None:
                self._variables.read(
                    str(folder / _PREFIX)
                ).assert_existing_objects_matched()
                return state
            logger.warning("%s: is damaged, going back to the one before", folder)
        if folders:
            raise RunError(
                f"{self._folder}: all checkpoints are damaged; pass overwrite=True to "
                f"begin again"
            )
        return TrainingState()

    def _list(self) -> list[Path]:
        """Return the checkpoints, the oldest first."""
        return sorted(
            path
            for path in self._folder.glob("step-*")
            if not path.name.endswith(PARTIAL_SUFFIX)
        )


class CheckpointClock:
    """
    Say when a checkpoint is due.

    Parameters
    ----------
    n_steps : int or None
        Steps between checkpoints.
    minutes : float or None
        Time between checkpoints [min].
    """

    def __init__(self, n_steps: int | None, minutes: float | None) -> None:
        self._n_steps, self._minutes = n_steps, minutes
        self._last = time.monotonic()

    def is_due(self, step: int) -> bool:
        """
        Tell whether to save now; the time counts from the last yes.

        Parameters
        ----------
        step : int
            Updates made.

        Returns
        -------
        answer : bool
            Whether enough steps or time have passed.
        """
        now = time.monotonic()
        due = self._n_steps is not None and step % self._n_steps == 0
        if self._minutes is not None:
            due = due or now - self._last >= 60.0 * self._minutes
        if due:
            self._last = now
        return due


def _read_state(folder: Path) -> TrainingState | None:
    """Read the state, if the files of the checkpoint are what they were."""
    try:
        tree = json.loads((folder / _STATE_NAME).read_text(encoding="ascii"))
        files = tree.pop("files")
        whole = all(hash_file(folder / name) == files[name] for name in files)
        return TrainingState(**tree) if whole and files else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None
