"""The bytes of a ``tf.train.Example``, without TensorFlow or protobuf.

The message, in the encoding of protocol buffers, whose fields are numbered::

    Example:  features = 1
    Features: feature = 1, a map: entries with key = 1, value = 2
    Feature:  bytes_list = 1, float_list = 2, int64_list = 3
    *List:    value = 1, repeated; floats are packed

The flux, nearly all of a record, is copied once: by the final join.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator

_LENGTH_DELIMITED, _FIXED64, _VARINT, _FIXED32 = 2, 1, 0, 5
_BYTES_LIST, _FLOAT_LIST = 1, 2


class ExampleError(ValueError):
    """Bytes are not a ``tf.train.Example``."""


def encode_example(features: Iterable[tuple[str, bytes | memoryview | float]]) -> bytes:
    """
    Serialize features of one value each.

    Parameters
    ----------
    features : iterable of (str, bytes or memoryview or float)
        Name and value; a float becomes a float32.

    Returns
    -------
    example : bytes
        A ``tf.train.Example``.
    """
    pieces: list[bytes | memoryview] = []
    size = 0
    for name, value in features:
        if isinstance(value, float):
            content: bytes | memoryview = struct.pack("<f", value)
            kind = _FLOAT_LIST
        else:
            content, kind = value, _BYTES_LIST
        head = _entry_head(name.encode(), kind, len(content))
        pieces += (head, content)
        size += len(head) + len(content)
    return b"".join([_tag(1, size), *pieces])


def decode_example(
    example: bytes, names: Container[str] | None = None
) -> dict[str, list[memoryview | float]]:
    """
    Read the features that hold bytes or floats.

    Parameters
    ----------
    example : bytes
        A ``tf.train.Example``, however it was serialized.
    names : container of str, optional
        Features to read; others are passed over, which is faster.

    Returns
    -------
    features : dict of str to list
        The values by name; bytes are views of the record.

    Raises
    ------
    ExampleError
        If the bytes are truncated or not of that message.
    """
    features: dict[str, list[memoryview | float]] = {}
    try:
        for _, features_message in _fields(memoryview(example), 1):
            for _, entry in _fields(features_message, 1):
                name = bytes(_first(entry, 1)).decode()
                if names is None or name in names:
                    features[name] = _values(_first(entry, 2))
    except (IndexError, struct.error, UnicodeDecodeError):
        raise ExampleError("not a tf.train.Example") from None
    return features


def _entry_head(name: bytes, kind: int, size: int) -> bytes:
    """Return what stands before the content: tags and lengths, built inside out."""
    head = _tag(1, size)
    head = _tag(kind, len(head) + size) + head
    head = _tag(1, len(name)) + name + _tag(2, len(head) + size) + head
    return _tag(1, len(head) + size) + head


def _tag(number: int, size: int) -> bytes:
    """Return the start of a length-delimited field."""
    encoded = bytearray([number << 3 | _LENGTH_DELIMITED])
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)


def _first(message: memoryview, number: int) -> memoryview:
    """Return a field of a message, empty if it is not there; stop at it."""
    return next((content for _, content in _fields(message, number)), memoryview(b""))


def _values(feature: memoryview) -> list[memoryview | float]:
    values: list[memoryview | float] = []
    for kind, values_message in _fields(feature, _BYTES_LIST, _FLOAT_LIST):
        for _, content in _fields(values_message, 1):
            if kind == _BYTES_LIST:
                values.append(content)
            else:
                values += (v for (v,) in struct.iter_unpack("<f", content))
    return values


def _fields(message: memoryview, *wanted: int) -> Iterator[tuple[int, memoryview]]:
    """Iterate over the wanted fields; others, such as int64 lists, are passed over."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            _, position = _varint(message, position)
            continue
        if wire_type == _LENGTH_DELIMITED:
            size, position = _varint(message, position)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise IndexError
        if position + size > len(message):
            raise IndexError
        if number in wanted:
            yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise IndexError
