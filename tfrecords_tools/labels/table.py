"""A table of labels as it is understood, row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.files import read_file
from tfrecords_tools.labels.sentinels import describe_sentinels
from tfrecords_tools.labels.units import standardise
from tfrecords_tools.labels.values import Cells, list_names, read_values
from tfrecords_tools.records.schema import LabelColumn

_ROW_NUMBERS = ("", "col0", "unnamed: 0")
"""Names of a first column without name, as pandas writes its index."""


class LabelTable(NamedTuple):
    """A table of labels as it is understood, row by row."""

    cells: tuple[Cells, ...]
    """Its columns as the file has them."""
    columns: tuple[LabelColumn, ...]
    values: dict[str, NDArray[np.generic]]
    """Float64 or str by column name, shape (n_rows,); NaN or "" is unknown."""
    with_commas: frozenset[str]
    """Columns in which commas were read as those of decimals."""
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
        used = {n: self.values[n] for n in self.values if n in names}
        known = {n: np.any(v == v) for n, v in used.items() if v.dtype.kind == "f"}
        groups = {
            "columns of text": [n for n in used if n not in known],
            "columns without a value": [
                n for n, any_known in known.items() if not any_known
            ],
            "decimal commas read in": [n for n in used if n in self.with_commas],
        }
        for what, members in groups.items():
            if members:
                yield f"{what}: {list_names(members)}"
        sentinels = describe_sentinels(used)
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
    values: dict[str, NDArray[np.generic]] = {}
    with_commas = set()
    for column in cells:
        read = read_values(column, config.missing_values)
        values[column.name], unit = standardise(read.values, column.unit)
        is_float = read.values.dtype.kind == "f"
        columns.append(
            LabelColumn(column.name, "float" if is_float else "string", unit)
        )
        if read.used_decimal_commas:
            with_commas.add(column.name)
    return LabelTable(
        tuple(cells), tuple(columns), values, frozenset(with_commas), file.notes
    )
