r"""Tables as text: spreadsheets' CSV, VizieR's TSV and the like, cell by cell.

Every cell stays as it is written; what it means is the affair of `values`.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from tfrecords_tools.labels.units import is_unit
from tfrecords_tools.labels.values import is_number, is_unknown

_DELIMITERS = "\t;|,"
_SEPARATOR = re.compile(r"sep=.", re.IGNORECASE)
"""A line for spreadsheets, which shows what follows in every line."""
_RULE = re.compile(r"[\s|]*[-=]+ *([\t;|,] *[-=]* *)+")
_COMMENT = re.compile(r"#(?! *\|)")
"""Not SIMBAD's header, whose first column is called ``#``."""
_MAX_PREAMBLE = 100
"""Lines among which the row of dashes is looked for."""


class TextTable(NamedTuple):
    """The cells of a table, without blanks around them."""

    names: list[str]
    """Of the columns; "" for one without."""
    units: list[str]
    """Of the columns, as written; "" where there is none."""
    columns: list[list[str]]
    """Cells by column, as many in each as there are rows."""
    has_decimal_commas: bool
    """Whether a comma in a number can only be that of decimals."""
    notes: tuple[str, ...]
    """What was taken for granted."""


class _Row(NamedTuple):
    """One row of a file, wherever it stands."""

    line: int
    """Its last line, from 1."""
    cells: list[str]


def decode_text(content: bytes) -> tuple[str, tuple[str, ...]]:
    r"""
    Decode a text file, whoever wrote it.

    Parameters
    ----------
    content : bytes
        The whole file: UTF-8, UTF-16 with its byte order mark, or Windows-1252.

    Returns
    -------
    text : str
        Without byte order mark, its lines ended by ``\n``.
    notes : tuple of str
        What was taken for granted.

    Raises
    ------
    ValueError
        If the bytes are no text.
    """
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            if "\0" not in text:
                is_guess = encoding == "cp1252"
                note = ("it is not UTF-8, so it is read as Windows-1252",) * is_guess
                return text.replace("\r\n", "\n").replace("\r", "\n"), note
    raise ValueError("it is no text; save it as UTF-8")


def split_table(text: str, *, may_be_blanks: bool) -> TextTable | None:
    """
    Split text into the cells of a table.

    Parameters
    ----------
    text : str
        Cells between tabs, semicolons, bars or commas. Lines that begin with ``#`` are
        comments. The header may be followed by a row of units and one of dashes.
    may_be_blanks : bool
        Whether blanks may separate the columns instead.

    Returns
    -------
    table : TextTable or None
        None if that is so.

    Raises
    ------
    ValueError
        If a row has more cells than the header, quotation marks are not closed, or
        another table follows; the message names the line.
    """
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    if lines and _SEPARATOR.fullmatch(lines[0][1]):
        del lines[0]
    body = [(i, line) for i, line in lines if not _COMMENT.match(line)]
    if not body:
        return TextTable([], [], [], False, ())
    rule = _find_rule(body)
    delimiter = _choose_delimiter(body[rule or 0][1])
    if may_be_blanks and not delimiter:
        return None
    if rule is not None:
        # In front of the header and its units may stand anything.
        rows = _split_lines(body[max(rule - 2, 0) :], delimiter)
        return _drop_empty(_read_ruled(rows, delimiter))
    rows = _split_lines(body, delimiter or ",")
    is_ragged = any(len(row.cells) != len(rows[0].cells) for row in rows)
    if may_be_blanks and delimiter != "\t" and is_ragged:
        return None
    names, rows, notes = _take_header(rows, _last_comment(lines, body), delimiter)
    columns = _to_columns(rows, len(names))
    units = [""] * len(names)
    if _begins_with_units(columns):
        units = [column.pop(0).strip("[]() ") for column in columns]
        notes = (*notes, "its first row is read as units")
    return _drop_empty(TextTable(names, units, columns, delimiter != ",", notes))


def _find_rule(body: Sequence[tuple[int, str]]) -> int | None:
    """Find the row of dashes below a header, which has no rows of data before it."""
    for index, (_, line) in enumerate(body[:_MAX_PREAMBLE]):
        if index and _RULE.fullmatch(line):
            delimiter = _choose_delimiter(line)
            before = [text.split(delimiter) for _, text in body[:index]]
            width = line.count(delimiter) + 1
            is_preamble = all(len(cells) != width for cells in before[:-2])
            has_numbers = any(is_number(cell) for cell in before[-1])
            return None if has_numbers or not is_preamble else index
    return None


def _choose_delimiter(line: str) -> str:
    """Return what is most frequent in a line, or "" for a single column."""
    unquoted = re.sub(r'"[^"]*"', "", line)
    best = max(_DELIMITERS, key=unquoted.count)
    return best if best in unquoted else ""


def _split_lines(body: Sequence[tuple[int, str]], delimiter: str) -> list[_Row]:
    numbers = [number for number, _ in body]
    reader = csv.reader(
        (f"{line}\n" for _, line in body),
        delimiter=delimiter,
        skipinitialspace=delimiter != "\t",
        strict=True,
    )
    rows: list[_Row] = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(_Row(numbers[reader.line_num - 1], stripped))
    except csv.Error as error:
        line = numbers[min(reader.line_num, len(numbers)) - 1]
        raise ValueError(f"line {line}: {error}") from None
    return rows


def _read_ruled(rows: list[_Row], delimiter: str) -> TextTable:
    """Read a table with a row of dashes below its header and, perhaps, its units."""
    rules = [i for i, row in enumerate(rows) if _is_rule(row.cells)]
    if len(rules) > 1:
        line = rows[rules[1]].line
        raise ValueError(f"line {line} begins another table: keep one of them")
    head, data = [row.cells for row in rows[: rules[0]]], rows[rules[0] + 1 :]
    width = len(rows[rules[0]].cells)
    if len(head) == 2 and len(head[0]) != width:
        del head[0]
    names, units = head if len(head) == 2 else (head[0], [])
    names, units = (cells + [""] * (width - len(cells)) for cells in (names, units))
    return TextTable(names, units, _to_columns(data, width), delimiter != ",", ())


def _is_rule(cells: list[str]) -> bool:
    joined = "".join(cells)
    return len(cells) > 1 and len(joined) > 2 and not joined.strip("-=")


def _take_header(
    rows: list[_Row], comment: str, delimiter: str
) -> tuple[list[str], list[_Row], tuple[str, ...]]:
    """Return names, what is left of the rows, and notes."""
    first = rows[0].cells
    if not any(is_number(cell) for cell in first):
        return first, rows[1:], ()
    names = [name.strip(' "') for name in comment.split(delimiter or None)]
    if len(names) == len(first):
        return names, rows, ()
    names = [f"col{i + 1}" for i in range(len(first))]
    return (
        names,
        rows,
        (f"it has no header: its columns are {names[0]} to {names[-1]}",),
    )


def _last_comment(
    lines: Sequence[tuple[int, str]], body: Sequence[tuple[int, str]]
) -> str:
    before = [line for number, line in lines if number < body[0][0]]
    return before[-1].lstrip("# ") if before else ""


def _to_columns(rows: list[_Row], width: int) -> list[list[str]]:
    for row in rows:
        if any(row.cells[width:]):
            raise ValueError(
                f"line {row.line} has {len(row.cells)} cells and the header {width}; "
                "if commas are those of decimals, separate the columns by semicolons"
            )
    cells = [(row.cells + [""] * width)[:width] for row in rows]
    return [[row[i] for row in cells] for i in range(width)]


def _begins_with_units(columns: list[list[str]]) -> bool:
    """Tell whether the first row alone keeps columns from being numbers."""
    found = False
    for first, *others in filter(None, columns):
        holds_unit = is_unit(first) and not is_number(first)
        if not holds_unit and not is_unknown(first):
            return False
        if holds_unit and any(map(is_number, others)):
            found |= all(is_number(cell) or is_unknown(cell) for cell in others)
    return found


def _drop_empty(table: TextTable) -> TextTable:
    """Leave out columns without name and cells, which commas at the end make."""
    kept = [i for i, name in enumerate(table.names) if name or any(table.columns[i])]
    return table._replace(
        # The first column may be one of row numbers.
        names=[table.names[i] or (f"col{i + 1}" if i else "") for i in kept],
        units=[table.units[i] for i in kept],
        columns=[table.columns[i] for i in kept],
    )
