"""The folder of a training run: what is in it and how it is read."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stellar_tf.config import Config, load_config, write_config
from tfrecords_tools.durable import write_whole
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest, read_manifest


class RunError(UserError):
    """A run folder lacks something, or belongs to another data set."""


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
            If the folder is not a run.
        """
        if not self.config_path.is_file():
            raise RunError(f"{self.folder}: is not a run folder (no config.yaml)")
        return load_config(self.config_path)

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


def is_run(folder: Path) -> bool:
    """Tell a folder that `open_run` made from any other, or from nothing yet."""
    run = Run(folder)
    return run.config_path.is_file() and run.records_path.is_file()


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
        If the folder holds something else or a run with other settings or records.
    """
    run = Run(folder)
    if is_run(folder) and overwrite:
        shutil.rmtree(folder)
    if is_run(folder):
        if run.read_config() != config:
            raise RunError(
                f"{folder}: was fitted with other settings; choose another folder "
                f"or pass overwrite=True"
            )
        known = run.read_records()
        for key, what in (
            ("manifest_sha256", "fitted to other records"),
            ("init_from_sha256", "begun with other weights"),
        ):
            if known.get(key) != records.get(key):
                raise RunError(
                    f"{folder}: was {what}; choose another folder or pass "
                    f"overwrite=True"
                )
        return run
    if folder.exists() and (not folder.is_dir() or _holds_other(run)):
        raise RunError(f"{folder}: exists and is not a run folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(run.records_path, json.dumps(records, indent=2) + "\n")
    write_config(config, run.config_path)
    return run


def _holds_other(run: Run) -> bool:
    """Whether there is more than what a kill may have left of the first file."""
    first = run.records_path.name
    return any(not path.name.startswith(first) for path in run.folder.iterdir())
