"""Values of cards are astropy's."""

from __future__ import annotations

import contextlib
import itertools
import math

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.readers.header import Header
from tfrecords_tools.spectrum import SpectrumError

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
    expected = fits.Card.fromstring(str(card))
    header = Header(str(card))
    found = header.get(keyword)
    assert found == expected.value
    assert type(found) is type(expected.value)
    assert header.comment(keyword) == expected.comment


@pytest.mark.parametrize(
    "value",
    ["'it''s'", "1.5D3", "1.5d-3", "(1.0, 2.0)", ".5", "1E5", "+7", "-0.0", "'a' 'b'",
     "  ", "''", "'   '", "T F", "0x10", "007", "1 2", "'open", "12.", "1.e5"],
)  # fmt: skip
def test_unusual_values_are_astropys(value: str) -> None:
    text = f"KEY     = {value} / comment".ljust(80)
    try:
        expected = fits.Card.fromstring(text).value
    except (ValueError, fits.VerifyError):
        with pytest.raises(SpectrumError, match="header card KEY cannot be read"):
            Header(text).get("KEY")
        return
    found = Header(text).get("KEY")
    if isinstance(expected, fits.card.Undefined):
        expected = None
    if isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(found)
    else:
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    "value", ["NaN", "-nan", "INF", "N/A", "none", "unknown", "****", "--", "", "/ Å"]
)
def test_a_card_may_say_that_there_is_no_value(value: str) -> None:
    for key in ("KEY     ", "HIERARCH ESO A KEY "):
        header = Header(f"{key}= {value}".ljust(80))
        name = key.removeprefix("HIERARCH ").strip()
        assert header.has(name)
        assert math.isnan(header.number(name))
        assert header.text(name) == ""
    assert Header("KEY".ljust(80)).get("KEY") is None


def test_a_comment_may_hold_anything() -> None:
    header = Header("KEY     =                 -8.5 / [°] in Å, 'open".ljust(80))
    assert header.get("KEY") == -8.5
    assert header.comment("KEY") == "[°] in Å, 'open"


@pytest.mark.parametrize(
    "card",
    ["KEY     =                   1..5", "KEY     <                    8.5",
     "KEY     =!                   8.5", "KEY     =                   U / of T",
     "KEY     = &vacuum  '", "KEY     = 'vacuum  g", "KEY     = /vacuum  '",
     "HIERARCH ESO KEY ? 8.5", "HIERARCH ESO KEY = 8..5", "KEY     8.5"],
)  # fmt: skip
def test_a_card_that_cannot_be_read_is_not_taken_for_absent(card: str) -> None:
    name = "ESO KEY" if card.startswith("HIERARCH") else "KEY"
    header = Header(card.ljust(80))
    for read in (header.get, header.text, header.number, header.stated_number):
        with pytest.raises(SpectrumError, match=f"header card {name} cannot be read"):
            read(name)


@pytest.mark.parametrize(
    "card",
    ["CRPIX1  =                 11.0", "CUNIT1  = 'nm      '", "CTYPE1  = 'AWAV    '",
     "DC-FLAG =                    1", "VACUUM  =                    T",
     "BERV    = 8.5",
     "HIERARCH ESO DRS BERV = 8.5 / [km/s]", "SPECSYS = 'TOPOCENT'           / frame"],
)  # fmt: skip
def test_no_bit_makes_a_card_absent(card: str) -> None:
    name = card.partition("=")[0].removeprefix("HIERARCH ").strip()
    first = card.index("=") + card.startswith("HIERARCH")  # else it is another keyword
    for byte, bit in itertools.product(range(first, 40), range(8)):
        content = bytearray(card.ljust(80).encode())
        content[byte] ^= 1 << bit
        with contextlib.suppress(SpectrumError):
            assert Header(content.decode("latin-1")).get(name) is not None


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


def test_a_header_knows_the_words_that_begin_its_long_keywords() -> None:
    cards = ["HIERARCH ESO DRS BERV = 1.5", "COMMENT HIERARCH OHP DRS BERV = 1.5"]
    header = Header("".join(card.ljust(80) for card in cards))
    assert header.has_group("ESO")
    assert header.has_group("ESO DRS")
    for words in ("ESO DRS BERV 1", "ESO DR", "OHP", "OHP DRS", "E" * 80):
        assert not header.has_group(words)
    assert not Header("").has_group("ESO")
