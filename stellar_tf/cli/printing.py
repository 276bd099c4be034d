"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table


def print_table(table: Table) -> None:
    """
    Print every row and column, numbers with three decimals.

    Parameters
    ----------
    table : astropy.table.Table
        What to print.
    """
    shown = table.copy()
    for column in shown.itercols():
        if column.dtype.kind == "f":
            column.format = ".3f"
    shown.pprint(max_lines=-1, max_width=-1)
