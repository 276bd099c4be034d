"""Data units of the simplest layout, decoded without astropy.

Astropy takes several milliseconds to make a table of any layout; of a table or an image
without scaling, strings and variable lengths the numbers stand in the file as they are.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import Header

_CODES = dict(
    zip("BIJKEDLA", ("u1", ">i2", ">i4", ">i8", ">f4", ">f8", "S1", "S"), strict=True)
)
_FORMAT = re.compile(r"(\d*)([BIJKEDLA])")
_BITPIX: dict[float, str] = {
    8: "u1",
    16: ">i2",
    32: ">i4",
    64: ">i8",
    -32: ">f4",
    -64: ">f8",
}
_COLUMN_CARDS = ("TSCAL", "TZERO", "TDIM")


class PlainTable(NamedTuple):
    """The columns of a binary table of numbers, letters T and F, and strings."""

    columns: tuple[NDArray[np.generic], ...]
    """Big-endian views of the data: (n_rows,), or (n_rows, n) of n values a cell."""

    def field(self, index: int) -> NDArray[np.generic]:
        """
        Return a column, as a table of astropy does.

        Parameters
        ----------
        index : int
            Number of the column, from 0.

        Returns
        -------
        column : ndarray
            Read-only.
        """
        return self.columns[index]


def read_plain_table(
    header: Header, data: bytes | memoryview, n_rows: int | None = None
) -> PlainTable | None:
    """
    Decode a binary table, if its layout is plain.

    Parameters
    ----------
    header : Header
        Of the table.
    data : bytes
        Its data unit, without padding.
    n_rows : int, optional
        How many rows the data are, if not all.

    Returns
    -------
    table : PlainTable or None
        None if astropy is needed.
    """
    if _has_more(header):
        return None
    width = header.size("NAXIS1")
    n_rows = header.size("NAXIS2") if n_rows is None else n_rows
    columns, offset = [], 0
    for number in range(1, header.size("TFIELDS", 0) + 1):
        form = _FORMAT.fullmatch(header.text(f"TFORM{number}"))
        if form is None or any(header.has(f"{c}{number}") for c in _COLUMN_CARDS):
            return None
        dtype, repeat = np.dtype(_CODES[form[2]]), int(form[1] or 1)
        if form[2] == "A":  # one string a cell
            dtype, repeat = np.dtype(f"S{repeat}"), min(repeat, 1)
        size = repeat * dtype.itemsize
        if repeat == 0 or offset + size > width:
            return None
        column: NDArray[np.generic] = np.ndarray(
            (n_rows, repeat), dtype, data, offset, (width, dtype.itemsize)
        )
        columns.append(column[:, 0] if repeat == 1 else column)
        offset += size
    return PlainTable(tuple(columns)) if offset == width else None


def read_plain_image(
    header: Header, data: bytes | memoryview
) -> NDArray[np.generic] | None:
    """
    Decode an image, if its layout is plain.

    Parameters
    ----------
    header : Header
        Of the image.
    data : bytes
        Its data unit, without padding.

    Returns
    -------
    image : ndarray or None
        Big-endian, of the shape of astropy's: NAXIS1 last. None if astropy is needed.
    """
    dtype = plain_image_type(header)
    n_axes = header.size("NAXIS")
    shape = [header.size(f"NAXIS{i}") for i in range(n_axes, 0, -1)]
    return None if dtype is None else np.frombuffer(data, dtype).reshape(shape)


def plain_image_type(header: Header) -> np.dtype[np.generic] | None:
    """
    Tell of what type the numbers of an image are.

    Parameters
    ----------
    header : Header
        Of the image.

    Returns
    -------
    dtype : dtype or None
        Big-endian; None if astropy is needed.
    """
    scaled = ("BSCALE", 1.0), ("BZERO", 0.0)
    if any(header.has(key) and header.number(key) != n for key, n in scaled):
        return None
    if header.has("BLANK") or _has_more(header):
        return None
    code = _BITPIX.get(header.number("BITPIX"))
    return None if code is None else np.dtype(code)


def _has_more(header: Header) -> bool:
    """Whether something follows the array itself: a heap, or further groups."""
    return header.size("PCOUNT", 0) != 0 or header.size("GCOUNT", 1) != 1
