from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.records.tfrecord import (
    RecordError,
    RecordWriter,
    masked_crc,
    read_records,
)

RECORDS = [b"first", b"", b"x" * 1000]


@pytest.fixture
def path(tmp_path):
    with RecordWriter(tmp_path / "shard") as writer:
        for record in RECORDS:
            writer.write(record)
    return tmp_path / "shard"


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_records_are_read_as_they_were_written(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("records") / "shard"
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    content = path.read_bytes()
    assert list(read_records(path)) == records
    assert writer.sha256 == hashlib.sha256(content).hexdigest()
    assert writer.offsets[-1] == len(content)
    for offset, record in zip(writer.offsets, records, strict=False):
        assert content[offset + 12 :].startswith(record)


def test_masked_crc_of_the_standard_check_value():
    # CRC-32C of "123456789" is 0xE3069283 (RFC 3720 and the CRC catalogue).
    crc = 0xE3069283
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_a_flipped_bit_anywhere_is_found(path):
    content = path.read_bytes()
    starts = [0, 21, 37]
    for position in range(0, len(content), 7):
        broken = bytearray(content)
        broken[position] ^= 1 << position % 8
        path.write_bytes(broken)
        number = sum(position >= start for start in starts) - 1
        with pytest.raises(RecordError, match=rf"shard: record {number} is corrupt"):
            list(read_records(path))


@pytest.mark.parametrize("size", [3, 12, 14, 19, 1040])
def test_a_truncated_file_is_found(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RecordError, match=r"shard: record \d is truncated"):
        list(read_records(path))


def test_each_part_of_a_record_has_its_message(path):
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match="its length does not fit its CRC"):
        list(read_records(path))
    content[0] ^= 1
    content[13] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match="its content does not fit its CRC"):
        list(read_records(path))
