"""One unit of a FITS file: its header, and where its data stand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np

from tfrecords_tools.readers.header import CARD_SIZE, Header
from tfrecords_tools.spectrum import SpectrumError

BLOCK = 2880
EXTENSION = b"XTENSION="
"""The first bytes of every unit but the primary one."""
_MAX_HEADER_BLOCKS = 4000
# Read at once: the first header of an ESO product has 85 blocks, the others few.
_BLOCKS_OF_PRIMARY = 96
_BLOCKS_OF_EXTENSION = 4
_END = b"END     "


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
        if bits not in (8, 16, 32, 64, -32, -64):
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
