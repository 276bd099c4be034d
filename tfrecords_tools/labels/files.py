"""Files of label tables, in any format, as columns of cells."""

from __future__ import annotations

import lzma
import re
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple
from xml.parsers.expat import ExpatError

import numpy as np
from astropy.io.ascii import InconsistentTableError
from astropy.io.registry import IORegistryError
from astropy.table import Column, Table
from astropy.utils.data import get_readable_fileobj
from astropy.utils.exceptions import AstropyWarning

from tfrecords_tools.errors import UserError
from tfrecords_tools.labels.text_tables import TextTable, decode_text, split_table
from tfrecords_tools.labels.units import is_unit, parse_unit
from tfrecords_tools.labels.values import Cells

_TEXT = re.compile(
    r"\.(csv|tsv|tab|dat|txt|ascii|ecsv)(\.(gz|bz2|xz))?$", re.IGNORECASE
)
_BLANKS = ("dat", "txt", "ascii", "tab", "tsv")
"""Endings of tables whose columns blanks may separate."""
_NAME_AND_UNIT = re.compile(r"(?P<name>.*\w)(?: *\[| +\()(?P<unit>[^\])]+)[\])]")
_LOGARITHM = re.compile(r"log(_?10)?|ln", re.IGNORECASE)
_READ_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, OSError, EOFError, ImportError),
    *(ExpatError, lzma.LZMAError, zlib.error),
)


class LabelError(UserError):
    """A label table cannot be used; the message names the file."""


class LabelFile(NamedTuple):
    """What a file holds."""

    columns: list[Cells]
    """Of one value a row each; there is at least one row."""
    notes: tuple[str, ...]
    """What was taken for granted or left out."""


def read_file(path: Path) -> LabelFile:
    """
    Read any table.

    Parameters
    ----------
    path : Path
        CSV, TSV or other text, also compressed; ECSV, FITS, VOTable, Parquet.

    Returns
    -------
    file : LabelFile
        Its columns.

    Raises
    ------
    LabelError
        If the file cannot be read as a table, or has no rows or two columns of a name.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            # Units and dates astropy does not know are still text.
            warnings.simplefilter("always", AstropyWarning)
            file = _read_any(path)
    except FileNotFoundError:
        raise LabelError(f"{path}: does not exist") from None
    except IORegistryError:
        reason = "its format is not known; save it as CSV"
        raise LabelError(f"{path}: cannot be read as a table ({reason})") from None
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise LabelError(f"{path}: cannot be read as a table ({reason})") from None
    if not file.columns or len(file.columns[0].content) == 0:
        raise LabelError(f"{path}: the table is empty")
    names = [column.name for column in file.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LabelError(f"{path}: several columns are named {', '.join(twice)}")
    file = _take_units(file)
    if any("multiple tables are present" in str(w.message) for w in caught):
        file = file._replace(notes=(*file.notes, "the first of its tables is read"))
    return file


def _read_any(path: Path) -> LabelFile:
    text_ending = _TEXT.search(path.name)
    if text_ending is None:
        return _from_astropy(Table.read(path), ())
    with path.open("rb") as raw, get_readable_fileobj(raw, encoding="binary") as stream:
        text, notes = decode_text(stream.read())
    if text.lstrip().startswith("# %ECSV"):
        lines = text.lstrip().split("\n")
        return _from_astropy(Table.read(lines, format="ascii.ecsv"), notes)
    table = split_table(text, may_be_blanks=text_ending[1].lower() in _BLANKS)
    if table is None:
        file = _from_astropy(_read_blanks(text), notes)
        columns = [c._replace(has_decimal_commas=True) for c in file.columns]
        return file._replace(columns=columns)
    return _from_text(table, notes)


def _read_blanks(text: str) -> Table:
    """Read columns between blanks, by whichever of astropy's guesses fits."""
    try:
        return Table.read(text.split("\n"), format="ascii")
    except InconsistentTableError:
        raise ValueError(
            "its rows have different numbers of cells; write -- where nothing is known"
        ) from None


def _take_units(file: LabelFile) -> LabelFile:
    """Take units that stand in the names of columns: ``rv (m/s)``, ``teff [K]``."""
    names = {column.name for column in file.columns}
    columns, told = [], []
    for column in file.columns:
        match = _NAME_AND_UNIT.fullmatch(column.name)
        if match and column.unit is None and is_unit(match["unit"]):
            name = match["name"]
            if name not in names and not _LOGARITHM.fullmatch(name):
                told.append(column.name)
                column = column._replace(name=name, unit=parse_unit(match["unit"]))
                names.add(name)
        columns.append(column)
    note = (f"units read in the names {', '.join(told)}",) if told else ()
    return LabelFile(columns, (*file.notes, *note))


def _from_text(table: TextTable, notes: tuple[str, ...]) -> LabelFile:
    columns = [
        Cells(name, content, parse_unit(unit), table.has_decimal_commas)
        for name, content, unit in zip(
            table.names, table.columns, table.units, strict=True
        )
    ]
    return LabelFile(columns, (*notes, *table.notes))


def _from_astropy(table: Table, notes: tuple[str, ...]) -> LabelFile:
    left_out = [
        name
        for name in table.colnames
        if not isinstance(table[name], Column) or table[name].ndim != 1
    ]
    if left_out:
        notes = (*notes, f"no single values, so left out: {', '.join(left_out)}")
    names = [name for name in table.colnames if name not in left_out]
    columns = [
        Cells(name, _to_content(table[name]), table[name].unit) for name in names
    ]
    return LabelFile(columns, notes)


def _to_content(column: Column) -> list[str] | np.ma.MaskedArray:
    hidden, data = np.ma.getmaskarray(column), np.ma.getdata(column)
    if column.dtype.kind in "biuf":
        return np.ma.MaskedArray(np.asarray(data), hidden)
    return [
        "" if skip or value is None else _to_text(value)
        for value, skip in zip(data, hidden, strict=True)
    ]


def _to_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
