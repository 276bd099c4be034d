"""Tables as the page shows them: rounded to read, exact to sort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Table


class Cell(NamedTuple):
    """One value."""

    text: str
    """What is shown."""
    value: str
    """What is sorted by: all digits."""
    is_number: bool
    """Whether it is set flush right."""


class Sheet(NamedTuple):
    """A table of a page."""

    name: str
    """Its identifier on the page, and its file's name."""
    headers: tuple[tuple[str, str], ...]
    """Title and description of each column."""
    rows: tuple[tuple[Cell, ...], ...]
    """The cells."""


def build_sheet(name: str, table: Table, columns: Mapping[str, str]) -> Sheet:
    """
    Take some columns of a table.

    Parameters
    ----------
    name : str
        Identifier on the page.
    table : astropy.table.Table
        The values.
    columns : mapping of str to str
        Titles of the columns to show, by their names.

    Returns
    -------
    sheet : Sheet
        Every row of the table.
    """
    headers = tuple(
        (title, table[column].info.description or title)
        for column, title in columns.items()
    )
    rows = tuple(tuple(build_cell(row[column]) for column in columns) for row in table)
    return Sheet(name, headers, rows)


def build_cell(value: Any) -> Cell:
    """
    Format one value of a table.

    Parameters
    ----------
    value : bool, int, float or str
        Of numpy or Python.

    Returns
    -------
    cell : Cell
        Rounded to three digits; a dash for NaN, yes or no for truth.
    """
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", str(int(value)), False)
    if isinstance(value, int | np.integer):
        return Cell(str(value), str(value), True)
    if isinstance(value, float | np.floating):
        return Cell(format_number(float(value)), repr(float(value)), True)
    return Cell(str(value), str(value), False)


def format_number(value: float) -> str:
    """
    Round to three digits.

    Parameters
    ----------
    value : float
        A number.

    Returns
    -------
    text : str
        Without an exponent where it is not needed; a dash for NaN.
    """
    if not np.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    if abs(value) >= 100.0:
        return f"{value:.0f}".replace("-", "−")
    return f"{value:.3f}".replace("-", "−")
