from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.sentinels import describe_sentinels, find_sentinels
from tfrecords_tools.labels.values import Cells, read_values

TEFF = np.linspace(3000.0, 40000.0, 200)
RV = np.linspace(-300.0, 300.0, 601)


@pytest.mark.parametrize(
    "sentinel",
    [-99, -999, -9999, -9999.0, -99.9, -9.99, 1e20, -1e30, -32768, 9.96921e36],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_stands_apart(sentinel, dtype):
    column = np.append(TEFF, [sentinel, np.nan, sentinel]).astype(dtype)
    number = float(dtype(sentinel))
    assert find_sentinels(column.astype(np.float64)) == {number: 2}


@pytest.mark.parametrize("sentinel", [99.99, 99.999, 999.9, 99.0])
def test_magnitudes_that_are_too_large(sentinel):
    assert find_sentinels(np.append(np.linspace(3.0, 16.0, 50), sentinel)) == {
        sentinel: 1
    }


def test_one_among_the_others_must_be_frequent():
    assert find_sentinels(RV) == {}
    assert find_sentinels(np.append(RV, [-99.0] * 3)) == {-99.0: 4}
    assert find_sentinels(np.append(RV, [-9999.0])) == {-9999.0: 1}


def test_small_numbers_far_below_all_others():
    assert find_sentinels(np.append(TEFF, [0.0] * 3)) == {}
    assert find_sentinels(np.array([5000.0, 6000.0, 0.0, 0.0, 0.0])) == {0.0: 3}
    assert find_sentinels(np.array([3.2, 5.1, -1.0, -1.0, -1.0])) == {-1.0: 3}
    # Rare, or near the others: [Fe/H], and velocities.
    assert find_sentinels(np.array([5000.0, 6000.0, 0.0, 0.0])) == {}
    assert find_sentinels(np.array([0.3, -0.2, -1.0, -1.0, -1.0])) == {}


def test_ordinary_columns_have_none():
    for column in (
        TEFF,
        RV,
        np.arange(1.0, 1000.0),
        np.arange(100.0),
        [-9.0, 9.9, 5.0],
    ):
        assert find_sentinels(np.asarray(column)) == {}
    assert find_sentinels(np.array([np.nan, np.inf])) == {}
    assert find_sentinels(np.array([])) == {}


@settings(deadline=None)
@given(st.lists(st.floats(1.0, 8.9), min_size=1), st.integers(1, 5))
def test_a_negative_number_of_nines_among_positive_ones(values, n):
    assert find_sentinels(np.array([*values, *[-999.0] * n])) == {-999.0: n}


def test_a_column_of_nothing_else():
    assert find_sentinels(np.array([-9999.0, -9999.0])) == {-9999.0: 2}


def test_the_line_names_column_value_and_count_and_what_to_do():
    columns = {
        "teff": np.append(TEFF, [-9999.0, -9999.0]),
        "logg": np.array([4.4, 4.5, -9999.0]),
        "v_mag": np.array([5.0, 8.0, 99.99], np.float32),
        "sptp": np.array(["-9999"]),
    }
    assert describe_sentinels(columns) == (
        "-9999 in teff (2 rows), logg (1 row); 99.99 in v_mag (1 row): taken as "
        "numbers. If they mean unknown, leave these cells empty or set "
        "convert.missing_values=[-9999, 99.99]"
    )
    assert describe_sentinels({"rv": RV}) == ""


@pytest.mark.parametrize("sentinel", [-9999, -99.99, -999999488, 1e20, -(2**31), -1e30])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_setting_that_the_line_names_removes_it(sentinel, dtype):
    column = np.append(TEFF, [sentinel, np.nan]).astype(dtype)
    line = describe_sentinels({"teff": column})
    key, _, value = line.rpartition(" ")[2].partition("=")
    asked = {key.removeprefix("convert."): yaml.safe_load(value)}
    config = ConvertConfig.model_validate(asked)
    values = read_values(Cells("teff", column), config.missing_values).values
    np.testing.assert_array_equal(values, np.append(TEFF.astype(dtype), [np.nan] * 2))
