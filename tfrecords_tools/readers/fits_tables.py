"""Tables of FITS files as fields: a row of arrays, a pixel a row, a spectrum a row."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fields import VARYING, Field, Group, name_fields
from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.fits_unit import Hdu
from tfrecords_tools.readers.recent import version_of
from tfrecords_tools.spectrum import SpectrumError

_FORMAT = re.compile(r"(\d*)([A-Z])")
_OF_VARYING_LENGTH = "PQ"


class _Column(NamedTuple):
    field: Field
    n_values: int
    """In each row; VARYING if that differs."""


def read_table_group(file: FitsFile, hdu: Hdu) -> Group:
    """
    List the fields of a table.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        One of its tables.

    Returns
    -------
    group : Group
        Its arrays, of one spectrum or with a row for each of several; the columns of
        one number a spectrum are its scalars.
    """
    n_rows = hdu.header.size("NAXIS2", 0)
    columns = _read_columns(file, hdu, n_rows)
    arrays = [column for column in columns if column.n_values != 1]
    named = name_fields(column.field for column in arrays)
    has_arrays = any(one.role == "flux" for one in named)
    used = arrays if has_arrays else [c for c in columns if c.n_values == 1]
    is_phase3 = any(column.field.utype for column in columns)
    scalars = list_scalars(hdu) if has_arrays else {}
    return Group(
        name=hdu.name,
        kind="Phase 3 table" if is_phase3 else "table",
        fields=tuple(column.field for column in used),
        cards=(hdu.header,),
        scalars=lambda rows: read_scalars(file, hdu, scalars, rows),
        names=frozenset(column.field.name for column in columns),
        is_catalogue=n_rows > 1 and has_arrays,
        version=version_of(file.path) if n_rows > 1 else None,
    )


def list_scalars(hdu: Hdu) -> dict[str, int]:
    """
    List the columns of one value a row.

    Parameters
    ----------
    hdu : Hdu
        A table.

    Returns
    -------
    columns : dict of str to int
        Number of the column, from 0, by its name as the file writes it.
    """
    header = hdu.header
    columns = {}
    for i in range(header.size("TFIELDS", 0)):
        form = header.text(f"TFORM{i + 1}")
        if _count_values(form) == 1:
            columns[header.text(f"TTYPE{i + 1}")] = i
    return columns


def read_scalars(
    file: FitsFile, hdu: Hdu, columns: dict[str, int], rows: slice
) -> dict[str, NDArray[np.generic]]:
    """
    Read the values of some columns.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        One of its tables.
    columns : dict of str to int
        From `list_scalars`.
    rows : slice
        All rows, or one.

    Returns
    -------
    values : dict of str to ndarray
        By the names of the columns, each of shape (n_rows,).
    """
    if not columns:
        return {}
    if rows.start is not None:
        table = file.table_row(hdu, rows.start)
        return {name: np.asarray(table.field(i)) for name, i in columns.items()}
    values = file.scalars(hdu, list(columns.values()))
    return dict(zip(columns, values, strict=True))


def _read_columns(file: FitsFile, hdu: Hdu, n_rows: int) -> list[_Column]:
    whole = lru_cache(maxsize=1)(lambda: file.table(hdu))
    one_row = lru_cache(maxsize=1)(lambda row: file.table_row(hdu, row))
    header = hdu.header
    columns = []
    for i in range(header.size("TFIELDS", 0)):
        number = i + 1
        name = header.text(f"TTYPE{number}")
        n_values = _count_values(header.text(f"TFORM{number}"))
        is_rows = n_rows > 1 and n_values != 1
        field = Field(
            name=name.lower(),
            shape=_shape(n_rows, n_values),
            read=_reader(i, name, one_row if is_rows else lambda _: whole()),
            unit=header.text(f"TUNIT{number}"),
            ucd=header.text(f"TUCD{number}").lower(),
            utype=header.text(f"TUTYP{number}").lower(),
            label=name,
        )
        columns.append(_Column(field, n_values))
    return columns


def _count_values(form: str) -> int:
    """Return how many values a cell has; a string is one."""
    match = _FORMAT.match(form)
    if match is None or match[2] == "A":
        return 1
    return VARYING if match[2] in _OF_VARYING_LENGTH else int(match[1] or 1)


def _shape(n_rows: int, n_values: int) -> tuple[int, ...]:
    if n_values == 1:
        return (n_rows,)
    return (n_rows, n_values) if n_rows > 1 else (n_values,)


def _reader(
    index: int, name: str, read_table: Callable[[int], Any]
) -> Callable[[int], NDArray[np.generic]]:
    def read(row: int) -> NDArray[np.generic]:
        table = read_table(row)
        try:
            values = np.asarray(table.field(index))
        except (ValueError, TypeError, IndexError, OverflowError):
            raise SpectrumError(f"column {name.lower()!r} is malformed") from None
        if values.dtype == object and values.shape == (1,):
            values = np.asarray(values[0])  # of varying length
        return values.reshape(-1)

    return read
