"""The command `stellar-tf simulate`: a folder of files and the truth about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from astropy.table import Table
from pydantic import ValidationError

from stellar_tf.config import UNITS, SimulateConfig
from stellar_tf.simulator.adp import AdpWriter
from stellar_tf.simulator.record import Record, draw_records
from stellar_tf.simulator.spectrum import SpectrumSimulator
from stellar_tf.tables import write_table
from tfrecords_tools.durable import remove_partial, write_whole
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import writing
from tfrecords_tools.progress import show_progress

TRUTH_FILE = "truth.ecsv"
SETTINGS_FILE = "simulation.yaml"
GROWING = ("n_stars", "n_visits")
"""Settings that may grow when a simulation is continued."""


class FolderError(UserError):
    """The output folder holds something else than this simulation."""


class SimulationSummary(NamedTuple):
    """What a simulation left in its folder."""

    n_files: int
    """Files of the simulation."""
    n_written: int
    """Of these, written in this run; the others were there."""
    truth: Path
    """Table of the factors, one row per file."""


def simulate(
    out: Path,
    config: SimulateConfig,
    *,
    seed: int,
    overwrite: bool = False,
    progress: bool = True,
) -> SimulationSummary:
    """
    Simulate a survey as ESO Phase 3 files with a table of the truth.

    Parameters
    ----------
    out : Path
        Folder of the files; made if it does not exist.
    config : SimulateConfig
        Stars, visits, window and distributions.
    seed : int
        The same seed and settings give the same files.
    overwrite : bool, default False
        Replace another simulation in the folder.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    summary : SimulationSummary
        Counts and the table's path.

    Raises
    ------
    ConfigError
        If the window or the factors reach beyond the grid of synthetic spectra.
    FolderError
        If the folder holds anything but this simulation; with `overwrite`, if it
        holds anything but a simulation.
    BusyError
        If another process simulates into the folder.
    """
    simulator = SpectrumSimulator(config)
    # Impossible factors fail here, before anything is written.
    draw_records(config, seed, star_number=0)
    _check_folder(out, config, seed, overwrite)
    with writing(out / SETTINGS_FILE):
        _claim_folder(out, config, seed, overwrite)
        return _write_files(out, simulator, config, seed, progress)


def _write_files(
    out: Path,
    simulator: SpectrumSimulator,
    config: SimulateConfig,
    seed: int,
    progress: bool,
) -> SimulationSummary:
    """Write what is missing, and the truth about all."""
    writer = AdpWriter(config.full_header)
    n_written = 0
    rows: list[dict[str, Any]] = []
    n_files = config.n_stars * config.n_visits
    with show_progress("simulating", n_files, progress) as advance:
        for record in _records(config, seed):
            path = out / f"{record.dp_id}.fits"
            if not path.exists():
                spectrum = simulator.simulate(record.star, record.exposure, record.rng)
                writer.write(path, spectrum, record)
                n_written += 1
            rows.append(_truth(record))
            advance(1)
    return SimulationSummary(n_files, n_written, _write_truth(out, rows))


def read_simulation(folder: Path) -> SimulateConfig | None:
    """
    Read how the files of a folder were simulated.

    Parameters
    ----------
    folder : Path
        Where `TRUTH_FILE` is.

    Returns
    -------
    config : SimulateConfig or None
        None if no settings are beside it, or they are damaged.
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        return SimulateConfig.model_validate(_read_settings(path).get("simulate"))
    except ValidationError:
        return None


def _records(config: SimulateConfig, seed: int) -> Iterator[Record]:
    for star_number in range(config.n_stars):
        yield from draw_records(config, seed, star_number)


def _truth(record: Record) -> dict[str, Any]:
    row = record._asdict()
    del row["rng"]
    star, exposure = row.pop("star"), row.pop("exposure")
    snr = 10.0**exposure.log_snr
    return {**row, **star._asdict(), **exposure._asdict(), "snr": snr}


def _write_truth(out: Path, rows: list[dict[str, Any]]) -> Path:
    table = Table(rows, units={name: UNITS[name] for name in rows[0] if name in UNITS})
    write_table(table, out / TRUTH_FILE, overwrite=True)
    return out / TRUTH_FILE


def _claim_folder(
    out: Path, config: SimulateConfig, seed: int, overwrite: bool
) -> None:
    """Begin the simulation, or go on with it, or raise FolderError."""
    _check_folder(out, config, seed, overwrite)  # again, for it is ours alone now
    if overwrite:
        _remove_simulation(out)
    remove_partial(out)
    settings = _list_settings(config, seed)
    write_whole(out / SETTINGS_FILE, yaml.safe_dump(settings, sort_keys=False))


def _check_folder(
    out: Path, config: SimulateConfig, seed: int, overwrite: bool
) -> None:
    """Raise FolderError if the folder holds anything that may not be replaced."""
    if not out.exists() or (out.is_dir() and not any(_list_others(out))):
        return
    path = out / SETTINGS_FILE
    if not path.is_file():
        raise FolderError(f"{out}: exists and holds no simulation")
    if not overwrite and not _continues(
        _read_settings(path), _list_settings(config, seed)
    ):
        raise FolderError(
            f"{out}: holds a simulation of other settings or another seed"
        )


def _list_others(out: Path) -> Iterator[Path]:
    """List all but what a kill may have left of a simulation's beginning."""
    first = (SETTINGS_FILE + ".", f".{SETTINGS_FILE}.lock")
    return (path for path in out.iterdir() if not path.name.startswith(first))


def _list_settings(config: SimulateConfig, seed: int) -> dict[str, Any]:
    return {"seed": seed, "simulate": config.model_dump(mode="json")}


def _read_settings(path: Path) -> dict[str, Any]:
    """Read the settings of the simulation in a folder; empty if damaged."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _continues(before: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether the settings are those of before, with at least as many files."""
    old, new = before.get("simulate"), dict(settings["simulate"])
    if before.get("seed") != settings["seed"] or not isinstance(old, dict):
        return False
    if any(new[name] < old.get(name, 0) for name in GROWING):
        return False
    return {**old, **{name: new[name] for name in GROWING}} == new


def _remove_simulation(out: Path) -> None:
    for pattern in ("ADP.*.fits", TRUTH_FILE, SETTINGS_FILE):
        for path in out.glob(pattern):
            path.unlink()
