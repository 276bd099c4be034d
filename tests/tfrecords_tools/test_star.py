from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.star import star_name, star_of


@pytest.mark.parametrize(
    ("star", "spellings"),
    [
        (
            "HD128621",
            ["HD 128621", "HD128621", "hd_128621", " HD-128621 ", "HD  0128621"],
        ),
        ("GJ581", ["Gl581", "GJ 581", "Gliese 581", "gl_581"]),
        ("BD-002387", ["BD-00 2387", "BD-002387", "bd-00_2387"]),
        ("TYC12-345-6", ["TYC 12-345-6", "TYC12-345-6", "TYC 12 345 6"]),
        ("WASP109", ["WASP-109", "Wasp 109"]),
        ("ALFCENB", ["* alf Cen B", "alf Cen B", "NAME alf Cen B"]),
        ("V645CEN", ["V* V645 Cen", "V645 Cen"]),
        ("SUN", ["Sun", "Ganymede", "Sun-sky", "MOON", "(4) Vesta", "1 Ceres", "Io"]),
        ("", ["", "  ", "unknown", "STAR", "N/A", "-"]),
    ],
)
def test_spellings_of_one_star(star, spellings):
    assert {star_name(spelling) for spelling in spellings} == {star}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HD 20430", "HD 204301"),
        ("HD 128620", "HD 128620 A"),
        ("BD-00 2387", "BD+00 2387"),
        ("TYC 12-345-6", "TYC 123-45-6"),
        ("NGC 2682 164", "NGC 268 2164"),
        ("Io", "Io Peg"),
        ("Vesta", "Vesta B"),
        ("GJ 105 A", "GJ 105 B"),
        ("HIP 1000", "HD 1000"),
        ("HD 10", "HD 100"),
        ("Titan", "Sun"),
        ("WASP-10", "WASP-109"),
    ],
)
def test_near_names_of_different_stars(one, other):
    assert star_name(one) != star_name(other)


def test_aliases_go_before_the_built_in_ones():
    aliases = {"alpha Cen B": "HD 128621", "Hebe": "sun-sky"}
    assert star_name("ALPHA CEN B", aliases) == "HD128621"
    assert star_name("hebe", aliases) == "SUN"
    assert star_name("Ganymede", {"Ganymede": "HD 1"}) == "HD1"


def test_a_spectrum_without_a_name_is_a_star_of_its_own():
    assert star_of("HD 1", "ADP.1") == "HD1"
    assert star_of("alpha Cen B", "ADP.1", {"alpha Cen B": "HD 128621"}) == "HD128621"
    assert star_of("unknown", "ADP.1") == "? ADP.1" != star_of("", "ADP.2")
    assert star_name("? ADP.1") != "? ADP.1"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_a_normalised_name_stays_as_it_is(target):
    star = star_name(target)
    assert star_name(star) == star
