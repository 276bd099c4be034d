"""Reading tables of labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from xml.parsers.expat import ExpatError

import astropy.units as u
import numpy as np
from astropy.io.registry import IORegistryError
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from tfrecords_tools.conversion.labels import Labels
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.schema import LabelColumn
from tfrecords_tools.star import star_name

_STAR_KEYS = ("target", "star", "object", "name", "star_name", "main_id", "primary")
_ROW_NUMBERS = ("", "col0", "unnamed: 0")
"""Names of a first column without name, as pandas writes its index."""
_WHITESPACE_TABLES = (".dat", ".txt", ".tab", ".tsv", ".ascii")

_STANDARD_UNITS = (u.K, u.km / u.s)
"""Labels of other units of temperature and velocity are converted to these."""

_READ_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, OSError, ImportError),
    *(IORegistryError, ExpatError),
)


class LabelError(UserError):
    """A label table cannot be used; the message names the file."""


def read_labels(path: Path, aliases: Mapping[str, str] | None = None) -> Labels:
    """
    Read a table of labels.

    Parameters
    ----------
    path : Path
        CSV, ECSV, FITS, VOTable, Parquet, or text with columns separated by
        whitespace. It needs a column ``dp_id``, else one with the names of stars:
        ``target``, ``star``, ``object``, ``name``, ``main_id`` or ``primary`` in any
        case. A table without header has them in its first column.
    aliases : mapping of str to str, optional
        Other names of stars, as for `star_name`.

    Returns
    -------
    labels : Labels
        All other columns; numbers as floats, temperatures in K and velocities in
        km/s whatever their unit was, all else as strings.

    Raises
    ------
    LabelError
        If the file cannot be read as a table, has no key column, or no column else.
    """
    table = _read_table(path)
    key_column, key = _find_key(path, table)
    names = [n for n in table.colnames if n != key_column]
    if table.colnames[0].lower() in _ROW_NUMBERS:
        names = [n for n in names if n != table.colnames[0]]
    values: dict[str, NDArray[np.generic]] = {}
    columns: list[LabelColumn] = []
    for name in names:
        if table[name].ndim == 1:
            values[name], unit = _standardise(_to_values(table[name]), table[name])
            is_float = values[name].dtype.kind == "f"
            columns.append(LabelColumn(name, "float" if is_float else "string", unit))
    if not values:
        raise LabelError(f"{path}: has no column of labels beside {key_column!r}")
    keys = [str(name).strip() for name in _to_strings(table[key_column])]
    if key == "star":
        keys = [star_name(name, aliases) for name in keys]
    rows, ambiguous = _index(keys, list(values.values()))
    return Labels(path, key, tuple(columns), values, rows, ambiguous)


def _read_table(path: Path) -> Table:
    ending = path.suffix.lower()
    formats = {".csv": "ascii.csv", **dict.fromkeys(_WHITESPACE_TABLES, "ascii")}
    try:
        with warnings.catch_warnings():
            # Units and dates astropy does not know are still text.
            warnings.simplefilter("ignore", AstropyWarning)
            table = Table.read(path, format=formats.get(ending))
    except FileNotFoundError:
        raise LabelError(f"{path}: does not exist") from None
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise LabelError(f"{path}: cannot be read as a table ({reason})") from None
    if len(table) == 0 or not table.colnames:
        raise LabelError(f"{path}: the table is empty")
    return table


def _find_key(path: Path, table: Table) -> tuple[str, Literal["dp_id", "star"]]:
    by_lower = {name.lower(): name for name in reversed(table.colnames)}
    if "dp_id" in by_lower:
        return by_lower["dp_id"], "dp_id"
    for key in _STAR_KEYS:
        if key in by_lower and table[by_lower[key]].dtype.kind in "USO":
            return by_lower[key], "star"
    generated = [f"col{i + 1}" for i in range(len(table.colnames))]
    if table.colnames == generated and table["col1"].dtype.kind in "USO":
        return "col1", "star"  # a table without header
    raise LabelError(
        f"{path}: no key column; it needs dp_id or one of {', '.join(_STAR_KEYS)}, "
        f"but its columns are {', '.join(table.colnames)}"
    )


def _to_values(column: NDArray[np.generic]) -> NDArray[np.generic]:
    """Convert a column, masked or not, to float64 with NaN or to str with ""."""
    if column.dtype.kind not in "biuf":
        return _to_strings(column)
    values = np.ma.getdata(column).astype(np.float64)
    values[np.ma.getmaskarray(column)] = np.nan
    return values


def _to_strings(column: NDArray[np.generic]) -> NDArray[np.str_]:
    hidden = np.ma.getmaskarray(column)
    texts = [
        "" if skip or value is None else _to_text(value)
        for value, skip in zip(np.ma.getdata(column), hidden, strict=True)
    ]
    return np.array(texts, dtype=np.str_)


def _to_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _standardise(
    values: NDArray[np.generic], column: object
) -> tuple[NDArray[np.generic], str]:
    """Convert numbers to the standard unit of their kind; return it as FITS has it."""
    unit = getattr(column, "unit", None)
    if unit is None:
        return values, ""
    if values.dtype.kind == "f" and not isinstance(unit, u.UnrecognizedUnit):
        for standard in _STANDARD_UNITS:
            if unit.is_equivalent(standard, u.temperature()):
                quantity = u.Quantity(np.asarray(values), unit)
                converted = quantity.to_value(standard, u.temperature())
                return converted, str(standard.to_string("fits"))
    return values, str(unit)


def _index(
    keys: list[str], values: list[NDArray[np.generic]]
) -> tuple[dict[str, int], frozenset[str]]:
    """Return the row of each key, and the keys whose rows differ."""
    rows: dict[str, int] = {}
    ambiguous: set[str] = set()
    for row, key in enumerate(keys):
        if not key:
            continue
        first = rows.setdefault(key, row)
        if first != row and not all(_same(v[first], v[row]) for v in values):
            ambiguous.add(key)
    return {k: r for k, r in rows.items() if k not in ambiguous}, frozenset(ambiguous)


def _same(a: np.generic, b: np.generic) -> bool:
    return bool(a == b) or (a != a and b != b)
