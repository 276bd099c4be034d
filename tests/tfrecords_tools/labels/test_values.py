from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tfrecords_tools.labels.values import (
    Cells,
    is_number,
    is_unknown,
    list_names,
    read_values,
    to_texts,
)

UNKNOWN = (
    *("", "  ", "~", "null", "none", "nan", "--", "---", "...", "n/a", "INDEF", "-"),
    *("NA", "<NA>", "#N/A", "n.a.", "—", "…", r"\nodata", "?", "masked"),
    *("unknown", "missing", r"\N", "(null)", "<null>", "**", "x", "no data", "#DIV/0!"),
    *("#VALUE!", "undefined", "N.A", "??", "nan(ind)", "1.#QNAN", "not available"),
)
NO_CATEGORIES = ("", "~", "null", "nan", "--", "---", "...", "n/a", "INDEF", "-", "…")
FINITE = st.floats(allow_nan=False, allow_infinity=False)
"""Any number that a table can hold."""


@st.composite
def unknown_cells(draw):
    text = draw(st.sampled_from(UNKNOWN))
    case = draw(st.sampled_from([str, str.upper, str.lower, str.title]))
    return (
        draw(st.sampled_from(["", " "])) + case(text) + draw(st.sampled_from(["", " "]))
    )


@st.composite
def number_cells(draw):
    """A number, and a text that says it exactly."""
    value = draw(FINITE)
    text = draw(st.sampled_from([repr(value), f"{value:.17e}", f" {value!r}\t"]))
    if draw(st.booleans()):
        text = text.replace("e", draw(st.sampled_from("EdD")))
    if draw(st.booleans()):
        text = text.replace("-", "−")
    if math.copysign(1.0, value) > 0.0 and draw(st.booleans()):
        text = f"+{text.strip()}"
    return value, text


def read(texts, **more):
    return read_values(Cells("x", texts, **more)).values


@settings(deadline=None)
@given(st.lists(st.one_of(number_cells(), unknown_cells()), min_size=1))
def test_unknown_cells_leave_a_column_one_of_numbers(cells):
    expected = [math.nan if isinstance(c, str) else c[0] for c in cells]
    values = read([c if isinstance(c, str) else c[1] for c in cells])
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)


@settings(deadline=None)
@given(
    st.lists(st.one_of(number_cells(), unknown_cells())),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    st.integers(min_value=0),
)
def test_any_other_cell_makes_it_text(cells, other, place):
    assume(not is_unknown(other) and not is_number(other))
    texts = [c if isinstance(c, str) else c[1] for c in cells]
    texts.insert(place % (len(texts) + 1), other)
    values = read(texts)
    assert values.dtype.kind == "U"
    nothing = {text.lower() for text in NO_CATEGORIES}
    for text, value in zip(texts, values, strict=True):
        if text.strip().lower() in nothing:
            assert value == ""
        elif not is_unknown(text):
            assert value == text.strip()


@pytest.mark.parametrize("text", ["None", "Na", "nd"])
def test_a_category_may_have_the_name_of_nothing(text):
    assert list(read([text, "Fe", "~", "-"])) == [text, "Fe", "", ""]
    np.testing.assert_array_equal(read([text, "5"]), [np.nan, 5.0])


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1))
def test_decimal_commas_are_read_where_they_can_only_be_that(numbers):
    texts = [repr(number).replace(".", ",") for number in numbers]
    assume(any("," in text for text in texts))
    cells = Cells("x", texts, has_decimal_commas=True)
    reading = read_values(cells)
    assert reading.used_decimal_commas
    np.testing.assert_array_equal(reading.values, numbers)
    assert read(texts).dtype.kind == "U"  # or are they of thousands?


@pytest.mark.parametrize("texts", [["1.234,5"], ["1,5", "1.5"], ["1,234,567"]])
def test_commas_that_may_be_of_thousands_are_text(texts):
    assert read(texts, has_decimal_commas=True).dtype.kind == "U"


@pytest.mark.parametrize(
    "text", ["1_000", "5 344", "5344:", "<3", "0x10", "1e", "G2", "٣", "1-2", "e5", ""]
)
def test_no_numbers(text):
    assert not is_number(text)


@pytest.mark.parametrize(
    "text", ["5", "-.5", "5.", "+1e-3", "1D+02", "inf", "-Infinity"]
)
def test_numbers(text):
    assert is_number(text)
    assert not is_unknown(text)


def test_no_label_is_infinite():
    np.testing.assert_array_equal(
        read(["1", "inf", "-Infinity"]), [1.0, np.nan, np.nan]
    )
    np.testing.assert_array_equal(read(np.array([1.0, np.inf])), [1.0, np.nan])


def test_integers_too_long_for_a_float_are_text():
    ids = ["6963761190199424", "4295806720"]
    assert list(read(ids)) == ids
    assert list(read(np.array([int(i) for i in ids]))) == ids
    masked = np.ma.MaskedArray([10**18 + 1, 5], [True, False])
    np.testing.assert_array_equal(read(masked), [np.nan, 5.0])
    assert list(read(np.array([-(2**63)]))) == [str(-(2**63))]
    # Fifteen digits are exact.
    np.testing.assert_array_equal(read(["999999999999999"]), [999999999999999.0])


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, ">f4", np.int16, np.uint8, bool]
)
def test_arrays_become_floats_with_nan_where_masked(dtype):
    content = np.ma.MaskedArray(np.array([1, 0, 1], dtype), [False, False, True])
    np.testing.assert_array_equal(read(content), [1.0, 0.0, np.nan])


def test_declared_values_are_unknown_too():
    missing = (-99.99, "bad", "-1", "1D2")
    texts = ["5344", "-99.99", "BAD", "-99.990", "-1", "~", "100"]
    values = read_values(Cells("x", texts), missing).values
    np.testing.assert_array_equal(values, [5344.0, *[np.nan] * 6])
    floats = np.array([1.0, -99.99, -1.0], np.float32)
    values = read_values(Cells("x", floats), missing).values
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan])
    categories = read_values(Cells("x", ["G2", "Bad", "-99.99", "-9"]), missing).values
    assert list(categories) == ["G2", "", "", "-9"]


def test_what_keeps_a_column_from_being_numbers():
    def strays(texts):
        return read_values(Cells("x", texts)).strays

    assert strays(["5344:", "<3", "5344:", "1", "2", "3", "4", "5", "~"]) == (
        *("5344:", "<3"),
    )
    assert strays(["G2", "K0", "5"]) == ()
    assert strays(["5,344", "5,012"]) == ()
    assert strays(["1" * 16, "2" * 16]) == ()
    assert strays(["5", "~"]) == ()


def test_columns_as_text_to_compare_names():
    assert to_texts([" a ", "5.0"]) == ["a", "5.0"]
    floats = np.ma.MaskedArray([10700.0, 1.5, np.nan, 3.0, 2.4e18], [0, 0, 0, 1, 0])
    assert to_texts(floats) == ["10700", "1.5", "", "", "2.4e+18"]
    ids = np.array([2452378776434477184])
    assert to_texts(ids) == ["2452378776434477184"]


def test_long_lists_of_names_are_cut():
    assert list_names(["a", "b"]) == "a, b"
    assert list_names([str(i) for i in range(1234)], 2) == "0, 1 and 1,232 more"
