"""The tables of an analysis as files: written, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.dimensions import check_verdict
from stellar_tf.analysis.labels.joint_map_file import load_joint_maps
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.leakage import leakage_table
from stellar_tf.analysis.labels.units import UnitMap, list_unit_maps, unit_map_table
from stellar_tf.analysis.traversal import Traversal, list_moving_wavelengths
from stellar_tf.analysis.truth.disentanglement import disentanglement_table
from stellar_tf.tables import TableError, read_table, write_table
from tfrecords_tools.durable import remove_partial_of
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import hash_file

VERDICT_NAME = "verdict.ecsv"
"""The table by which an analysed run is known."""
UNIT_MAPS = "unit_maps"
"""The table of what values of dimensions mean in the units of labels."""
JOINT_MAPS_NAME = "joint_maps.npz"
"""The arrays of what values of all informative dimensions mean together."""
COVERAGE = "coverage"
"""The table of how far estimates of labels can be trusted."""
PROBES = "probes"
"""The table of what frozen latents predict from few labels."""
MODEL_SHA256 = "model_sha256"
"""Of this table's metadata: the model whose latents they are."""


class TablesExistError(FileExistsError, UserError):
    """A table is there already."""


class AnalysisError(TableError):
    """A run has no analysis, or one of another model; the message names it."""


class SavedAnalysis(NamedTuple):
    """What later commands need of an analysis."""

    summary: Table
    """One row: K with its interval, and numbers of stars."""
    verdict: Table
    """One row per latent dimension, the most informative first."""
    stars: Table
    """One spectrum of each star: ``z_mean`` and the labels."""


def list_tables(
    result: AnalysisResult,
    traversal: Traversal | None = None,
    baselines: Table | None = None,
    precision: Table | None = None,
) -> dict[str, Table]:
    """
    Collect every number of the analysis as tables.

    Parameters
    ----------
    result : AnalysisResult
        What `analyze` returned.
    traversal : Traversal, optional
        Adds the wavelengths each dimension moves most.
    baselines : astropy.table.Table, optional
        What linear methods find in the same spectra; left out without rows.
    precision : astropy.table.Table, optional
        Widths against S/N; left out without rows.

    Returns
    -------
    named : dict of str to astropy.table.Table
        By the names of their files.
    """
    named = {
        "summary": _summary_table(result),
        "verdict": result.verdict_table,
        "associations": result.association_table,
        "labels": result.label_table,
        "conditional": result.conditional_table,
        "extremes": result.extremes,
        "unusual": result.unusual,
        "leakage": leakage_table(result.leakage, result.config),
        UNIT_MAPS: unit_map_table(list(result.unit_maps)),
        "stars": result.stars,
    }
    if result.disentanglement is not None:
        named["disentanglement"] = disentanglement_table(result.disentanglement)
    for name, table in (
        ("baselines", baselines),
        ("precision", precision),
        (COVERAGE, result.coverage_table),
    ):
        if table is not None and len(table):
            named[name] = table
    if traversal is not None:
        named["moving_wavelengths"] = list_moving_wavelengths(traversal)
    return named


def write_named(
    named: Mapping[str, Table], folder: Path, *, overwrite: bool = False
) -> list[Path]:
    """
    Write tables as ECSV, where no other process writes them.

    Parameters
    ----------
    named : mapping of str to astropy.table.Table
        Tables by the names of their files.
    folder : Path
        Where to; made if it does not exist.
    overwrite : bool, default False
        Replace tables that exist.

    Returns
    -------
    paths : list of Path
        The files written.

    Raises
    ------
    TablesExistError
        If a table exists and `overwrite` is false; nothing is written then.
    """
    check_new(named, folder, overwrite=overwrite)
    paths = [table_path(folder, name) for name in named]
    for path, table in zip(paths, named.values(), strict=True):
        remove_partial_of(path)
        write_table(table, path, overwrite=overwrite)
    return paths


def check_new(names: Iterable[str], folder: Path, *, overwrite: bool = False) -> None:
    """
    Refuse tables before work is done for them.

    Parameters
    ----------
    names : iterable of str
        Names of their files.
    folder : Path
        Where they are to be written.
    overwrite : bool, default False
        Whether they may exist.

    Raises
    ------
    TablesExistError
        If one exists and may not be replaced.
    """
    for path in (table_path(folder, name) for name in names):
        if path.exists() and not overwrite:
            raise TablesExistError(f"{path}: exists; pass overwrite=True to replace it")


def table_path(folder: Path, name: str) -> Path:
    """Say where the table of a name is in a folder."""
    return folder / f"{name}.ecsv"


def _summary_table(result: AnalysisResult) -> Table:
    """Put the headline numbers into one row; K true of -1 is unknown."""
    informative = result.verdict_table["informative"]
    information = result.verdict_table["information"][informative]
    row = {
        "n_independent": result.independence.n_independent,
        "n_independent_low": result.independence.n_low,
        "n_independent_high": result.independence.n_high,
        "n_informative": result.verdict.n_informative,
        "n_informative_low": result.verdict.n_low,
        "n_informative_high": result.verdict.n_high,
        "n_factors": -1 if result.n_factors is None else result.n_factors,
        "n_latent": result.n_latent,
        "n_stars": result.n_stars,
        "n_spectra": result.n_spectra,
        "n_repeated_stars": result.n_repeated_stars,
        "n_held_out": result.n_held_out,
        "information": float(information.sum()),
        "intrinsic_means": result.intrinsic_means.value,
        "intrinsic_draws": result.intrinsic_draws.value,
        "leakage": result.leakage.total,
        "leakage_low": result.leakage.total_low,
        "leakage_high": result.leakage.total_high,
    }
    table = Table({name: [value] for name, value in row.items()})
    table.meta["config"] = result.config.model_dump(mode="json")
    table.meta["factors"] = list(result.factors)
    table.meta["unusable_labels"] = result.unusable_labels
    return table


def read_analysis(folder: Path, n_latent: int) -> SavedAnalysis:
    """
    Read the tables of `list_tables`, once written.

    Parameters
    ----------
    folder : Path
        RUN/analysis.
    n_latent : int
        Latent dimensions of the run's model.

    Returns
    -------
    analysis : SavedAnalysis
        Its tables.

    Raises
    ------
    AnalysisError
        If there is no analysis, or it has another number of dimensions.
    TableError
        If a table is missing, unreadable, or of another version.
    """
    if not has_analysis(folder):
        raise AnalysisError(f"{folder}: has no {VERDICT_NAME}; run stellar-tf analyze")
    tables = (read_table(table_path(folder, name)) for name in SavedAnalysis._fields)
    analysis = SavedAnalysis(*tables)
    check_verdict(analysis.verdict)
    if len(analysis.verdict) != n_latent:
        raise AnalysisError(
            f"{folder}: is of a model with {len(analysis.verdict)} latent dimensions, "
            f"this one has {n_latent}; run stellar-tf analyze --overwrite"
        )
    return analysis


def read_width_scales(folder: Path, n_latent: int) -> NDArray[np.float64]:
    """
    Read what posterior widths must be multiplied by.

    Parameters
    ----------
    folder : Path
        RUN/analysis.
    n_latent : int
        Latent dimensions of the run's model.

    Returns
    -------
    scale : ndarray of float, shape (n_latent,)
        From visits of the same stars; 1 for dimensions that are not stellar.

    Raises
    ------
    AnalysisError
        If there is no analysis, it has another number of dimensions, or no dimension
        could be checked.
    """
    verdict = read_analysis(folder, n_latent).verdict
    scale = np.ones(n_latent)
    known = np.isfinite(verdict["width_scale"])
    if not known.any():
        raise AnalysisError(
            f"{folder}: no width could be checked, since too few stars were observed "
            "twice or no dimension is stellar; encode without calibrated"
        )
    scale[verdict["dimension"][known]] = verdict["width_scale"][known]
    return scale


def read_unit_maps(folder: Path) -> dict[int, UnitMap]:
    """
    Read what values of dimensions mean in the units of labels.

    Parameters
    ----------
    folder : Path
        RUN/analysis.

    Returns
    -------
    maps : dict of int to UnitMap
        By dimension; empty without an analysis, or if no dimension tracks a label
        closely enough.

    Raises
    ------
    TableError
        If the table is unreadable.
    """
    path = table_path(folder, UNIT_MAPS)
    return list_unit_maps(read_table(path)) if path.is_file() else {}


def read_joint_maps(folder: Path) -> list[JointMap]:
    """
    Read what values of all informative dimensions mean together.

    Parameters
    ----------
    folder : Path
        RUN/analysis, or assets.extra of an exported version.

    Returns
    -------
    maps : list of JointMap
        One per label; empty without the file.

    Raises
    ------
    JointMapError
        If the file is damaged or of another version.
    """
    path = folder / JOINT_MAPS_NAME
    return load_joint_maps(path) if path.is_file() else []


def read_coverage(folder: Path) -> Table:
    """
    Read how far estimates of labels can be trusted.

    Parameters
    ----------
    folder : Path
        RUN/analysis.

    Returns
    -------
    table : astropy.table.Table
        As of `measure_coverage`; without rows if there is none.

    Raises
    ------
    TableError
        If the table is unreadable.
    """
    path = table_path(folder, COVERAGE)
    return read_table(path) if path.is_file() else Table()


def read_probes(folder: Path, model: Path) -> Table:
    """
    Read what frozen latents predict from few labels.

    Parameters
    ----------
    folder : Path
        RUN/analysis.
    model : Path
        The run's model.

    Returns
    -------
    table : astropy.table.Table
        Without rows if nothing has been tried.

    Raises
    ------
    AnalysisError
        If the table is of another model.
    TableError
        If the table is unreadable.
    """
    path = table_path(folder, PROBES)
    if not path.is_file():
        return Table()
    table = read_table(path)
    if table.meta.get(MODEL_SHA256) != hash_file(model):
        raise AnalysisError(
            f"{path}: is of another model; run stellar-tf probe --overwrite"
        )
    return table.filled("")  # what is empty, such as a unit, comes back as masked


def has_analysis(folder: Path) -> bool:
    """Tell whether a folder, RUN/analysis, holds a verdict."""
    return (folder / VERDICT_NAME).is_file()
