"""Bounds of a gRPC message, read from its bytes before anything is built of it."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from kserve.errors import InvalidInput

MAX_FIELDS = 1024
"""Fields of one message, those of the messages in it included."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_INTEGER_BYTES = {
    FieldDescriptor.TYPE_INT64: 8,
    FieldDescriptor.TYPE_UINT64: 8,
    FieldDescriptor.TYPE_INT32: 4,
    FieldDescriptor.TYPE_UINT32: 4,
}
"""What one integer has once it is built; in the message it may have 1 byte."""
_M = TypeVar("_M", bound=Message)


def parse_bounded(content: bytes, kind: type[_M], max_bytes: int) -> _M:
    """
    Parse a message, unless it would take far more memory than its bytes do.

    Parameters
    ----------
    content : bytes
        As they arrived.
    kind : type
        Of the message.
    max_bytes : int
        What a list of integers in it may have once it is built.

    Returns
    -------
    message : Message
        The message.

    Raises
    ------
    InvalidInput
        If the bytes are no such message, or it has more than `MAX_FIELDS` fields or
        too many integers.
    """
    try:
        _count_fields(memoryview(content), kind.DESCRIPTOR, max_bytes, MAX_FIELDS)
        message: _M = kind.FromString(content)
    except (IndexError, DecodeError):
        raise InvalidInput(f"the request is no {kind.DESCRIPTOR.name}") from None
    return message


def _count_fields(
    content: memoryview, kind: Descriptor, max_bytes: int, n_left: int
) -> int:
    """Return how many more fields the whole message may have."""
    at = 0
    while at < len(content):
        n_left -= 1
        if n_left < 0:
            raise InvalidInput(
                f"the request has more than {MAX_FIELDS} fields; send each tensor "
                f"whole, in raw_input_contents or in a packed list"
            )
        tag, at = _read_varint(content, at)
        field = kind.fields_by_number.get(tag >> 3)
        start, at = _skip(content, at, tag & 7)
        if field is None or tag & 7 != _LENGTH:
            continue
        if field.message_type is not None:
            n_left = _count_fields(
                content[start:at], field.message_type, max_bytes, n_left
            )
        elif (at - start) * _INTEGER_BYTES.get(field.type, 0) > max_bytes:
            raise InvalidInput(f"{field.name} has too many integers")
    return n_left


def _skip(content: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    """Return where the value of a field begins and ends."""
    if wire_type == _VARINT:
        return at, _read_varint(content, at)[1]
    if wire_type == _LENGTH:
        n_bytes, at = _read_varint(content, at)
    elif wire_type in (_FIXED32, _FIXED64):
        n_bytes = 4 if wire_type == _FIXED32 else 8
    else:  # a group, which this protocol does not have
        raise IndexError
    if at + n_bytes > len(content):
        raise IndexError
    return at, at + n_bytes


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError
