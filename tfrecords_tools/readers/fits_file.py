"""The units of a FITS file, plain or gzipped, and their data, whole or row by row."""

from __future__ import annotations

import gzip
import io
import math
import re
import stat
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from tfrecords_tools.readers.fits_unit import (
    BLOCK,
    EXTENSION,
    Hdu,
    PlainTable,
    adds_up,
    check_sum,
    check_sum_once,
    plain_image_type,
    read_header,
    read_plain_image,
    read_plain_table,
)
from tfrecords_tools.readers.header import CARD_SIZE, Header
from tfrecords_tools.readers.layout import check_size
from tfrecords_tools.readers.recent import Recent, version_of
from tfrecords_tools.spectrum import SpectrumError, UnreadableError

MAX_BYTES = 2**27
"""No single spectrum is larger; this also bounds what a gzip file may expand to."""
_CHUNK = 2**24
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|BSCALE|BZERO|BLANK"
    r"|(TTYPE|TFORM|TDIM|TSCAL|TZERO|TNULL|TBCOL)\d+"
)
_DECODE_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, MemoryError),
    fits.VerifyError,
)
_unzipped: Recent[bytes] = Recent(1)
"""The gzipped file of many spectra that was read last."""


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
            is_plain = isinstance(self._stream, io.BufferedReader)
            self._size_limit = path.stat().st_size if is_plain else MAX_BYTES
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

    def keep_unzipped(self) -> None:
        """Spare the next to open this file, if it is gzipped, to unzip it again."""
        if isinstance(self._stream, io.BytesIO):
            _unzipped.get(version_of(self.path), self._stream.getvalue)

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
        if end > MAX_BYTES:
            raise SpectrumError(f"a file of {end} bytes is no spectrum")
        missing = end - self._stream.seek(0, io.SEEK_END)
        if missing > 0:
            raise SpectrumError(f"truncated: {missing} bytes of data are missing")
        for hdu in self.hdus:
            if hdu.is_image:
                check_size(hdu.axes)

    def fits_its_checksums(self) -> bool:
        """Read all units: whether each that has a CHECKSUM and DATASUM fits it."""
        return all(adds_up(hdu.header, self._read_unit(hdu)) for hdu in self.hdus)

    def table(self, hdu: Hdu) -> fits.FITS_rec | PlainTable:
        """
        Decode a table.

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
        if hdu.is_ascii:
            return _decode(hdu, data, fits.TableHDU)
        plain = read_plain_table(hdu.header, data)
        return _decode(hdu, data, fits.BinTableHDU) if plain is None else plain

    def table_row(self, hdu: Hdu, row: int) -> fits.FITS_rec | PlainTable:
        """
        Decode one row of a binary table.

        Parameters
        ----------
        hdu : Hdu
            One with `is_table`, of any size if its layout is plain.
        row : int
            From 0.

        Returns
        -------
        table : FITS_rec or PlainTable
            As from `table`, of one row. The other rows are not read, except once for
            the checksum.

        Raises
        ------
        SpectrumError
            As from `table`.
        """
        width = hdu.header.size("NAXIS1")
        data = self._read_part(hdu, width * row, width)
        plain = read_plain_table(hdu.header, data, 1)
        return self.table(hdu)[row : row + 1] if plain is None else plain

    def scalars(self, hdu: Hdu, columns: Sequence[int]) -> list[NDArray[np.generic]]:
        """
        Read columns of a binary table of many rows, some rows at a time.

        Parameters
        ----------
        hdu : Hdu
            One with `is_table`, of any size if its layout is plain.
        columns : sequence of int
            Numbers of columns of one value a cell, from 0.

        Returns
        -------
        values : list of ndarray
            Each of shape (n_rows,).

        Raises
        ------
        SpectrumError
            As from `table`.
        """
        width, n_rows = hdu.header.size("NAXIS1"), hdu.header.size("NAXIS2")
        n_at_once = max(1, _CHUNK // max(1, width))
        parts: list[list[NDArray[np.generic]]] = []
        for first in range(0, n_rows, n_at_once):
            n = min(n_at_once, n_rows - first)
            plain = read_plain_table(
                hdu.header, self._read_part(hdu, width * first, width * n), n
            )
            if plain is None:
                whole = self.table(hdu)
                return [np.asarray(whole.field(i)) for i in columns]
            parts.append([plain.field(i).copy() for i in columns])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

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
        if hdu.is_compressed:
            if 8 * math.prod(hdu.axes) > MAX_BYTES:
                size = " x ".join(map(str, hdu.axes))
                raise SpectrumError(f"a compressed image of {size} is no spectrum")
            return np.asarray(self._uncompress(hdu).data)
        plain = read_plain_image(hdu.header, data)
        if plain is not None:
            return plain
        kind = fits.PrimaryHDU if hdu.is_primary else fits.ImageHDU
        return np.asarray(_decode(hdu, data, kind))

    def image_row(self, hdu: Hdu, row: int) -> NDArray[np.generic]:
        """
        Decode one row of an image.

        Parameters
        ----------
        hdu : Hdu
            One with `is_image`, of any size if its layout is plain.
        row : int
            From 0, in the order of the file, over all axes but the first.

        Returns
        -------
        values : ndarray
            Shape (NAXIS1,), scaling applied.

        Raises
        ------
        SpectrumError
            As from `image`.
        """
        length = hdu.axes[0]
        dtype = plain_image_type(hdu.header)
        if hdu.is_compressed or dtype is None:
            whole: NDArray[np.generic] = self.image(hdu).reshape(-1, length)
            return np.asarray(whole[row])
        size = length * dtype.itemsize
        return np.frombuffer(self._read_part(hdu, size * row, size), dtype)

    def _read_data(self, hdu: Hdu) -> memoryview:
        if hdu.data_size > MAX_BYTES:
            raise SpectrumError(f"a data unit of {hdu.data_size} bytes is no spectrum")
        try:
            content = self._read_unit(hdu)
        except OSError as error:
            raise _describe(error) from None
        begin = hdu.data_start - hdu.start
        data = memoryview(content)[begin : begin + hdu.data_size]
        _check_length(data, hdu.data_size)
        if self._verify_checksums:
            check_sum(hdu.header, content)
        following = self._stream.read(len(EXTENSION))
        if following != EXTENSION and following.strip(b"\0"):
            raise SpectrumError("malformed: the data do not end where the header says")
        return data

    def _read_part(self, hdu: Hdu, begin: int, size: int) -> bytes:
        """Read some of a unit's data, of a size for which the header is no proof."""
        if hdu.data_start + begin + size > self._size_limit:
            _check_length(b"", size)
        try:
            if self._verify_checksums and isinstance(self._stream, io.BufferedReader):
                check_sum_once(hdu.header, self.path, hdu.start, hdu.end)
            self._stream.seek(hdu.data_start + begin)
            data = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise _describe(error) from None
        _check_length(data, size)
        return data

    def _read_unit(self, hdu: Hdu) -> bytes:
        self._stream.seek(hdu.start)
        return self._stream.read(hdu.end - hdu.start)

    def _uncompress(self, hdu: Hdu) -> fits.CompImageHDU:
        """Give a unit to astropy as a file of its own."""
        primary = io.BytesIO()
        fits.PrimaryHDU().writeto(primary)
        content = io.BytesIO(primary.getvalue() + self._read_unit(hdu))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyWarning)
                return fits.open(content, memmap=False)[1]
        except _DECODE_ERRORS as error:
            raise SpectrumError(f"malformed data: {_one_line(error)}") from None

    def _iterate(self) -> Iterator[Hdu]:
        position, is_primary = 0, True
        while True:
            try:
                self._stream.seek(position)
                text = read_header(self._stream, is_primary)
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
                check_sum(hdu.header, self._read_unit(hdu))
            yield hdu
            position, is_primary = hdu.end, False
            if position > self._size_limit:
                return  # a broken card, a truncated file, or no spectrum


def _decode(
    hdu: Hdu, data: memoryview, kind: Any
) -> fits.FITS_rec | NDArray[np.generic]:
    # Astropy expects whole blocks.
    content = b"".join([_structure(hdu.header), data, bytes(-len(data) % BLOCK)])
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
    known = _unzipped.find(version_of(path))
    if known is not None:
        return io.BytesIO(known)
    with gzip.open(path) as unzipped:
        # Reading to the end verifies the checksum.
        content = unzipped.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SpectrumError(
            f"unzips to more than {MAX_BYTES} bytes: no spectrum (unzip a file of "
            f"many spectra before)"
        )
    return io.BytesIO(content)


def _structure(header: Header) -> bytes:
    """Return a header of only the cards that tell how the data are laid out."""
    cards = [c for k, c in header.cards.items() if _STRUCTURE.fullmatch(k)]
    text = "".join([*cards, "END".ljust(CARD_SIZE)])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("latin-1")


def _check_length(data: bytes | memoryview, size: int) -> None:
    if len(data) < size:
        missing = size - len(data)
        raise SpectrumError(f"truncated: {missing} bytes of data are missing")


def _describe(error: Exception) -> SpectrumError:
    if isinstance(error, EOFError):
        return SpectrumError("truncated gzip file")
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return SpectrumError(f"corrupt gzip file: {_one_line(error)}")
    strerror = getattr(error, "strerror", None)
    return UnreadableError(f"cannot be read: {strerror or _one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
