"""What the cells of a column say: numbers, categories, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIGNS = re.compile(r"[-–—−.…⋯~\s]*")
"""Marks without a letter or a digit: ``~`` of SIMBAD, ``--`` of astropy, ``...``."""
_NOTHING = frozenset(
    ("null", "nan", "n/a", "#n/a", "n.a.", "<na>", "indef", "nodata", r"\nodata")
)
"""No category has such a name, in lower case."""
_NO_NUMBERS = _NOTHING | frozenset(
    (
        *(
            "none",
            "na",
            "n.a",
            "nd",
            "n.d.",
            "nil",
            "undef",
            "undefined",
            "masked",
            "?",
        ),
        *(
            "??",
            "unknown",
            "unk",
            "missing",
            "blank",
            "empty",
            "void",
            "no data",
            "tbd",
        ),
        *(
            "not available",
            "x",
            "/",
            "*",
            "**",
            "***",
            r"\n",
            "(null)",
            "<null>",
            "nat",
        ),
        *("''", '""', "#value!", "#div/0!", "#ref!", "#num!", "#name?", "nan(ind)"),
        *("1.#qnan", "-1.#ind", "1.#inf", "pending", "not measured"),
    )
)
"""These may name a category (Na), but not where all else are numbers."""
_NUMBER = re.compile(
    r"[+\-−]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([ED][+\-−]?[0-9]+)?|[+-]?inf(inity)?",
    re.IGNORECASE,
)
_TO_PYTHON = str.maketrans({"−": "-", ",": ".", "d": "e", "D": "e"})
_MAX_DIGITS = 15
"""An integer of more digits is an identifier, which a float would change."""


class Cells(NamedTuple):
    """A column as its file has it."""

    name: str
    content: Sequence[str] | NDArray[np.generic]
    """Texts, or an array of numbers that may be masked, shape (n_rows,)."""
    unit: object = None
    """An astropy unit or None."""
    has_decimal_commas: bool = False
    """Whether a comma in a number can only be that of decimals."""


class Values(NamedTuple):
    """A column as it is understood."""

    values: NDArray[np.generic]
    """Float64 with NaN, or str with "", where unknown; shape (n_rows,)."""
    used_decimal_commas: bool = False
    """Whether any was read."""
    strays: tuple[str, ...] = ()
    """The cells that are no numbers, in a column of text where most are."""


def is_unknown(text: str) -> bool:
    """Tell whether a cell of a column of numbers says that nothing is known."""
    return bool(_SIGNS.fullmatch(text)) or text.strip().lower() in _NO_NUMBERS


def is_number(text: str) -> bool:
    """Tell whether a cell is a number."""
    return bool(_NUMBER.fullmatch(text.strip()))


def read_values(cells: Cells, missing: Collection[float | str] = ()) -> Values:
    """
    Understand a column.

    Parameters
    ----------
    cells : Cells
        The column; it is one of numbers if all that is known in it are numbers.
    missing : collection of float or str
        Further values that mean unknown.

    Returns
    -------
    values : Values
        Integers of more than 15 digits are text: they name something.
    """
    words = [str(value) for value in missing]
    sentinels = [_to_float(word) for word in words if is_number(word)]
    if isinstance(cells.content, np.ndarray):
        return Values(_read_array(cells.content, sentinels))
    declared = {*(word.lower() for word in words), *(f"{s:g}" for s in sentinels)}
    texts = [text.strip() for text in cells.content]
    texts = ["" if text.lower() in declared else text for text in texts]
    commas = cells.has_decimal_commas and any("," in text for text in texts)
    # Where commas are those of decimals, a point may be one of thousands.
    numbers = [_parse(text, "." if commas else ",") for text in texts]
    strays = [t for t, number in zip(texts, numbers, strict=True) if number is None]
    if not strays:
        parsed = np.array(numbers, np.float64)
        return Values(_blank(parsed, sentinels), used_decimal_commas=commas)
    n_known = sum(not is_unknown(text) for text in texts)
    is_mostly_numbers = 2 * len(strays) < n_known
    known = np.array(["" if _is_nothing(text) else text for text in texts], np.str_)
    return Values(
        known, strays=tuple(dict.fromkeys(strays)) if is_mostly_numbers else ()
    )


def to_texts(content: Sequence[str] | NDArray[np.generic]) -> list[str]:
    """
    Write a column as text, to be compared with names.

    Parameters
    ----------
    content : sequence of str or ndarray
        As of `Cells`.

    Returns
    -------
    texts : list of str
        Whole numbers without decimals, "" where masked or NaN. Floats of more than 15
        digits keep their exponent: they have lost digits.
    """
    if not isinstance(content, np.ndarray):
        return [text.strip() for text in content]
    hidden = np.ma.getmaskarray(content)
    values = np.ma.getdata(content).tolist()
    return [_to_text(v, skip) for v, skip in zip(values, hidden, strict=True)]


def list_names(names: list[str], n_shown: int = 20) -> str:
    """Write names in a line."""
    more = len(names) - n_shown
    return ", ".join(names[:n_shown]) + (f" and {more:,} more" if more > 0 else "")


def _to_text(value: float, hidden: bool) -> str:
    if hidden or value != value:
        return ""
    is_whole = isinstance(value, float) and abs(value) < 10.0**_MAX_DIGITS
    return f"{value:.0f}" if is_whole and value.is_integer() else str(value)


def _read_array(
    content: NDArray[np.generic], missing: Iterable[float]
) -> NDArray[np.generic]:
    hidden, data = np.ma.getmaskarray(content), np.ma.getdata(content)
    known = data[~hidden]
    if data.dtype.kind in "iu" and known.size:
        limit = 10**_MAX_DIGITS
        if int(known.max()) >= limit or int(known.min()) <= -limit:
            return np.array(to_texts(content), np.str_)
    values = data.astype(np.float64)
    values[hidden] = np.nan
    return _blank(values, missing)


def _blank(
    values: NDArray[np.float64], missing: Iterable[float]
) -> NDArray[np.float64]:
    for value in missing:
        # A table of float32 holds -99.99 to seven digits only.
        values[np.isclose(values, value, rtol=1e-6, atol=0.0)] = np.nan
    values[np.isinf(values)] = np.nan  # no label is, but a division by zero
    return values


def _parse(text: str, strange: str) -> float | None:
    """Return NaN for unknown, None for what is no number, or an identifier."""
    if not _NUMBER.fullmatch(text):
        return math.nan if is_unknown(text) else None
    if strange in text or (len(text) > _MAX_DIGITS and text.isdecimal()):
        return None
    return _to_float(text)


def _to_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float(text.translate(_TO_PYTHON))


def _is_nothing(text: str) -> bool:
    return bool(_SIGNS.fullmatch(text)) or text.lower() in _NOTHING
