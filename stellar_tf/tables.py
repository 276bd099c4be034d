"""Tables in the format of their file's ending."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from astropy.table import Row, Table
from astropy.table.meta import YamlParseError
from pyarrow import ArrowException

from stellar_tf.parts import PartsError, add_checksums, check_pages, read_parts
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.durable import replacing
from tfrecords_tools.errors import UserError
from tfrecords_tools.labels.catalog import read_catalog
from tfrecords_tools.labels.files import LabelError
from tfrecords_tools.labels.lookup import Exposure
from tfrecords_tools.labels.table import read_label_table
from tfrecords_tools.lock import writing
from tfrecords_tools.records.schema import SPECTRUM_NAMES

_EXPOSURE = ("dp_id", "target", "star", "ra", "dec", "source_id")
"""Columns by which labels are found."""
FORMATS = {".parquet": "parquet", ".fits": "fits", ".ecsv": "ascii.ecsv", ".csv": "csv"}
"""Astropy's name of the format by the file's ending."""


class TableError(UserError):
    """A table cannot be written or read."""


class JoinedLabels(NamedTuple):
    """What a table of labels added to a table of spectra."""

    names: tuple[str, ...]
    """Of its columns."""
    lines: tuple[str, ...]
    """How many spectra have labels, and what the user should know of the table."""


def check_table_path(path: Path, *, overwrite: bool) -> None:
    """
    Refuse a path before work is done for it.

    Parameters
    ----------
    path : Path
        File to be written.
    overwrite : bool
        Whether it may exist.

    Raises
    ------
    TableError
        If the ending is unknown, the file exists or a folder has its name.
    """
    if path.suffix not in FORMATS:
        raise TableError(f"{path}: the ending must be one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise TableError(f"{path}: is a folder; choose another name, or remove it")
    if path.exists() and not overwrite:
        raise TableError(f"{path}: exists; choose another name or pass overwrite=True")


@contextmanager
def writing_table(path: Path | None, *, overwrite: bool) -> Iterator[None]:
    """
    Refuse a path before work is done for it, and keep others from it meanwhile.

    Parameters
    ----------
    path : Path or None
        File to be written; None if none is.
    overwrite : bool
        Whether it may exist.

    Yields
    ------
    None
        Until the block ends no other process writes the file in this way.

    Raises
    ------
    TableError
        As of `check_table_path`.
    BusyError
        If another process is writing it.
    """
    if path is None:
        yield
        return
    check_table_path(path, overwrite=overwrite)
    with writing(path):
        check_table_path(path, overwrite=overwrite)  # it may have come meanwhile
        yield


def write_table(table: Table, path: Path, *, overwrite: bool = False) -> None:
    """
    Write a table, whole or not at all.

    Parameters
    ----------
    table : Table
        The table. In CSV a column of vectors becomes one column an element, for CSV
        has no other way.
    path : Path
        File to write; its ending gives the format.
    overwrite : bool, default False
        Whether the file may exist.

    Raises
    ------
    TableError
        If the ending is unknown or the file exists.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from stellar_tf.tables import read_table, write_table
    >>> write_table(Table({"teff": [5344.0]}), Path("teff.parquet"))
    >>> read_table(Path("teff.parquet"))["teff"].tolist()
    [5344.0]
    """
    check_table_path(path, overwrite=overwrite)
    if path.suffix == ".csv":
        table = _split_vectors(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        table.write(partial, format=FORMATS[path.suffix])
        if path.suffix == ".parquet":
            add_checksums(partial)


def read_table(path: Path, leave_out: Collection[str] = ()) -> Table:
    """
    Read a table that `write_table` wrote, or one in parts.

    Parameters
    ----------
    path : Path
        The file, or the folder of the parts.
    leave_out : collection of str
        Columns that are not wanted; those of parts are not read.

    Returns
    -------
    table : Table
        Its columns.

    Raises
    ------
    TableError
        If the file is missing, its ending unknown or its content unreadable.
    """
    if path.is_dir():
        try:
            return read_parts(path, leave_out)
        except PartsError as error:
            raise TableError(str(error)) from None
    if path.suffix not in FORMATS:
        raise TableError(f"{path}: the ending must be one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise TableError(f"{path}: no such table")
    try:
        if path.suffix == ".parquet":
            check_pages(path)
        table = Table.read(path, format=FORMATS[path.suffix])
    except (OSError, ValueError, KeyError, ArrowException, YamlParseError) as error:
        reason = " ".join(str(error).split()) or "its header is damaged"
        raise TableError(f"{path}: cannot be read as a table ({reason})") from None
    table.remove_columns([name for name in leave_out if name in table.colnames])
    # FITS gives byte strings.
    table.convert_bytestring_to_unicode()
    return table


def _split_vectors(table: Table) -> Table:
    split = Table(meta=table.meta)
    for name in table.colnames:
        column = table[name]
        if column.ndim == 1:
            split[name] = column
            continue
        for i in range(column.shape[1]):
            split[f"{name}_{i}"] = column[:, i]
    return split


def read_label_columns(path: Path, config: ConvertConfig) -> tuple[Table, list[str]]:
    """
    Read a table of labels as it stands, row by row.

    Parameters
    ----------
    path : Path
        Any table.
    config : ConvertConfig
        Its `missing_values`.

    Returns
    -------
    table : Table
        Numbers as floats with NaN, all else as text with "", where unknown.
    lines : list of str
        What the user should know of it.

    Raises
    ------
    LabelError
        If the file cannot be read as a table.
    """
    labels = read_label_table(path, config)
    table = Table({name: r.values for name, r in labels.readings.items()})
    for column in labels.columns:
        table[column.name].unit = column.unit or None
    names = set(table.colnames) - SPECTRUM_NAMES
    return table, [f"{path.name}: {line}" for line in labels.describe(names)]


def join_labels(latents: Table, path: Path, config: ConvertConfig) -> JoinedLabels:
    """
    Add the columns of a label table to a table of spectra, in place.

    Parameters
    ----------
    latents : Table
        With the columns ``dp_id`` and ``star``; also ``target``, ``ra`` and ``dec`` if
        rows are to be found by these. A label that it has already is replaced, other
        columns of the same name stay as they are.
    path : Path
        Any table as for `read_catalog`.
    config : ConvertConfig
        How it is read and looked up.

    Returns
    -------
    joined : JoinedLabels
        The names of the columns, and what there is to say of the table.

    Raises
    ------
    LabelError
        If the table cannot be used, or none of its rows is about any of the spectra.
    """
    labels = read_catalog(path, config).find(_list_exposures(latents))
    if labels.mismatch:
        raise LabelError(f"{path}: {labels.mismatch}")
    rows = [labels.lookup(str(dp_id)) for dp_id in latents["dp_id"]]
    for column in labels.columns:
        latents[column.name] = [row[column.name] for row in rows]
        latents[column.name].unit = column.unit or None
    stars = zip(latents["dp_id"], latents["star"], strict=True)
    lines = labels.describe({str(dp_id): str(star) for dp_id, star in stars})
    return JoinedLabels(tuple(column.name for column in labels.columns), lines)


def _list_exposures(latents: Table) -> list[Exposure]:
    rows: Iterable[Row] = latents[[n for n in _EXPOSURE if n in latents.colnames]]
    return [
        Exposure(
            str(row["dp_id"]),
            _name_target(row),
            str(row["star"]),
            float(row.get("ra", math.nan)),
            float(row.get("dec", math.nan)),
        )
        for row in rows
    ]


def _name_target(row: Row) -> str:
    """Return the target, or Gaia's name of it where the records have that label."""
    source_id = str(row.get("source_id", ""))
    return f"Gaia {source_id}" if source_id else str(row.get("target", ""))
