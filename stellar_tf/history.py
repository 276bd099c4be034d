"""The history of a fit, read by whoever needs it, whole or not."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from tfrecords_tools.errors import UserError

logger = logging.getLogger(__name__)


class HistoryError(UserError):
    """There is something else in the place of a history."""


class History(NamedTuple):
    """Rows of a history that can be read."""

    names: list[str]
    """Of the columns; none if the header cannot be read."""
    rows: list[list[str]]
    """One an epoch, as they were written; all are numbers."""
    is_damaged: bool
    """Whether more is missing than a kill takes, which is the end of the last row."""


def read_history(path: Path, needed: Collection[str] = ("step",)) -> History:
    """
    Read what can be read of a history, and warn of what cannot.

    Parameters
    ----------
    path : Path
        CSV that `fit` wrote; it need not exist.
    needed : collection of str, default ("step",)
        Columns without which nothing can be made of it.

    Returns
    -------
    history : History
        Empty if there is none.

    Raises
    ------
    HistoryError
        If it is a folder.
    """
    if path.is_dir():
        raise HistoryError(f"{path}: is a folder, not a history; remove it")
    if not path.is_file():
        return History([], [], is_damaged=False)
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        names, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    except csv.Error:
        names, rows = [], [[], []]
    if not set(needed) <= set(names):
        names = []
    whole = [row for row in rows if names and _is_whole(row, len(names))]
    # A kill can leave the last row unfinished, and the first.
    n_damaged = len(rows) - len(whole)
    is_cut = bool(rows) and (not whole or whole[-1] is not rows[-1])
    is_damaged = n_damaged > is_cut or (not names and len(text) > len("epoch,step"))
    if is_damaged:
        logger.warning("%s: is damaged, %d rows can be read", path, len(whole))
    return History(names, whole, is_damaged)


def _is_whole(row: list[str], n_columns: int) -> bool:
    try:
        return len([float(value) for value in row]) == n_columns
    except ValueError:
        return False
