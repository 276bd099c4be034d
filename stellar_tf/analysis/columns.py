"""Columns of a table of latents or labels as checked arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Column, MaskedColumn, Table
from numpy.typing import NDArray

from tfrecords_tools.errors import UserError

Label: TypeAlias = NDArray[Any]
"""float64, NaN where unknown, or str, empty where unknown."""
NUISANCES = ("snr", "airmass", "berv", "mjd", "exptime")
"""Columns that describe the exposure."""
_NOT_LABELS = (
    *("dp_id", "target", "star", "split", "z_mean", "z_log_var", "ra", "dec"),
    # What was done to the file, or was wrong with it: no property of star or exposure.
    *("history", "flags", "valid_fraction", "median_flux", "phase_error"),
)
ESTIMATES = ("_estimate", "_estimate_width", "_estimate_error")
"""Endings of columns of what codes say of a label, which are no labels themselves."""


class LatentsError(UserError):
    """A table of latents cannot be analysed; the message says what it lacks."""


def is_category(label: Label) -> bool:
    """Tell whether a label has categories, names, rather than numbers."""
    return bool(label.dtype.kind == "U")


def is_known(label: Label) -> NDArray[np.bool_]:
    """Tell for which stars a label is known: neither NaN, infinite nor empty."""
    return np.asarray(label != "" if is_category(label) else np.isfinite(label), bool)


def read_labels(
    table: Table, labels: Sequence[str] = (), factors: Sequence[str] = ()
) -> dict[str, Label]:
    """
    Take the labels out of a table.

    Parameters
    ----------
    table : astropy.table.Table
        One row per spectrum.
    labels : sequence of str
        Their columns; empty: every column that may be one.
    factors : sequence of str
        Columns of true factors, which are labels too.

    Returns
    -------
    labels : dict of str to ndarray of float or str, shape (n,)
        Labels in the order asked for, then what describes the exposure.

    Raises
    ------
    LatentsError
        If a column is missing or of the wrong kind.
    """
    asked = [*(labels or _label_columns(table)), *factors]
    for name in asked:
        require_column(table, name)
        if not (_is_numeric(table[name]) or _is_text(table[name])):
            raise LatentsError(f"label {name} must be a column of numbers or strings")
    for name in factors:
        if not _is_numeric(table[name]):
            raise LatentsError(f"factor {name} must be a column of numbers")
    # Nuisances come last, whether asked for or not.
    chosen = [name for name in dict.fromkeys(asked) if name not in NUISANCES]
    chosen += [name for name in NUISANCES if name in table.colnames]
    return {name: _values(table[name]) for name in chosen}


def require_column(table: Table, name: str) -> None:
    """Raise a LatentsError unless the table has the column."""
    if name not in table.colnames:
        raise LatentsError(f"latents must have a column {name}")


def read_floats(
    column: Column, dtype: type[np.floating] = np.float64
) -> NDArray[np.floating]:
    """Return a column of numbers as floats, NaN where it is masked, without a copy."""
    if isinstance(column, MaskedColumn):
        return np.asarray(np.ma.filled(column.astype(dtype), np.nan), dtype)
    return np.asarray(column, dtype)


def read_strings(column: Column) -> NDArray[np.str_]:
    """Return a column of text, empty where it is masked."""
    if isinstance(column, MaskedColumn):
        column = column.filled("")
    return np.asarray(column).astype(np.str_, copy=False)


def _label_columns(table: Table) -> list[str]:
    return [
        name
        for name in table.colnames
        if name not in _NOT_LABELS
        and not name.endswith(ESTIMATES)
        and (_is_numeric(table[name]) or _is_text(table[name]))
    ]


def _is_numeric(column: Column) -> bool:
    return column.ndim == 1 and column.dtype.kind in "fiub"


def _is_text(column: Column) -> bool:
    return column.ndim == 1 and column.dtype.kind in "USO"


def _values(column: Column) -> Label:
    return read_strings(column) if _is_text(column) else read_floats(column)
