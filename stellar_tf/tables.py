"""Tables in the format of their file's ending."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from astropy.table import Table

from tfrecords_tools.conversion.catalog import read_labels
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.schema import SPECTRUM_NAMES

FORMATS = {".parquet": "parquet", ".fits": "fits", ".ecsv": "ascii.ecsv", ".csv": "csv"}
"""Astropy's name of the format by the file's ending."""


class TableError(UserError):
    """A table cannot be written or read."""


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
        If the ending is unknown or the file exists.
    """
    if path.suffix not in FORMATS:
        raise TableError(f"{path}: the ending must be one of {', '.join(FORMATS)}")
    if path.exists() and not overwrite:
        raise TableError(f"{path}: exists; choose another name or pass overwrite=True")


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
    temporary = path.with_name(f"part-{path.name}")
    table.write(temporary, format=FORMATS[path.suffix], overwrite=True)
    temporary.replace(path)


def read_table(path: Path) -> Table:
    """
    Read a table that `write_table` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    table : Table
        Its columns.

    Raises
    ------
    TableError
        If the file is missing, its ending unknown or its content unreadable.
    """
    if path.suffix not in FORMATS:
        raise TableError(f"{path}: the ending must be one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise TableError(f"{path}: no such table")
    try:
        table = Table.read(path, format=FORMATS[path.suffix])
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise TableError(f"{path}: cannot be read as a table ({reason})") from None
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


def join_labels(latents: Table, path: Path, aliases: Mapping[str, str]) -> None:
    """
    Add the columns of a label table to a table of spectra, in place.

    Parameters
    ----------
    latents : Table
        With the columns ``dp_id`` and ``star``. A label that it has already is
        replaced, other columns of the same name stay as they are.
    path : Path
        Any table with a column ``dp_id`` or a target's name.
    aliases : mapping of str to str
        Other names of stars.
    """
    labels = read_labels(path, aliases).without(SPECTRUM_NAMES)
    rows = [
        labels.lookup(str(dp_id), str(star))
        for dp_id, star in zip(latents["dp_id"], latents["star"], strict=True)
    ]
    for column in labels.columns:
        latents[column.name] = [row[column.name] for row in rows]
        latents[column.name].unit = column.unit or None
