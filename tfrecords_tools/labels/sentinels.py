"""Numbers that stand for unknown, such as -9999: found and told, never removed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.labels.values import list_names

_NINES = re.compile(r"99+(\.9+)?|9\.9+(e\+[0-9]+)?")
_SMALL = (-1.0, 0.0)
"""Found only where they occur often and no other number is near or below them."""
_ENDS = (-(2.0**15), -(2.0**31), -(2.0**63), 2.0**15 - 1, 2.0**31 - 1)
"""Of the integer types."""
_MAX_LABEL = 1e20
"""No label is so large, but what FITS and netCDF put where nothing is."""
_MIN_BELOW, _MIN_ABOVE = 0.1, 1.0
"""How far beyond the other values it stands, in units of their range."""
_MIN_REPEATS = 3


def find_sentinels(values: NDArray[np.float64]) -> dict[float, int]:
    """
    Find numbers that probably mean unknown.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        One column; NaN is unknown already.

    Returns
    -------
    sentinels : dict of float to int
        How often each occurs.

    Notes
    -----
    Such a number consists of nines (-99, -9999.0, 99.99), is the end of an integer
    type or is beyond 1e20. It also stands apart from all others, or is more frequent
    than any of them: -99 km/s among other velocities is one.
    """
    numbers, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    looks = np.array([_looks_like_one(number) for number in numbers.tolist()], bool)
    others, most = numbers[~looks], counts[~looks].max(initial=0)
    return {
        number: count
        for number, count in zip(
            numbers[looks].tolist(), counts[looks].tolist(), strict=True
        )
        if (
            _is_far_below(number, others) and count >= _MIN_REPEATS
            if number in _SMALL
            else _is_apart(number, others) or (count >= _MIN_REPEATS and count > most)
        )
    }


def describe_sentinels(columns: Mapping[str, NDArray[np.generic]]) -> str:
    """
    Say which columns hold numbers that probably mean unknown.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64 or str
        Values by column.

    Returns
    -------
    line : str
        The numbers with their columns and counts, and what to do; "" if there are none.
    """
    places: dict[float, list[str]] = {}
    for name, values in columns.items():
        if values.dtype.kind == "f":
            for number, count in find_sentinels(values.astype(np.float64)).items():
                rows = "1 row" if count == 1 else f"{count:,} rows"
                places.setdefault(number, []).append(f"{name} ({rows})")
    if not places:
        return ""
    numbers = sorted(places)
    where = "; ".join(f"{n:.7g} in {list_names(places[n], 5)}" for n in numbers)
    return (
        f"{where}: taken as numbers. If they mean unknown, leave these cells empty or "
        f"set convert.missing_values=[{', '.join(f'{n:.7g}' for n in numbers)}]"
    )


def _looks_like_one(number: float) -> bool:
    if number in _SMALL or number in _ENDS or abs(number) >= _MAX_LABEL:
        return True
    # Six digits: a float32 has seven.
    return bool(_NINES.fullmatch(f"{abs(number):.6g}"))


def _is_far_below(number: float, others: NDArray[np.float64]) -> bool:
    """Tell whether all others are positive, and farther than half their range."""
    if others.size == 0 or others[0] <= 0.0:
        return False
    return bool(others[0] - number >= 0.5 * (others[-1] - others[0]))


def _is_apart(number: float, others: NDArray[np.float64]) -> bool:
    if others.size == 0:
        return True
    low, high = others[0], others[-1]
    if number > high:
        return bool(number - high >= _MIN_ABOVE * (high - low))
    is_below = number < low
    return bool(is_below and (low >= 0.0 or low - number >= _MIN_BELOW * (high - low)))
