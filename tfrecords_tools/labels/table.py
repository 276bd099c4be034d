"""A table of labels as it is understood, row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.files import read_file
from tfrecords_tools.labels.sentinels import describe_sentinels
from tfrecords_tools.labels.units import standardise
from tfrecords_tools.labels.values import Cells, Values, list_names, read_values
from tfrecords_tools.records.schema import LabelColumn

_ROW_NUMBERS = ("", "col0", "unnamed: 0")
"""Names of a first column without name, as pandas writes its index."""


class LabelTable(NamedTuple):
    """A table of labels as it is understood, row by row."""

    cells: tuple[Cells, ...]
    """Its columns as the file has them."""
    columns: tuple[LabelColumn, ...]
    readings: dict[str, Values]
    """What each column says, in the standard units of `columns`."""
    notes: tuple[str, ...]
    """What was taken for granted in reading the file."""

    def describe(self, names: Collection[str]) -> Iterator[str]:
        """
        Say what the user should know of some columns.

        Parameters
        ----------
        names : collection of str
            The columns that are used.

        Yields
        ------
        line : str
            Which are text or empty, and what looks wrong.
        """
        yield from self.notes
        used = {n: reading for n, reading in self.readings.items() if n in names}
        values = {n: reading.values for n, reading in used.items()}
        is_text = {n: v.dtype.kind == "U" for n, v in values.items()}
        groups = {
            "columns of text": [n for n in used if is_text[n]],
            "columns without a value": [
                n for n, v in values.items() if not is_text[n] and np.all(v != v)
            ],
            "decimal commas read in": [n for n in used if used[n].used_decimal_commas],
        }
        for what, members in groups.items():
            if members:
                yield f"{what}: {list_names(members)}"
        for name, reading in used.items():
            if reading.strays:
                strays = [repr(stray) for stray in reading.strays]
                yield f"{name} would be numbers but for {list_names(strays, 3)}"
        sentinels = describe_sentinels(values)
        if sentinels:
            yield sentinels


def read_label_table(path: Path, config: ConvertConfig) -> LabelTable:
    """
    Read a table of labels.

    Parameters
    ----------
    path : Path
        CSV, TSV or other text, also compressed; ECSV, FITS, VOTable or Parquet.
    config : ConvertConfig
        Its `missing_values`.

    Returns
    -------
    table : LabelTable
        Numbers as floats, temperatures in K and velocities in km/s whatever their
        unit was, all else as strings. Row numbers in a first column without name are
        left out.

    Raises
    ------
    LabelError
        If the file cannot be read as a table.
    """
    file = read_file(path)
    cells = file.columns
    if cells[0].name.lower() in _ROW_NUMBERS:
        cells = cells[1:]
    columns: list[LabelColumn] = []
    readings: dict[str, Values] = {}
    for column in cells:
        reading = read_values(column, config.missing_values)
        values, unit = standardise(reading.values, column.unit)
        is_float = values.dtype.kind == "f"
        columns.append(
            LabelColumn(column.name, "float" if is_float else "string", unit)
        )
        readings[column.name] = reading._replace(values=values)
    return LabelTable(tuple(cells), tuple(columns), readings, file.notes)
