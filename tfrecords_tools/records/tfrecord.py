"""Files of records as TensorFlow frames them, read and written without it.

A record is its length (uint64), the masked CRC-32C of those eight bytes, the data,
and the masked CRC-32C of the data; all little-endian.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from tfrecords_tools.errors import UserError

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEAD = _LENGTH.size + _CRC.size
_FLUSH_BYTES = 2**24
_MAX_RECORD = 2**31
"""Protocol buffers end here; a longer length is corrupt, whatever its CRC."""


class RecordError(UserError):
    """A record is corrupt; the message names the file and the record."""


class RecordWriter(AbstractContextManager["RecordWriter"]):
    """
    Write records to a file.

    Parameters
    ----------
    path : Path
        The file; it is replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._hash = hashlib.sha256()
        self.offsets = [0]
        """Byte at which each record begins, and the size of the file so far."""
        self._flusher = ThreadPoolExecutor(1)
        self._flushed: Future[None] = self._flusher.submit(lambda: None)
        self._n_given_to_flusher = 0

    def __exit__(self, *_: object) -> None:
        with self._stream, self._flusher:
            self._flushed.result()

    @property
    def sha256(self) -> str:
        """SHA-256 of all that was written, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, record: bytes) -> None:
        """
        Append a record.

        Parameters
        ----------
        record : bytes
            Any content.
        """
        length = _LENGTH.pack(len(record))
        pieces = (
            length + _CRC.pack(masked_crc(length)),
            record,
            _CRC.pack(masked_crc(record)),
        )
        for piece in pieces:
            self._stream.write(piece)
            self._hash.update(piece)
        self.offsets.append(self.offsets[-1] + sum(len(piece) for piece in pieces))
        self._flush_now_and_then()

    def _flush_now_and_then(self) -> None:
        """Keep the disk busy meanwhile, so that little is left to wait for."""
        waiting = self.offsets[-1] - self._n_given_to_flusher
        if waiting > _FLUSH_BYTES and self._flushed.done():
            self._n_given_to_flusher = self.offsets[-1]
            self._flushed = self._flusher.submit(os.fsync, self._stream.fileno())


def read_records(path: Path) -> Iterator[bytes]:
    """
    Iterate over the records of a file, checking each one's CRCs.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    record : bytes
        In the order of the file.

    Raises
    ------
    RecordError
        If a record is truncated or its length or content does not fit its CRC.

    Examples
    --------
    >>> from tfrecords_tools.records.manifest import read_manifest
    >>> from tfrecords_tools.records.tfrecord import read_records
    >>> manifest = read_manifest(Path("records"))
    >>> first = next(read_records(manifest.shard_paths("train")[0]))
    >>> flux, values = manifest.record_schema.decode(first)
    >>> flux.shape, values["instrument"]
    ((1000,), 'HARPS')
    """
    with path.open("rb") as stream:
        index = 0
        while head := stream.read(_HEAD):
            yield _read_record(stream, head, f"{path}: record {index}")
            index += 1


def read_intact_records(
    path: Path, offsets: Sequence[int]
) -> Iterator[tuple[int, bytes | None]]:
    """
    Iterate over the records of a file that may be damaged.

    Parameters
    ----------
    path : Path
        The file.
    offsets : sequence of int
        Byte at which each record begins, and the size of the file.

    Yields
    ------
    index : int
        Number of the record.
    record : bytes or None
        None if it does not fit its CRCs.
    """
    with path.open("rb") as stream:
        for index, start in enumerate(offsets[:-1]):
            try:
                record = read_record_at(stream, start, "")
            except RecordError:
                yield index, None
            else:
                yield index, record


def read_record_at(stream: BinaryIO, start: int, name: str) -> bytes:
    """
    Read one record and check its CRCs.

    Parameters
    ----------
    stream : binary file
        The shard.
    start : int
        Byte at which the record's frame begins.
    name : str
        What the error calls the record.

    Returns
    -------
    record : bytes
        The data.

    Raises
    ------
    RecordError
        If the frame is truncated or does not fit its CRCs.
    """
    stream.seek(start)
    return _read_record(stream, stream.read(_HEAD), name)


def masked_crc(content: bytes) -> int:
    """Compute the checksum TensorFlow stores beside its data."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _read_record(stream: BinaryIO, head: bytes, name: str) -> bytes:
    if len(head) < _HEAD:
        raise RecordError(f"{name} is truncated")
    length_bytes = head[: _LENGTH.size]
    (length,) = _LENGTH.unpack(length_bytes)
    (crc,) = _CRC.unpack(head[_LENGTH.size :])
    if crc != masked_crc(length_bytes) or length > _MAX_RECORD:
        raise RecordError(f"{name} is corrupt: its length does not fit its CRC")
    record = stream.read(length)
    tail = stream.read(_CRC.size)
    if len(record) < length or len(tail) < _CRC.size:
        raise RecordError(f"{name} is truncated")
    if _CRC.unpack(tail)[0] != masked_crc(record):
        raise RecordError(f"{name} is corrupt: its content does not fit its CRC")
    return record
