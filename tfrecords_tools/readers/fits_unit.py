"""One unit of a FITS file: its header, its checksum, and data that are plain."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import CARD_SIZE, Header
from tfrecords_tools.readers.recent import Recent, version_of
from tfrecords_tools.spectrum import SpectrumError

BLOCK = 2880
EXTENSION = b"XTENSION="
"""The first bytes of every unit but the primary one."""
_MAX_HEADER_BLOCKS = 4000
# Read at once: the first header of an ESO product has 85 blocks, the others few.
_BLOCKS_OF_PRIMARY = 96
_BLOCKS_OF_EXTENSION = 4
_END = b"END     "
_ALL_ONES = 0xFFFF_FFFF
"""-0 in ones' complement of 32 bits: the sum over a sound unit."""
_CHUNK = 2**24
_sound: Recent[bool] = Recent(64)
"""Whether units fit their CHECKSUM of which single rows were read."""
_DAMAGED = (
    "does not fit its CHECKSUM: damaged, or edited since (such files are taken with "
    "--set convert.verify_checksums=false)"
)
# Of what type plain data are, by TFORM and BITPIX.
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


@dataclass(frozen=True)
class Hdu:
    """One header and data unit."""

    header: Header
    is_primary: bool
    start: int
    """Byte of the unzipped file at which the header begins."""
    data_start: int
    """Byte of the unzipped file at which the data begin."""

    @cached_property
    def name(self) -> str:
        """EXTNAME, "" if there is none."""
        return self.header.text("EXTNAME")

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the axes, NAXIS1 first; of the image in a compressed one."""
        return self._read_axes("ZNAXIS" if self.is_compressed else "NAXIS")

    @cached_property
    def data_size(self) -> int:
        """Bytes of data, without padding."""
        axes = self._read_axes("NAXIS")
        if not axes:
            return 0
        bits = self.header.get("BITPIX")
        if bits not in _BITPIX:
            raise SpectrumError("header card BITPIX is missing or malformed")
        n_values = self.header.size("PCOUNT", 0) + math.prod(axes)
        return abs(int(bits)) // 8 * self.header.size("GCOUNT", 1) * n_values

    @property
    def end(self) -> int:
        """Byte at which the next unit begins."""
        return self.data_start + -(-self.data_size // BLOCK) * BLOCK

    @cached_property
    def is_compressed(self) -> bool:
        """Whether it is an image cut into tiles, each a row of a binary table."""
        return self._is_bintable and self.header.get("ZIMAGE") is True

    @cached_property
    def is_table(self) -> bool:
        """Whether it is a table, binary or of text."""
        return (self._is_bintable and not self.is_compressed) or self.is_ascii

    @cached_property
    def is_ascii(self) -> bool:
        """Whether it is a table of text."""
        return self.header.text("XTENSION") == "TABLE"

    @cached_property
    def is_image(self) -> bool:
        """Whether it is a primary, image or compressed unit with data."""
        kind = self.header.text("XTENSION")
        is_one = self.is_primary or kind == "IMAGE" or self.is_compressed
        return is_one and self.data_size > 0

    @property
    def _is_bintable(self) -> bool:
        return self.header.text("XTENSION") == "BINTABLE"

    def _read_axes(self, keyword: str) -> tuple[int, ...]:
        n_axes = self.header.size(keyword)
        return tuple(self.header.size(f"{keyword}{i + 1}") for i in range(n_axes))


def read_header(stream: BinaryIO, is_primary: bool) -> str | None:
    """
    Read the header that begins here.

    Parameters
    ----------
    stream : file
        Afterwards it stands where the data begin.
    is_primary : bool
        Whether it is the first of its file.

    Returns
    -------
    content : str or None
        The cards before END, or None where the file has no further unit.

    Raises
    ------
    SpectrumError
        If the file is empty or not FITS, or the header has no end.
    """
    begin = stream.tell()
    content = b""
    n_bytes = BLOCK * (_BLOCKS_OF_PRIMARY if is_primary else _BLOCKS_OF_EXTENSION)
    while len(content) < BLOCK * _MAX_HEADER_BLOCKS:
        more = stream.read(n_bytes)
        if not content:
            if not more and is_primary:
                raise SpectrumError("the file is empty")
            if not more.startswith(b"SIMPLE  =" if is_primary else EXTENSION):
                if is_primary:
                    raise SpectrumError("not a FITS file")
                return None
        searched = len(content)
        content += more
        end = _find_end(content, searched)
        if end is not None:
            size = (end // BLOCK + 1) * BLOCK
            if size <= len(content):
                stream.seek(begin + size)
                return content[:end].decode("latin-1")
        if len(more) < n_bytes:
            raise SpectrumError("truncated in a header")
    raise SpectrumError("a header has no END")


def _find_end(content: bytes, searched: int) -> int | None:
    """Return where the card END begins, if it is whole; cards before are searched."""
    n_cards = (len(content) - searched) // CARD_SIZE
    cards = np.frombuffer(content, f"S{CARD_SIZE}", n_cards, searched)
    keywords = cards.view(np.uint64)[:: CARD_SIZE // 8]
    (found,) = np.nonzero(keywords == np.frombuffer(_END, np.uint64))
    return searched + CARD_SIZE * int(found[0]) if found.size else None


def check_sum(header: Header, unit: bytes) -> None:
    """Raise SpectrumError if a unit, header and data, does not fit its CHECKSUM."""
    if not adds_up(header, unit):
        raise SpectrumError(_DAMAGED)


def adds_up(header: Header, unit: bytes) -> bool:
    """Tell whether the words of a unit add up to -0, if it has CHECKSUM and DATASUM."""
    # In ones' complement, over header and data (FITS standard 4.0, appendix J).
    return not _is_summed(header) or sum_words(unit) == _ALL_ONES


def sum_words(content: bytes | bytearray, start: int = 0) -> int:
    """
    Add up 32-bit big-endian words in ones' complement.

    Parameters
    ----------
    content : bytes
        Zeros are added up to a whole word.
    start : int
        Sum so far.

    Returns
    -------
    total : int
        Of 32 bits: what is beyond them is carried round.
    """
    if len(content) % 4:
        content = content + bytes(-len(content) % 4)  # not that of the caller
    total = start + int(np.frombuffer(content, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def check_sum_once(header: Header, path: Path, start: int, end: int) -> None:
    """
    Check a unit of which single rows are read, as `check_sum` does, the first time.

    Parameters
    ----------
    header : Header
        Of the unit.
    path : Path
        Its file, not gzipped.
    start, end : int
        Bytes at which the unit begins and ends.

    Raises
    ------
    SpectrumError
        If it does not fit.
    """
    if not _is_summed(header):
        return
    key = version_of(path), start
    if not _sound.get(key, lambda: _range_adds_up(path, start, end)):
        raise SpectrumError(_DAMAGED)


def _range_adds_up(path: Path, start: int, end: int) -> bool:
    total = 0
    with path.open("rb") as stream:
        stream.seek(start)
        while start < end and (content := stream.read(min(_CHUNK, end - start))):
            total = sum_words(content, total)
            start += len(content)
    return total == _ALL_ONES


def _is_summed(header: Header) -> bool:
    # Pipelines of HARPS write a DATASUM alone, and not that of their data.
    return header.has("CHECKSUM") and header.has("DATASUM")


# Astropy takes several milliseconds to make a table of any layout; of a table or an
# image without scaling and variable lengths the numbers stand in the file as they are.


class PlainTable(NamedTuple):
    """The columns of a binary table of numbers, letters T and F, and strings."""

    columns: tuple[NDArray[np.generic], ...]
    """Big-endian views of the data: (n_rows,), or (n_rows, n) of n values a cell."""

    def field(self, index: int) -> NDArray[np.generic]:
        """Return a column by its number, as a table of astropy does; read-only."""
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
