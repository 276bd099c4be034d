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
from collections.abc import Collection, Iterable, Iterator, Sequence

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
    return b"".join([field_head(1, size), *pieces])


def decode_example(
    example: bytes, names: Collection[str] | None = None
) -> dict[str, list[memoryview | float]]:
    """
    Read the features that hold bytes or floats.

    Parameters
    ----------
    example : bytes
        A ``tf.train.Example``, however it was serialized.
    names : collection of str, optional
        Features to read, once each; others are passed over, and the record is left
        when all are found, which is faster.

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
        for _, *message in _fields(example, (0, len(example)), 1):
            for _, *entry in _fields(example, message, 1):
                start, end = _first(example, entry, 1)
                name = example[start:end].decode()
                if names is None or name in names:
                    features[name] = _values(example, _first(example, entry, 2))
                    if names is not None and len(features) == len(names):
                        return features
    except (IndexError, struct.error, UnicodeDecodeError):
        raise ExampleError("not a tf.train.Example") from None
    return features


def field_head(number: int, size: int) -> bytes:
    """
    Serialize what stands before the content of a length-delimited field.

    Parameters
    ----------
    number : int
        Of the field, 1 to 15.
    size : int
        Of the content [byte].

    Returns
    -------
    head : bytes
        The field's tag and the size.
    """
    encoded = bytearray([number << 3 | _LENGTH_DELIMITED])
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)


def _entry_head(name: bytes, kind: int, size: int) -> bytes:
    """Return what stands before the content: tags and lengths, built inside out."""
    head = field_head(1, size)
    head = field_head(kind, len(head) + size) + head
    head = field_head(1, len(name)) + name + field_head(2, len(head) + size) + head
    return field_head(1, len(head) + size) + head


def _first(content: bytes, message: Sequence[int], number: int) -> tuple[int, int]:
    """Return start and end of a field of a message, both 0 if it is not there."""
    return next(((a, b) for _, a, b in _fields(content, message, number)), (0, 0))


def _values(content: bytes, feature: Sequence[int]) -> list[memoryview | float]:
    values: list[memoryview | float] = []
    view = memoryview(content)
    for kind, *message in _fields(content, feature, _BYTES_LIST, _FLOAT_LIST):
        for _, start, end in _fields(content, message, 1):
            if kind == _BYTES_LIST:
                values.append(view[start:end])
            else:
                values += (v for (v,) in struct.iter_unpack("<f", view[start:end]))
    return values


def _fields(
    content: bytes, message: Sequence[int], *wanted: int
) -> Iterator[tuple[int, int, int]]:
    """
    Iterate over number, start and end of the wanted fields of a message.

    Others, such as int64 lists, are passed over. A record is read for each spectrum
    in training: places are faster than views, and most keys and sizes are one byte.
    """
    start, end = message
    while start < end:
        key = content[start]
        key, start = (key, start + 1) if key < 0x80 else _varint(content, start)
        number, wire_type = key >> 3, key & 7
        if wire_type == _LENGTH_DELIMITED:
            size = content[start]
            size, start = (size, start + 1) if size < 0x80 else _varint(content, start)
        elif wire_type == _VARINT:
            size, start = 0, _varint(content, start)[1]
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise IndexError
        stop = start + size
        if stop > end:
            raise IndexError
        if number in wanted and wire_type != _VARINT:
            yield number, start, stop
        start = stop


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise IndexError
