"""Spectra in text files: columns of wavelengths, flux and perhaps errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import PlainCards
from tfrecords_tools.readers.layout import Field, Group, check_size, name_fields
from tfrecords_tools.readers.wavelengths import has_unit
from tfrecords_tools.spectrum import SpectrumError, UnreadableError

_MAX_BYTES = 2**27
_HEAD = 2**16
_LINE_ENDS = (b"\n", b"\r", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e")
"""What ends a line in Python."""
_LONG_LINE = re.compile(rb"[^\n\r]{%d}" % _HEAD)
_COMMENTS = ("#", "%", "!", "//")
_POLARBASE = re.compile(r"\*\*\*(?:.*? spectrum of\s*'?(?P<target>[^'\n\r]*))?", re.I)
_KEY_VALUE = re.compile(r"\W*(?P<key>[A-Za-z][\w -]{1,30}?)\s*[:=]\s*(?P<value>.+)")
_NAME_AND_UNIT = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]")
_BY_PLACE = ("wave", "flux", "error")


class _Lines(NamedTuple):
    """A text file, sorted."""

    names: tuple[str, ...]
    """Of the columns; empty if the file does not name them."""
    rows: list[str]
    """Lines of numbers."""
    remarks: tuple[str, ...]
    delimiter: str | None
    """None: blanks."""
    target: str
    is_polarbase: bool


def read_text(path: Path) -> tuple[Group, PlainCards]:
    """
    Read a text file.

    Parameters
    ----------
    path : Path
        The file: columns between blanks, commas or semicolons, with names or without,
        also as PolarBase has them.

    Returns
    -------
    group : Group
        Its columns.
    cards : PlainCards
        What its comments say as ``keyword = value``.

    Raises
    ------
    SpectrumError
        If it is no table of numbers, or nothing says what its columns are.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise SpectrumError(f"a text of more than {_MAX_BYTES} bytes is no spectrum")
    check_size((max(map(content.count, _LINE_ENDS)),))
    if _LONG_LINE.search(content):
        raise SpectrumError(f"a line of more than {_HEAD} characters is no spectrum")
    return _to_group(_sort(content.decode("utf-8-sig", errors="replace")))


def looks_like_spectrum(path: Path) -> bool:
    """
    Tell whether a text file may be a spectrum, from its first lines.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    answer : bool
        False for prose and for tables of other things.
    """
    if not path.is_file():
        return True  # reading it will tell why not
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return True
    text = head.decode("utf-8-sig", errors="replace")
    if len(head) == _HEAD:
        text = text.rpartition("\n")[0]
    try:
        group, _ = _to_group(_sort(text))
    except SpectrumError:
        return False
    named = {one.role: one.field for one in name_fields(group.fields)}
    if not named.keys() >= {"wave", "flux"}:
        return False
    wave = named["wave"].read(0).astype(np.float64)
    return wave.size > 2 and bool((wave > 0.0).all() and (np.diff(wave) > 0.0).all())


def _sort(text: str) -> _Lines:
    rows: list[str] = []
    remarks: list[str] = []
    names: tuple[str, ...] = ()
    delimiter: str | None = None
    polarbase = _POLARBASE.match(text)
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("***"):
            continue
        if stripped.startswith(_COMMENTS):
            remarks.append(stripped)
            continue
        if not rows:
            delimiter = _find_delimiter(stripped)
            if not _are_numbers(_split(stripped, delimiter)):
                if names:
                    raise SpectrumError(f"no table of numbers: {stripped[:60]!r}")
                names = tuple(_split(stripped, delimiter))
                continue
            if polarbase and len(stripped.split()) == 2 and not remarks:
                remarks.append(stripped)  # how many pixels and columns there are
                continue
        rows.append(stripped)
    if not names and remarks and rows:
        last = _split(remarks[-1].lstrip("".join(_COMMENTS) + " "), delimiter)
        if len(last) == len(_split(rows[0], delimiter)) and not _are_numbers(last):
            names = tuple(last)
    target = (polarbase["target"] or "").strip() if polarbase else ""
    return _Lines(names, rows, tuple(remarks), delimiter, target, polarbase is not None)


def _to_group(lines: _Lines) -> tuple[Group, PlainCards]:
    table = _parse(lines)
    n_orders = 1
    if lines.is_polarbase:
        table, n_orders = _join_orders(table)
    n_columns = table.shape[1]
    names: Sequence[str] = [name.lower() for name in lines.names]
    if not names and n_columns in (2, 3):
        names = _BY_PLACE[:n_columns]
    elif not names and lines.is_polarbase:
        names = ("wave", "flux", *(f"null{i}" for i in range(n_columns - 3)), "error")
    elif not names:
        raise SpectrumError(f"{n_columns} columns of numbers without names")
    if len(names) != n_columns:
        raise SpectrumError(f"{len(names)} names of columns for {n_columns} columns")
    fields = tuple(_to_field(name, table[:, i]) for i, name in enumerate(names))
    cards = {} if not lines.target else {"OBJECT": lines.target}
    for line in lines.remarks:
        match = _KEY_VALUE.match(line)
        if match:
            value = match["value"].strip().strip("'\"")
            cards.setdefault(match["key"].strip().upper(), value)
    names_found = frozenset(field.name for field in fields)
    numbers = {key: _to_number(value) for key, value in cards.items()}
    return (
        Group(
            "",
            "text" if n_orders == 1 else f"text of {n_orders} orders, cut half way",
            fields,
            names=names_found,
        ),
        PlainCards(numbers, lines.remarks),
    )


def _parse(lines: _Lines) -> NDArray[np.float64]:
    rows = lines.rows
    if not rows:
        raise SpectrumError("no table of numbers")
    if lines.delimiter != ",":  # then the comma is the decimal point
        rows = [row.replace(",", ".") for row in rows]
    try:
        table = np.loadtxt(rows, delimiter=lines.delimiter, ndmin=2, comments=None)
    except ValueError as error:
        reason = " ".join(str(error).split(";")[0].split())
        raise SpectrumError(f"no table of numbers: {reason}") from None
    return np.asarray(table, np.float64)


def _join_orders(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Cut normalised orders of an echelle in the middle of where they overlap."""
    wave = table[:, 0]
    orders = np.split(table, np.flatnonzero(np.diff(wave) <= 0.0) + 1)
    orders.sort(key=lambda order: float(order[0, 0]))
    edges = [0.5 * (before[-1, 0] + after[0, 0]) for before, after in pairwise(orders)]
    low, high = [-np.inf, *edges], [*edges, np.inf]
    parts = [
        order[(order[:, 0] >= first) & (order[:, 0] < last)]
        for order, first, last in zip(orders, low, high, strict=True)
    ]
    return np.concatenate(parts), len(orders)


def _to_field(name: str, values: NDArray[np.float64]) -> Field:
    match = _NAME_AND_UNIT.fullmatch(name.strip())
    unit = ""
    if match is not None and has_unit(match["unit"]):
        name, unit = match["name"], match["unit"]
    elif match is not None:
        name = match["name"]
    return Field(name.strip().replace(" ", "_"), values.shape, lambda _: values, unit)


def _find_delimiter(line: str) -> str | None:
    marks = [mark for mark in (";", ",", "\t") if mark in line]
    of_numbers = (m for m in (*marks, None) if _are_numbers(_split(line, m)))
    return next(of_numbers, marks[0] if marks else None)


def _split(line: str, delimiter: str | None) -> list[str]:
    parts = line.split(delimiter)
    return [part.strip().strip("'\"") for part in parts]


def _are_numbers(parts: Sequence[str]) -> bool:
    return all(_is_number(part) for part in parts)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _to_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
