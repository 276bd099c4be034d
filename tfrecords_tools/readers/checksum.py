"""Checksums of the units of a FITS file (FITS standard 4.0, appendix J)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tfrecords_tools.readers.header import Header
from tfrecords_tools.readers.recent import Recent, version_of
from tfrecords_tools.spectrum import SpectrumError

_ALL_ONES = 0xFFFF_FFFF
_CHUNK = 2**24
_answers: Recent[bool] = Recent(64)
_DAMAGED = (
    "does not fit its CHECKSUM: damaged, or edited since (such files are taken with "
    "--set convert.verify_checksums=false)"
)


def check_sum(header: Header, unit: bytes) -> None:
    """
    Check that a unit fits its CHECKSUM.

    Parameters
    ----------
    header : Header
        Of the unit.
    unit : bytes
        Header and data.

    Raises
    ------
    SpectrumError
        If it has both CHECKSUM and DATASUM, and does not.
    """
    if not adds_up(header, unit):
        raise SpectrumError(_DAMAGED)


def adds_up(header: Header, unit: bytes) -> bool:
    """
    Tell whether the 32-bit words of a unit add up to -0 in ones' complement.

    Parameters
    ----------
    header : Header
        Of the unit.
    unit : bytes
        Header and data.

    Returns
    -------
    answer : bool
        True for a unit without CHECKSUM or DATASUM.
    """
    return not _is_summed(header) or _fold(_sum_words(unit)) == _ALL_ONES


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
    if not _answers.get(key, lambda: _range_adds_up(path, start, end)):
        raise SpectrumError(_DAMAGED)


def _range_adds_up(path: Path, start: int, end: int) -> bool:
    total = 0
    with path.open("rb") as stream:
        stream.seek(start)
        while start < end and (content := stream.read(min(_CHUNK, end - start))):
            total += _sum_words(content)
            start += len(content)
    return _fold(total) == _ALL_ONES


def _is_summed(header: Header) -> bool:
    # Pipelines of HARPS write a DATASUM alone, and not that of their data.
    return header.has("CHECKSUM") and header.has("DATASUM")


def _sum_words(content: bytes) -> int:
    if len(content) % 4:  # without its padding
        content += bytes(-len(content) % 4)
    return int(np.frombuffer(content, ">u4").sum(dtype=np.uint64))


def _fold(total: int) -> int:
    """Carry what is beyond 32 bits."""
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total
