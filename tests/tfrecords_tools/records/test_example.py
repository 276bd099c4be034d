from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.records.example import ExampleError, decode_example, encode_example

VALUES = st.one_of(st.binary(max_size=300), st.floats(width=32))


def plain(value):
    return value if isinstance(value, float) else bytes(value)


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=8))
def test_what_is_encoded_is_decoded(features):
    decoded = decode_example(encode_example(features.items()))
    assert decoded.keys() == features.keys()
    for name, value in features.items():
        (found,) = decoded[name]
        if isinstance(value, float) and math.isnan(value):
            assert math.isnan(found)
        else:
            assert plain(found) == value


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_read_or_refused(content):
    with contextlib.suppress(ExampleError):
        decode_example(content)


def test_other_bytes_are_no_example():
    with pytest.raises(ExampleError, match=r"^not a tf\.train\.Example$"):
        decode_example(b"\x0a\xff")


@given(st.data())
def test_truncated_examples_are_never_misread(data):
    example = encode_example([("flux", bytes(200)), ("ra", 1.5)])
    size = data.draw(st.integers(1, len(example) - 1))
    with pytest.raises(ExampleError):
        decode_example(example[:size])


def test_bytes_of_a_known_example():
    # As `protoc --encode` writes: Features{feature{key "a", float_list{1.0}}}.
    expected = bytes.fromhex("0a0f0a0d0a016112081206 0a040000803f".replace(" ", ""))
    assert encode_example([("a", 1.0)]) == expected


def test_integers_and_unknown_fields_are_passed_over():
    # Field 9 of type varint before a feature with an int64 list of one 5.
    integer = bytes.fromhex("48010a0c0a0a0a016912051a030a0105")
    assert decode_example(integer) == {"i": []}


def test_views_are_writable_copies_of_nothing():
    flux = np.arange(4, dtype="<f4")
    (content,) = decode_example(encode_example([("flux", flux.data.cast("B"))]))["flux"]
    np.testing.assert_array_equal(np.frombuffer(content, "<f4"), flux)
