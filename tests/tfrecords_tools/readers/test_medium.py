"""Medium and frame by the order of what says them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.readers.header import Header, PlainCards
from tfrecords_tools.readers.layout import Field
from tfrecords_tools.readers.medium import find_frame, find_medium
from tfrecords_tools.readers.pipelines import Pipeline
from tfrecords_tools.spectrum import SpectrumError

unhurried = settings(deadline=None)  # a machine may be busy
HARPS = Pipeline("HARPS", "air", "BARYCENT")


def wave(name: str = "wave", ucd: str = "") -> Field:
    return Field(name, (1,), lambda _: np.zeros(1), ucd=ucd)


def medium(
    axis: dict[str, object] | None = None,
    cards: dict[str, object] | None = None,
    column: Field | None = None,
    pipeline: Pipeline | None = None,
    remarks: tuple[str, ...] = (),
) -> str | None:
    header = PlainCards(cards or {}, remarks)
    of_axis = None if axis is None else PlainCards(axis)
    statement, _ = find_medium(column, of_axis, [header], pipeline)
    return None if statement is None else statement.medium


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(("WAVE", "vacuum"), ("AWAV", "air"), ("Wave", None)),
        *(("WAVE-LOG", "vacuum"), ("AWAV-LOG", "air"), ("AWAV-F2W", "air")),
        # Only the code of four letters is a statement.
        *(("WAVELENGTH", None), ("WAVELENGTH [Ang]", None), ("WAVE_LOG", None)),
        *(("Wave length", None), ("AWAVE", None), ("WAVELAMBDA", None), ("", None)),
        *(("LINEAR", None), ("Angstrom", None), ("LAMBDA", None), ("WAV", None)),
        # But words that name the medium are.
        *(("Wavelength (vacuum)", "vacuum"), ("AIR WAVELENGTH", "air")),
        ("Wavelength in air or vacuum", None),
    ],
)
def test_only_the_exact_codes_of_fits_are_statements(
    kind: str, expected: str | None
) -> None:
    assert medium(axis={"CTYPE1": kind}) == expected


@unhurried
@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ []", max_size=12))
def test_nothing_that_merely_begins_like_a_code(rest: str) -> None:
    kind = ("WAVE" + rest).strip()
    words = {"AIR", "VAC", "VACUUM"} & set(kind.replace("_", " ").split())
    if kind == "WAVE" or words:
        return
    assert medium(axis={"CTYPE1": kind}) is None


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        *(({"VACUUM": True}, "vacuum"), ({"VACUUM": False}, "air")),
        *(({"VACUUM": 1}, "vacuum"), ({"VACUUM": 0}, "air"), ({"VACUUM": 2}, None)),
        *(({"AIRORVAC": "vac"}, "vacuum"), ({"AIRORVAC": "AIR"}, "air")),
        *(
            ({"VACUUM": "T"}, "vacuum"),
            ({"VACUUM": "no"}, "air"),
            ({"VACUUM": ""}, None),
        ),
        *(({"AIRORVAC": "vacuum"}, "vacuum"), ({"AIRORVAC": "?"}, None), ({}, None)),
        # Cards of other names, of which the whole value is the medium.
        *(({"WAVTYPE": "vacuum"}, "vacuum"), ({"WAVELENGTH MEDIUM": "Air"}, "air")),
        *(({"AIR_VAC": "VAC"}, "vacuum"), ({"INS LAMP1": "vacuum"}, None)),
        *(({"DEWAR": "vacuum"}, None), ({"WAVEREF": "vacuum lamp"}, None)),
        *(({"AIR2VAC": True}, "vacuum"), ({"VACTOAIR": False}, "vacuum")),
        *(({"ISVAC": True}, "vacuum"), ({"WAVEAIR": False}, "vacuum")),
        *(({"AIR": True}, "air"), ({"AIRMASS": 1.2}, None)),
        ({"VACUUM": False, "WAVTYPE": "vacuum"}, "air"),
    ],
)
def test_cards_of_the_medium(cards: dict[str, object], expected: str | None) -> None:
    assert medium(cards=cards) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        *((wave("wavelength_air"), "air"), (wave("wave_vac"), "vacuum")),
        *((wave("vacuum_wavelength"), "vacuum"), (wave("lambda"), None)),
        *((wave("hair_wave"), None), (wave("x", "em.wl"), "vacuum")),
        *((wave("x", "em.wl;obs.atmos"), "air"), (wave("x", "meta.id"), None)),
        (wave("x", "em.wl;meta.main"), "vacuum"),
        (replace(wave(), unit="Angstrom (vac)"), "vacuum"),
    ],
)
def test_names_and_ucds_of_columns(column: Field, expected: str | None) -> None:
    assert medium(column=column) == expected


def test_harps_alone_breaks_the_rule_of_the_ucd() -> None:
    assert medium(column=wave("x", "em.wl"), pipeline=HARPS) == "air"
    other = Pipeline("X-shooter")
    assert medium(column=wave("x", "em.wl"), pipeline=other) == "vacuum"


@pytest.mark.parametrize(
    ("remark", "expected"),
    [
        *(("All wavelengths are in vacuum.", "vacuum"), ("Wavelengths in AIR", "air")),
        *(("vac2air applied to wavelengths", "air"), ("airtovac of WAVE", "vacuum")),
        *(("Wavelengths converted from vacuum to air", "air"), ("in vacuum", None)),
        *(("wavelengths at airmass 1.2", None), ("Wavelengths, air mass 1", None)),
        *(("Wavelengths in air or vacuum", None), ("Wave: vacuum -> air", "air")),
        # What was not done, or was so before, is no statement.
        ("wavelengths not converted to vacuum", None),
        ("No air-to-vacuum correction of wavelengths", None),
        ("wavelengths converted from vacuum", None),
        ("wavelength solution by vacuum UV lamp", None),
    ],
)
def test_remarks(remark: str, expected: str | None) -> None:
    assert medium(remarks=("something else", remark)) == expected


def test_the_unit_of_the_axis() -> None:
    assert medium({"CTYPE1": "LAMBDA", "CUNIT1": "Angstrom (Air)"}) == "air"


@pytest.mark.parametrize(
    ("keyword", "more"),
    [("TTYPE2", ()), ("TUNIT2", ()), ("TCOMM2", ("TCOMM2",)), ("TTYPE1", None)],
)
def test_comments_of_the_column(keyword: str, more: tuple[str, ...] | None) -> None:
    cards = fits.Header({"TTYPE1": "flux", "TTYPE2": "Wave", "TUNIT2": "Angstrom"})
    told = "vacuum wavelengths"
    cards[keyword] = told if more else (cards[keyword], told)
    text = Header(cards.tostring(padding=False, endcard=False))
    column = replace(wave(), label="Wave")
    statement, _ = find_medium(column, None, [text], None)
    assert (statement is None) == (more is None)
    assert statement is None or statement.medium == "vacuum"


def test_comments_of_the_axis() -> None:
    cards = ("CTYPE1  = 'LINEAR'", "CRVAL1  = 5000.0 / [Angstrom] in vacuum")
    axis = Header("".join(card.ljust(80) for card in cards))
    statement, notes = find_medium(None, axis, [axis], None)
    assert statement is not None
    assert notes == ("in vacuum by the comment of CRVAL1",)


LEVELS = ("axis", "cards", "column", "pipeline", "remarks")


def say(level: str, what: str) -> dict[str, object]:
    in_air = what == "air"
    return {
        "axis": {"axis": {"CTYPE1": "AWAV" if in_air else "WAVE"}},
        "cards": {"cards": {"VACUUM": not in_air}},
        "column": {"column": wave("x", "em.wl;obs.atmos" if in_air else "em.wl")},
        "pipeline": {"pipeline": Pipeline("x", "air" if in_air else "vacuum")},
        "remarks": {"remarks": (f"wavelengths in {what}",)},
    }[level]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(LEVELS, 2)))
@pytest.mark.parametrize("what", ["air", "vacuum"])
def test_the_surer_statement_counts(first: str, second: str, what: str) -> None:
    other = "vacuum" if what == "air" else "air"
    assert medium(**say(first, what), **say(second, other)) == what


def test_what_contradicts_is_told() -> None:
    axis, cards = PlainCards({"CTYPE1": "AWAV"}), PlainCards({"VACUUM": True})
    statement, notes = find_medium(None, axis, [cards], None)
    assert statement is not None
    assert statement.medium == "air"
    assert notes == ("in air by CTYPE1 AWAV, against VACUUM",)
    assert find_medium(None, None, [PlainCards({})], None) == (None, ())


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        *(({"SPECSYS": "TOPOCENT"}, "TOPOCENT"), ({"SPECSYS": "barycent"}, "BARYCENT")),
        *(({"SPECSYS": "Heliocentric"}, "HELIOCEN"), ({"SPECSYS": "LSRK"}, "LSRK")),
        *(({"SPECSYS": "topo"}, "TOPOCENT"), ({"VEL_TYPE": "observed"}, "TOPOCENT")),
        *(({"HELIO": True, "HELIO_RV": 3.0}, "HELIOCEN"), ({}, "UNKNOWN")),
        *(({"HELIO": False}, "TOPOCENT"), ({"HELIO_RV": -12.0}, "HELIOCEN")),
        *(({"HELIO": "T"}, "HELIOCEN"), ({"HELIO": "barycentric"}, "BARYCENT")),
        *(({"HELIO": "?"}, "UNKNOWN"), ({"SPECSYS": "none"}, "UNKNOWN")),
        *(({"SPECSYS": "SSB"}, "BARYCENT"), ({"SPECSYS": "obs"}, "TOPOCENT")),
        *(({"HELCORR": "COMPLETE"}, "HELIOCEN"), ({"HELCORR": "OMIT"}, "UNKNOWN")),
        ({"BERV": 3.0}, "UNKNOWN"),
    ],
)  # fmt: skip
def test_frames(cards: dict[str, object], expected: str) -> None:
    assert find_frame([PlainCards(cards)], None).specsys == expected


def test_a_pipeline_tells_the_frame_unless_iraf_shifted_the_file() -> None:
    assert find_frame([PlainCards({})], HARPS).specsys == "BARYCENT"
    shifted = find_frame([PlainCards({"DOPCOR01": "-7.0 all"})], HARPS)
    assert shifted == ("UNKNOWN", ("IRAF dopcor before: -7.0 all",))
    topocentric = PlainCards({"SPECSYS": "TOPOCENT"})
    assert find_frame([topocentric], HARPS).specsys == "TOPOCENT"
    # The card is of before: the shift may have been that to the barycentre.
    shifted = find_frame([topocentric, PlainCards({"DOPCOR01": "12.3 all"})], HARPS)
    assert shifted.specsys == "UNKNOWN"


@pytest.mark.parametrize("keyword", ["VACUUM", "AIRORVAC"])
def test_a_medium_that_is_none_is_not_taken_for_absent(keyword: str) -> None:
    with pytest.raises(SpectrumError, match=f"{keyword} is 'vacqum': neither air nor"):
        find_medium(None, None, [PlainCards({keyword: "vacqum"})], None)
    for unknown in ("unknown", "N/A", "?"):
        cards = PlainCards({keyword: unknown})
        assert find_medium(None, None, [cards], None) == (None, ())


@pytest.mark.parametrize("keyword", ["SPECSYS", "VEL_TYPE"])
def test_a_frame_that_is_none_is_not_taken_for_barycentric(keyword: str) -> None:
    with pytest.raises(SpectrumError, match=f"{keyword} is 'TOQOCENT': no known frame"):
        find_frame([PlainCards({keyword: "TOQOCENT"})], None)
    unknown = PlainCards({keyword: "unknown"})
    assert find_frame([unknown], None).specsys == "UNKNOWN"
