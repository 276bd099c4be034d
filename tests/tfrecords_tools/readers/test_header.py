"""Values of cards are astropy's."""

from __future__ import annotations

import math

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.readers.header import Header

KEYWORDS = st.sampled_from(["OBJECT", "NAXIS1", "ESO DRS BERV", "ESO TEL AIRM START"])
VALUES = (
    st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
)
# astropy takes the quote of a comment for the end of an empty value: '' / '.
COMMENTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'"),
    max_size=12,
)


@given(keyword=KEYWORDS, value=VALUES, comment=COMMENTS)
def test_values_survive_a_card(keyword: str, value: object, comment: str) -> None:
    prefix = "HIERARCH " if " " in keyword else ""
    card = fits.Card(prefix + keyword, value, comment)
    expected = fits.Card.fromstring(str(card)).value
    found = Header(str(card)).get(keyword)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "value",
    ["'it''s'", "1.5D3", "1.5d-3", "(1.0, 2.0)", ".5", "1E5", "+7", "-0.0", "'a' 'b'",
     "  ", "''", "'   '", "NaN", "T F", "0x10", "007", "1 2", "'open", "12.", "1.e5"],
)  # fmt: skip
def test_unusual_values_are_astropys(value: str) -> None:
    text = f"KEY     = {value} / comment".ljust(80)
    found = Header(text).get("KEY")
    try:
        expected = fits.Card.fromstring(text).value
    except (ValueError, fits.VerifyError):
        expected = None
    if isinstance(expected, fits.card.Undefined):
        expected = None
    if isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(found)
    else:
        assert found == expected
        assert type(found) is type(expected)


def test_the_first_card_of_a_keyword_counts() -> None:
    cards = [
        "OBJECT  = 'first'",
        "HIERARCH ESO DRS BERV = 1.5 / [km/s]",
        "HIERARCH ESO DRS BERVMX = 3.5",
        "OBJECT  = 'second'",
        "HIERARCH ESO DRS BERV = 2.5",
        "COMMENT HIERARCH ESO TEL AIRM START = 9.0",
        "LONG    = 'begins &'",
        "CONTINUE  'and ends'",
    ]
    header = Header("".join(card.ljust(80) for card in cards))
    assert header.text("OBJECT") == "first"
    assert header.number("ESO DRS BERV") == 1.5
    assert header.number("ESO DRS BERVMX") == 3.5
    assert not header.has("ESO TEL AIRM START")
    assert header.text("LONG") == "begins and ends"
    assert list(header.cards) == [
        *("OBJECT", "ESO DRS BERV", "ESO DRS BERVMX", "COMMENT", "LONG"),
    ]
