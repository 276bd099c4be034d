from __future__ import annotations

import base64

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.report.packing import Packed, encode_floats, pack


def unpack(packed: Packed) -> np.ndarray:
    integers = np.frombuffer(base64.b64decode(packed["data"]), "<i2")
    values = packed["offset"] + packed["scale"] * integers
    return np.where(integers == -32768, np.nan, values)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=40))
def test_unpacked_they_are_within_half_a_step(values: list[float]) -> None:
    exact = np.array(values)
    packed = pack(exact)
    found, known = unpack(packed), np.isfinite(exact)
    np.testing.assert_array_equal(np.isfinite(found), known)
    assert (np.abs(found - exact)[known] <= 0.501 * packed["scale"]).all()
    if known.any() and np.ptp(exact[known]) > 0.0:
        assert packed["scale"] <= 1.001 * np.ptp(exact[known]) / 65_534


def test_floats_keep_every_bit() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = np.frombuffer(base64.b64decode(encode_floats(values)), "<f8")
    np.testing.assert_array_equal(found, values)
