"""The folder of a training run: what is in it and how it is read."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stellar_tf.config import Config, load_config, write_config
from tfrecords_tools.durable import PARTIAL_SUFFIX, write_whole
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import locked
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.split import Split


class RunError(UserError):
    """A run folder lacks something, or belongs to another data set."""


class EmptySplitError(UserError):
    """A split that is needed has no spectra."""


class GridError(UserError):
    """Records stand on another grid than the model's; the message names both."""


@dataclass(frozen=True)
class Run:
    """Paths inside a run folder; every command after `fit` finds its inputs here."""

    folder: Path
    """The run folder itself; may be given as str."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def config_path(self) -> Path:
        """Resolved settings, YAML."""
        return self.folder / "config.yaml"

    @property
    def records_path(self) -> Path:
        """Which records the run was fitted to, JSON."""
        return self.folder / "records.json"

    @property
    def model_path(self) -> Path:
        """Best model so far, Keras format."""
        return self.folder / "model.keras"

    @property
    def history_path(self) -> Path:
        """One row an epoch, CSV."""
        return self.folder / "history.csv"

    @property
    def lock_path(self) -> Path:
        """Held by the fit that is under way."""
        return self.folder / ".lock"

    @property
    def checkpoints(self) -> Path:
        """Folder of the states training can continue from."""
        return self.folder / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.folder / "tensorboard"

    @property
    def intact_records(self) -> Path:
        """Records without the corrupt ones, where there were any to skip."""
        return self.folder / "intact_records"

    @property
    def latents_path(self) -> Path:
        """Where `analyze` looks for latents unless told otherwise."""
        return self.folder / "latents.parquet"

    @property
    def analysis(self) -> Path:
        """Folder of the report and its tables."""
        return self.folder / "analysis"

    @property
    def report_path(self) -> Path:
        """The report of `analyze`, HTML."""
        return self.analysis / "report.html"

    @property
    def refined(self) -> Path:
        """Folder of the run that goes on from this one, to measure."""
        return self.folder / "refined"

    @property
    def is_begun(self) -> bool:
        """Whether there is a state to go on from, or a model."""
        states = self.checkpoints.glob("step-*")
        is_saved = any(not path.name.endswith(PARTIAL_SUFFIX) for path in states)
        return is_saved or self.model_path.exists()

    def find_model(self) -> Path:
        """
        Find the best model.

        Returns
        -------
        path : Path
            The file.

        Raises
        ------
        RunError
            If no model has been saved yet, or the file is not what was written.
        """
        if self.model_path.is_dir():
            raise self.refuse_model("it is a folder")
        if not self.model_path.is_file():
            raise RunError(f"{self.folder}: has no model yet; run stellar-tf fit")
        try:
            with zipfile.ZipFile(self.model_path) as file:
                damaged = file.testzip()
        # Of a flipped bit zipfile may say that it asks for a password, for one.
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
            raise self.refuse_model(e) from None
        if damaged is not None:
            raise self.refuse_model(f"wrong checksum of {damaged}")
        return self.model_path

    def refuse_model(self, reason: object) -> RunError:
        """
        Say that the model is damaged, and what to do.

        Parameters
        ----------
        reason : object
            In what way, as text.

        Returns
        -------
        error : RunError
            To be raised.
        """
        shown = " ".join(str(reason).split())[:100]
        return RunError(
            f"{self.model_path}: is damaged ({shown}); remove it and run stellar-tf "
            f"fit again, which goes on from its checkpoint"
        )

    def read_config(self) -> Config:
        """
        Read the settings the run was fitted with.

        Returns
        -------
        config : Config
            The resolved settings.

        Raises
        ------
        RunError
            If the folder is not a run, or the file has lost its end.
        """
        if not self.config_path.is_file():
            raise RunError(f"{self.folder}: is not a run folder (no config.yaml)")
        config = load_config(self.config_path)
        # Every key was written: one that a cut took must not get its default.
        if "seed" not in config.analysis.model_fields_set:
            raise RunError(
                f"{self.config_path}: is damaged, its end is missing; fit the run "
                f"again, or copy the file from another run of the same settings"
            )
        return config

    def read_records(self) -> dict[str, Any]:
        """
        Read which records the run was fitted to.

        Returns
        -------
        records : dict
            ``folder``, ``manifest_sha256`` and ``n_spectra`` by split.

        Raises
        ------
        RunError
            If the folder is not a run, or the file is damaged.
        """
        if not self.records_path.is_file():
            raise RunError(f"{self.folder}: is not a run folder (no records.json)")
        try:
            records = json.loads(self.records_path.read_text(encoding="utf-8"))
            known = {key: str(records[key]) for key in ("folder", "manifest_sha256")}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RunError(
                f"{self.records_path}: is damaged; fit the run again, or copy the file "
                f"from another run of the same records"
            ) from None
        return {**records, **known}


def open_records(run: Run, records: Path) -> Manifest:
    """
    Open records that the model of a run can encode.

    Parameters
    ----------
    run : Run
        The run.
    records : Path
        Folder that `stellar-tf convert` wrote.

    Returns
    -------
    manifest : Manifest
        On the run's grid.

    Raises
    ------
    GridError
        If the records stand on another grid than the run's.
    ManifestError
        If the folder is no data set.
    """
    manifest = read_manifest(records)
    if manifest.grid != run.read_config().grid:
        raise GridError(f"{records}: has another grid than {run.folder}")
    return manifest


def check_split(manifest: Manifest, split: Split) -> None:
    """
    See that a split is not empty.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.

    Raises
    ------
    EmptySplitError
        If it has no spectra.
    """
    if manifest.n_spectra(split) == 0:
        raise EmptySplitError(
            f"{manifest.folder}: the {split} split has no spectra; convert more "
            f"stars or change convert.split"
        )


def is_run(folder: Path) -> bool:
    """Tell a folder that `open_run` made from any other, or from nothing yet."""
    run = Run(folder)
    return run.config_path.is_file() and run.records_path.is_file()


def check_run(
    folder: Path, config: Config, records: dict[str, Any], *, overwrite: bool = False
) -> None:
    """
    Say whether a run can be made in a folder, or gone on with.

    Parameters
    ----------
    folder : Path
        The run folder; nothing is written.
    config : Config
        Settings of this run.
    records : dict
        As of `open_run`.
    overwrite : bool, default False
        Whether to replace a run that is there.

    Raises
    ------
    RunError
        If the folder holds something else or a run with other settings or records.
        One that has learnt nothing yet does not count.
    """
    run = Run(folder)
    if not is_run(folder):
        if folder.exists() and (not folder.is_dir() or _holds_other(run)):
            raise RunError(f"{folder}: exists and is not a run folder")
        return
    difference = None if overwrite else _find_difference(run, config, records)
    if difference is not None and run.is_begun:
        raise RunError(
            f"{folder}: was {difference}; choose another folder or pass overwrite=True"
        )


def open_run(
    folder: Path, config: Config, records: dict[str, Any], *, overwrite: bool = False
) -> Run:
    """
    Create a run folder, or open one of the same settings and records again.

    Parameters
    ----------
    folder : Path
        The run folder.
    config : Config
        Settings of this run.
    records : dict
        ``folder``, ``manifest_sha256`` and ``n_spectra`` of the data set, and perhaps
        ``init_from_sha256`` of the model it begins with.
    overwrite : bool, default False
        Whether to replace a run that is there.

    Returns
    -------
    run : Run
        The folder's paths.

    Raises
    ------
    RunError
        As of `check_run`.
    """
    check_run(folder, config, records, overwrite=overwrite)
    run = Run(folder)
    if is_run(folder):
        if not overwrite and _find_difference(run, config, records) is None:
            return run
        _empty(run)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(run.records_path, json.dumps(records, indent=2) + "\n")
    write_config(config, run.config_path)
    return run


@contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """
    Keep others from fitting in a run folder, which is made.

    Parameters
    ----------
    run : Run
        The run.

    Yields
    ------
    None
        The folder is one's own until the block ends.

    Raises
    ------
    RunError
        If another process fits in it.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    busy = RunError(
        f"{run.folder}: another fit is under way in it; wait for its end or choose "
        f"another folder"
    )
    with locked(run.lock_path, busy):
        yield


def _find_difference(run: Run, config: Config, records: dict[str, Any]) -> str | None:
    """Say what a run was made with other than this."""
    if run.read_config() != config:
        return "fitted with other settings"
    known = run.read_records()
    if known.get("manifest_sha256") != records.get("manifest_sha256"):
        return "fitted to other records"
    if known.get("init_from_sha256") != records.get("init_from_sha256"):
        return "begun with other weights"
    return None


def _empty(run: Run) -> None:
    """Remove all but the lock; until the end it is a run that can be replaced."""
    last = (run.config_path, run.records_path)
    for path in run.folder.iterdir():
        if path in (*last, run.lock_path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in last:
        path.unlink()


def _holds_other(run: Run) -> bool:
    """Whether there is more than what a kill may have left of a run's beginning."""
    first = (run.records_path.name, run.lock_path.name)
    return any(not path.name.startswith(first) for path in run.folder.iterdir())
