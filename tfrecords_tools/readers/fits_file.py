"""The units of a FITS file, plain or gzipped."""

from __future__ import annotations

import gzip
import io
import math
import re
import stat
import warnings
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from tfrecords_tools.readers.header import CARD_SIZE, Header
from tfrecords_tools.readers.plain_data import (
    PlainTable,
    read_plain_image,
    read_plain_table,
)
from tfrecords_tools.spectrum import SpectrumError, UnreadableError

_BLOCK = 2880
_MAX_HEADER_BLOCKS = 4000
# Read at once: the first header of an ESO product has 85 blocks, the others few.
_BLOCKS_OF_PRIMARY = 96
_BLOCKS_OF_EXTENSION = 4
_MAX_BYTES = 2**27
"""No single spectrum is larger; this also bounds what a gzip file may expand to."""
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|BSCALE|BZERO|BLANK"
    r"|(TTYPE|TFORM|TDIM|TSCAL|TZERO|TNULL)\d+"
)
_END = b"END     "
_EXTENSION = b"XTENSION="
_ALL_ONES = 0xFFFF_FFFF
_DECODE_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, MemoryError),
    fits.VerifyError,
)


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
    def axes(self) -> tuple[int, ...]:
        """Lengths of the axes, NAXIS1 first."""
        n_axes = self.header.size("NAXIS")
        return tuple(self.header.size(f"NAXIS{i + 1}") for i in range(n_axes))

    @cached_property
    def data_size(self) -> int:
        """Bytes of data, without padding."""
        if not self.axes:
            return 0
        bits = self.header.get("BITPIX")
        if bits not in (8, 16, 32, 64, -32, -64):
            raise SpectrumError("header card BITPIX is missing or malformed")
        n_values = self.header.size("PCOUNT", 0) + math.prod(self.axes)
        return abs(int(bits)) // 8 * self.header.size("GCOUNT", 1) * n_values

    @property
    def is_table(self) -> bool:
        """Whether it is a binary table."""
        return self.header.text("XTENSION") == "BINTABLE"

    @property
    def is_image(self) -> bool:
        """Whether it is a primary or image unit with data."""
        kind = self.header.text("XTENSION")
        return (self.is_primary or kind == "IMAGE") and self.data_size > 0


class FitsFile(AbstractContextManager["FitsFile"]):
    """
    An open FITS file; whether it is gzipped is told by its bytes, not its name.

    Parameters
    ----------
    path : Path
        The file.
    headers_only : bool
        Whether only headers will be read: a gzipped file is then unzipped only as
        far as needed, and its checksum is not verified.
    verify_checksums : bool
        Whether units that are read must fit their CHECKSUM, where they have both that
        and a DATASUM (FITS standard 4.0, appendix J). The primary unit always is, if
        it has no data.

    Raises
    ------
    SpectrumError
        If the file cannot be read, is empty or is not FITS.
    """

    def __init__(
        self, path: Path, headers_only: bool = False, verify_checksums: bool = False
    ) -> None:
        self.path = path
        self._verify_checksums = verify_checksums
        try:
            self._stream = _open(path, headers_only)
        except (OSError, EOFError, zlib.error) as error:
            raise _describe(error) from None
        self._units = self._iterate()

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @cached_property
    def primary(self) -> Hdu:
        """The first unit; the others are not read for it."""
        return next(self._units)

    @cached_property
    def hdus(self) -> tuple[Hdu, ...]:
        """All units, in the order of the file."""
        return (self.primary, *self._units)

    def check_sizes(self) -> None:
        """
        Check that all data are there and, together, of a size a spectrum can have.

        Raises
        ------
        SpectrumError
            If not.
        """
        *_, last = self.hdus
        end = last.data_start + last.data_size
        if end > _MAX_BYTES:
            raise SpectrumError(f"a file of {end} bytes is no spectrum")
        missing = end - self._stream.seek(0, io.SEEK_END)
        if missing > 0:
            raise SpectrumError(f"truncated: {missing} bytes of data are missing")

    def fits_its_checksums(self) -> bool:
        """
        Read all units, also those that no spectrum is in, and add them up.

        Returns
        -------
        answer : bool
            Whether each fits its CHECKSUM, where it has both that and a DATASUM.
        """
        return all(_adds_up(hdu, self._read_unit(hdu)) for hdu in self.hdus)

    def table(self, hdu: Hdu) -> fits.FITS_rec | PlainTable:
        """
        Decode a binary table.

        Parameters
        ----------
        hdu : Hdu
            One with `is_table`.

        Returns
        -------
        table : FITS_rec or PlainTable
            Its columns by ``table.field(index)``, scaling applied.

        Raises
        ------
        SpectrumError
            If the data are truncated or malformed.
        """
        data = self._read_data(hdu)
        plain = read_plain_table(hdu.header, data)
        return _decode(hdu, data, fits.BinTableHDU) if plain is None else plain

    def image(self, hdu: Hdu) -> NDArray[np.generic]:
        """
        Decode an image.

        Parameters
        ----------
        hdu : Hdu
            One with `is_image`.

        Returns
        -------
        image : ndarray
            Scaling applied; shape is the reverse of ``hdu.axes``.

        Raises
        ------
        SpectrumError
            If the data are truncated or malformed.
        """
        data = self._read_data(hdu)
        plain = read_plain_image(hdu.header, data)
        if plain is not None:
            return plain
        kind = fits.PrimaryHDU if hdu.is_primary else fits.ImageHDU
        return np.asarray(_decode(hdu, data, kind))

    def _read_data(self, hdu: Hdu) -> memoryview:
        if hdu.data_size > _MAX_BYTES:
            raise SpectrumError(f"a data unit of {hdu.data_size} bytes is no spectrum")
        try:
            content = self._read_unit(hdu)
        except OSError as error:
            raise _describe(error) from None
        begin = hdu.data_start - hdu.start
        data = memoryview(content)[begin : begin + hdu.data_size]
        if len(data) < hdu.data_size:
            missing = hdu.data_size - len(data)
            raise SpectrumError(f"truncated: {missing} bytes of data are missing")
        if self._verify_checksums:
            _check_sum(hdu, content)
        following = self._stream.read(len(_EXTENSION))
        if following != _EXTENSION and following.strip(b"\0"):
            raise SpectrumError("malformed: the data do not end where the header says")
        return data

    def _read_unit(self, hdu: Hdu) -> bytes:
        self._stream.seek(hdu.start)
        padded = -(-hdu.data_size // _BLOCK) * _BLOCK
        return self._stream.read(hdu.data_start - hdu.start + padded)

    def _iterate(self) -> Iterator[Hdu]:
        position, is_primary = 0, True
        while True:
            try:
                self._stream.seek(position)
                text = _read_header(self._stream, is_primary)
            except (OSError, EOFError, zlib.error) as error:
                raise _describe(error) from None
            if text is None:
                return
            # Without padding, END and what follows it are not part of the cards.
            start = self._stream.tell()
            hdu = Hdu(Header(text), is_primary, position, start)
            if is_primary and hdu.header.get("SIMPLE") is not True:
                raise SpectrumError("not a FITS file by its own card SIMPLE")
            if self._verify_checksums and is_primary and hdu.data_size == 0:
                _check_sum(hdu, self._read_unit(hdu))
            yield hdu
            if hdu.data_size > _MAX_BYTES:
                return  # such a size is a broken card, or no spectrum
            position = start + -(-hdu.data_size // _BLOCK) * _BLOCK
            is_primary = False


def _decode(
    hdu: Hdu, data: memoryview, kind: Any
) -> fits.FITS_rec | NDArray[np.generic]:
    # Astropy expects whole blocks.
    content = b"".join([_structure(hdu.header), data, bytes(-len(data) % _BLOCK)])
    try:
        with warnings.catch_warnings():
            # A value that breaks a rule of style is still a value.
            warnings.simplefilter("ignore", AstropyWarning)
            decoded = kind.fromstring(content).data
    except _DECODE_ERRORS as error:
        raise SpectrumError(f"malformed data: {_one_line(error)}") from None
    if decoded is None:
        raise SpectrumError("malformed data: the unit is empty")
    return decoded


def _open(path: Path, headers_only: bool) -> BinaryIO:
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder has its own error
        raise SpectrumError("is a device or a pipe, not a file")
    stream = path.open("rb")
    if stream.peek(2)[:2] != b"\x1f\x8b":
        return stream
    stream.close()
    if headers_only:
        return cast(BinaryIO, gzip.open(path))
    with gzip.open(path) as unzipped:
        # Reading to the end verifies the checksum.
        content = unzipped.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise SpectrumError(f"unzips to more than {_MAX_BYTES} bytes: no spectrum")
    return io.BytesIO(content)


def _read_header(stream: BinaryIO, is_primary: bool) -> str | None:
    """Return the cards before END, or None where the file has no further unit."""
    begin = stream.tell()
    content = b""
    n_bytes = _BLOCK * (_BLOCKS_OF_PRIMARY if is_primary else _BLOCKS_OF_EXTENSION)
    while len(content) < _BLOCK * _MAX_HEADER_BLOCKS:
        more = stream.read(n_bytes)
        if not content:
            if not more and is_primary:
                raise SpectrumError("the file is empty")
            if not more.startswith(b"SIMPLE  =" if is_primary else _EXTENSION):
                if is_primary:
                    raise SpectrumError("not a FITS file")
                return None
        searched = len(content)
        content += more
        end = _find_end(content, searched)
        if end is not None:
            size = (end // _BLOCK + 1) * _BLOCK
            if size <= len(content):
                stream.seek(begin + size)
                return content[:end].decode("latin-1")
        if len(more) < n_bytes:
            raise SpectrumError("truncated in a header")
    raise SpectrumError("a header has no END")


def _check_sum(hdu: Hdu, unit: bytes) -> None:
    if not _adds_up(hdu, unit):
        raise SpectrumError(
            "does not fit its CHECKSUM: damaged, or edited since (such files are taken "
            "with the setting convert.verify_checksums=false)"
        )


def _adds_up(hdu: Hdu, unit: bytes) -> bool:
    """Tell whether the 32-bit words of a unit add up to -0 in ones' complement."""
    # Pipelines of HARPS write a DATASUM alone, and not that of their data.
    if not (hdu.header.has("CHECKSUM") and hdu.header.has("DATASUM")):
        return True
    if len(unit) % 4:  # without its padding
        unit += bytes(-len(unit) % 4)
    total = int(np.frombuffer(unit, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total == _ALL_ONES


def _structure(header: Header) -> bytes:
    """Return a header of only the cards that tell how the data are laid out."""
    cards = [c for k, c in header.cards.items() if _STRUCTURE.fullmatch(k)]
    text = "".join([*cards, "END".ljust(CARD_SIZE)])
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode("latin-1")


def _find_end(content: bytes, searched: int) -> int | None:
    """Return where the card END begins, if it is whole; cards before are searched."""
    n_cards = (len(content) - searched) // CARD_SIZE
    cards = np.frombuffer(content, f"S{CARD_SIZE}", n_cards, searched)
    keywords = cards.view(np.uint64)[:: CARD_SIZE // 8]
    (found,) = np.nonzero(keywords == np.frombuffer(_END, np.uint64))
    return searched + CARD_SIZE * int(found[0]) if found.size else None


def _describe(error: Exception) -> SpectrumError:
    if isinstance(error, EOFError):
        return SpectrumError("truncated gzip file")
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return SpectrumError(f"corrupt gzip file: {_one_line(error)}")
    strerror = getattr(error, "strerror", None)
    return UnreadableError(f"cannot be read: {strerror or _one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
