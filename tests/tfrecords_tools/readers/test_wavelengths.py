"""Wavelengths against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.readers.header import Header
from tfrecords_tools.readers.wavelengths import (
    has_unit,
    read_axis,
    to_angstrom,
)
from tfrecords_tools.spectrum import SpectrumError

unhurried = settings(deadline=None)  # a machine may be busy
N = 400
PIXEL = np.arange(N)


def header(**cards: object) -> Header:
    text = fits.Header()
    for keyword, value in cards.items():
        text[keyword.replace("_", "-")] = value
    return Header(text.tostring(padding=False, endcard=False))


starts = st.floats(3000.0, 50_000.0)
steps = st.floats(0.005, 2.0)
references = st.integers(-50, 400)
UNITS = {"Angstrom": 1.0, "nm": 10.0, "um": 1e4, "m": 1e10, "0.1nm": 1.0}


@unhurried
@given(start=starts, step=steps, reference=references, unit=st.sampled_from([*UNITS]))
def test_a_linear_axis_in_any_unit(
    start: float, step: float, reference: int, unit: str
) -> None:
    factor = UNITS[unit]
    first = start - (1.0 - reference) * step
    cards = header(
        CRVAL1=first / factor, CDELT1=step / factor, CRPIX1=reference, CUNIT1=unit
    )
    axis = read_axis(cards, N)
    np.testing.assert_allclose(axis.wave, start + step * PIXEL, rtol=1e-9)
    assert axis.notes == ()


@unhurried
@given(
    start=starts,
    step=st.floats(1e-7, 5e-5),
    base=st.sampled_from([10.0, math.e]),
    said=st.sampled_from(["DC-FLAG", "LOGLIN", "log(wavelength)", "LOG-LINEAR", ""]),
    unit=st.sampled_from(["", "Angstrom"]),
)
def test_a_logarithmic_axis_however_it_is_called(
    start: float, step: float, base: float, said: str, unit: str
) -> None:
    """The numbers say which logarithm, and that it is one where nothing else does."""
    cards = {"CRVAL1": math.log(start, base), "CDELT1": step, "CRPIX1": 1}
    if said == "DC-FLAG":
        cards["DC-FLAG"] = 1
    elif said:
        cards["CTYPE1"] = said
    if unit:
        cards["CUNIT1"] = unit
    axis = read_axis(header(**cards), N)
    expected = base ** (math.log(start, base) + step * PIXEL)
    np.testing.assert_allclose(axis.wave, expected, rtol=1e-9)
    assert axis.notes == (
        "log10 of wavelengths" if base == 10.0 else "ln of wavelengths",
    )


@unhurried
@given(start=starts, step=steps, code=st.sampled_from(["WAVE", "AWAV"]))
def test_the_logarithm_of_fits(start: float, step: float, code: str) -> None:
    cards = header(
        CRVAL1=start, CDELT1=step, CRPIX1=3, CTYPE1=f"{code}-LOG", CUNIT1="Angstrom"
    )
    expected = start * np.exp((PIXEL - 2.0) * step / start)
    np.testing.assert_allclose(read_axis(cards, N).wave, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("unit", "factor"), [("m", 1e10), ("", 1e10), ("um", 1e4), ("", 1e4), ("nm", 10.0)]
)
def test_the_logarithm_of_fits_in_long_units(unit: str, factor: float) -> None:
    """The start is a wavelength, however small its number is."""
    cards = header(
        CRVAL1=5e3 / factor, CDELT1=0.5 / factor, CRPIX1=1, CTYPE1="WAVE-LOG",
        CUNIT1=unit,
    )  # fmt: skip
    expected = 5e3 * np.exp(PIXEL * 0.5 / 5e3)
    np.testing.assert_allclose(read_axis(cards, N).wave, expected, rtol=1e-12)


@unhurried
@given(start=starts, step=st.floats(1e-7, 5e-5), code=st.sampled_from(["WAVE", "AWAV"]))
def test_a_code_of_fits_with_the_logarithm_itself(
    start: float, step: float, code: str
) -> None:
    """As the PHOENIX library has it, against the standard."""
    cards = header(CRVAL1=math.log(start), CDELT1=step, CRPIX1=1, CTYPE1=f"{code}-LOG")
    expected = np.exp(math.log(start) + step * PIXEL)
    np.testing.assert_allclose(read_axis(cards, N).wave, expected, rtol=1e-9)


def test_coefficients_of_sdss() -> None:
    axis = read_axis(header(COEFF0=3.5682, COEFF1=1e-4), N)
    np.testing.assert_allclose(axis.wave, 10.0 ** (3.5682 + 1e-4 * PIXEL))


def test_a_logarithm_of_nanometres() -> None:
    cards = header(CRVAL1=math.log10(500.0), CDELT1=1e-5, CRPIX1=1, CUNIT1="nm")
    expected = 10.0 * 10.0 ** (math.log10(500.0) + 1e-5 * PIXEL)
    np.testing.assert_allclose(read_axis(cards, N).wave, expected)


@pytest.mark.parametrize(
    "kind",
    ["PIXEL", "Pixels", "%", "km/s", "VELO-LSR", "Velocity", "VRAD", "FREQ", "ENER",
     "Wavenumber", "RV [km/s]", "MULTISPE", "RA---TAN", "percent", "Order", "Index",
     "m/s", "PHASE", "Channel", "WAVN", "VOPT-F2W", "redshift"],
)  # fmt: skip
def test_other_axes_are_refused_by_name(kind: str) -> None:
    cards = header(CTYPE1=kind, CRVAL1=5000.0, CDELT1=0.1, CRPIX1=1)
    with pytest.raises(SpectrumError, match="no wavelengths: CTYPE1 is "):
        read_axis(cards, N)


@pytest.mark.parametrize(
    "kind", ["", "LINEAR", "WAVE", "AWAV", "Wavelength", "LAMBDA", "WAVELENGTH [Ang]",
             "Angstrom", "WAVELENGTH (A)", "SPECTRAL", "Wavelength, air"],
)  # fmt: skip
def test_names_of_wavelengths_are_not(kind: str) -> None:
    cards = header(CTYPE1=kind, CRVAL1=5000.0, CDELT1=0.1, CRPIX1=1)
    np.testing.assert_allclose(read_axis(cards, N).wave, 5000.0 + 0.1 * PIXEL)


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "pixels that say so in nothing": (
        {"CRVAL1": 1.0, "CDELT1": 1.0},
        "an axis of pixels, 1 and up by 1",
    ),
    "label of IRAF": (
        {"CRVAL1": 5e3, "CDELT1": 1.5, "WAT1_001": "wtype=linear label=Pixel"},
        "the label in WAT1_001 is 'Pixel'",
    ),
    "no step": ({"CRVAL1": 5000.0}, "CRVAL1 or CDELT1 is missing"),
    "velocities": ({"CRVAL1": -200.0, "CDELT1": 1.2}, "without a unit may be anything"),
    "X-rays": (
        {"CRVAL1": 20.0, "CDELT1": 0.1, "CUNIT1": "Angstrom"},
        "no wavelengths of a star: 20 to 59.9 Angstrom",
    ),
    "radio": (
        {"CRVAL1": 0.2, "CDELT1": 1e-4, "CUNIT1": "m"},
        "no wavelengths of a star: 2e.09 to",
    ),
    "a unit of velocity": (
        {"CRVAL1": 5e3, "CDELT1": 0.1, "CUNIT1": "km/s"},
        "unknown unit of wavelength 'km/s'",
    ),
    "a logarithm by name": (
        {"CRVAL1": 5100.0, "CDELT1": 0.1, "CTYPE1": "LOGLIN"},
        "logarithms by CTYPE1, but from 5100 to",
    ),
    "a logarithm by flag": (
        {"CRVAL1": 5100.0, "CDELT1": 0.1, "DC-FLAG": 1},
        "logarithms by DC-FLAG, but from 5100 to",
    ),
    "an algorithm": (
        {"CRVAL1": 5e3, "CDELT1": 0.1, "CTYPE1": "WAVE-TAB"},
        "an axis of the kind WAVE-TAB is not known",
    ),
    "steps that differ": (
        {"CRVAL1": 5e3, "CDELT1": 0.1, "CD1_1": 0.2},
        "CD1_1 and CDELT1 differ",
    ),
    "ultraviolet or infrared": (
        {"CRVAL1": 1000.0, "CDELT1": 2.0},
        "1000 to 1798 without a unit may be anything",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_axis_of_wavelengths_is_refused(case: str) -> None:
    cards, reason = REFUSED[case]
    text = fits.Header(cards)
    with pytest.raises(SpectrumError, match=reason):
        read_axis(Header(text.tostring(padding=False, endcard=False)), N)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("CRPIX1", "'one'", "header card CRPIX1 is no number"),
        ("CRPIX1", "1..5", "header card CRPIX1 cannot be read"),
        ("CRPIX1", "", "header card CRPIX1 is no number"),
        ("CRVAL1", "'5000'", "header card CRVAL1 is no number"),
        ("CDELT1", "T", "header card CDELT1 is no number"),
        ("DC-FLAG", "'1'", "header card DC-FLAG is no number"),
        ("CUNIT1", "5", "header card CUNIT1 is no text"),
        ("CUNIT1", "nm", "header card CUNIT1 cannot be read"),
        ("CTYPE1", "AWAV", "header card CTYPE1 cannot be read"),
        ("DC-FLAG", "5", "header card DC-FLAG is 5: no kind of axis"),
    ],
)
def test_a_card_that_cannot_be_read_is_not_taken_for_absent(
    keyword: str, value: str, reason: str
) -> None:
    cards = {"CRVAL1": "5000.0", "CDELT1": "0.1", "CRPIX1": "1.0", keyword: value}
    text = "".join(f"{key:8}= {value:>20}".ljust(80) for key, value in cards.items())
    with pytest.raises(SpectrumError, match=reason):
        read_axis(Header(text), N)


def test_empty_cards_of_text_say_nothing() -> None:
    text = "".join(
        f"{key:8}= {value:>20}".ljust(80)
        for key, value in {
            "CRVAL1": "5000.0", "CDELT1": "0.1", "CRPIX1": "1",
            "CUNIT1": "", "CTYPE1": "''",
        }.items()
    )  # fmt: skip
    np.testing.assert_allclose(read_axis(Header(text), N).wave, 5000 + 0.1 * PIXEL)


@pytest.mark.parametrize(
    ("cd", "cdelt"), [(0.1, 1.0), (1.0, 0.1), (0.1, 0.1), (0.1, 0.0), (0.0, 0.1)]
)
def test_a_step_of_one_or_none_may_fill_the_card(cd: float, cdelt: float) -> None:
    text = fits.Header({"CRVAL1": 5e3, "CD1_1": cd, "CDELT1": cdelt, "CRPIX1": 1})
    axis = read_axis(Header(text.tostring(padding=False, endcard=False)), N)
    np.testing.assert_allclose(axis.wave, 5000.0 + 0.1 * PIXEL)


def test_a_missing_reference_pixel_is_told() -> None:
    axis = read_axis(header(CRVAL1=5e3, CDELT1=0.1, CUNIT1="Angstrom"), N)
    assert axis.notes == ("CRPIX1 missing: 1",)
    assert axis.wave[0] == 5000.0


@unhurried
@given(
    low=st.floats(3100.0, 24_000.0),
    unit=st.sampled_from(["nm", "um", "m", "Angstrom"]),
)
def test_a_unit_that_is_not_stated_follows_from_the_numbers(
    low: float, unit: str
) -> None:
    wave = np.linspace(low, 1.2 * low, 50)
    if unit == "nm" and low >= 9000.0:
        return  # may be Angstrom
    if unit == "um" and low >= 28_000.0:
        return  # may be logarithms
    axis = to_angstrom(wave / UNITS[unit], "")
    np.testing.assert_allclose(axis.wave, wave, rtol=1e-12)
    assert axis.notes == (f"wavelengths in {unit}: guessed",)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("Angstroms", 1.0), ("ANGSTROM", 1.0), ("[Angstrom]", 1.0), ("nanometer", 10.0),
     ("micron", 1e4), ("Å", 1.0), ("μm", 1e4), ("10**-10 m", 1.0), ("Ang.", 1.0),
     ("micro m", 1e4), ("Angstrom (Vacuum)", 1.0), ("nm, in air", 10.0)],
)  # fmt: skip
def test_units_as_they_are_written(unit: str, factor: float) -> None:
    wave = np.linspace(5000.0, 6000.0, 11)
    axis = to_angstrom(wave / factor, unit)
    np.testing.assert_allclose(axis.wave, wave, rtol=1e-12)
    assert axis.notes == ()
    assert has_unit(unit)


@pytest.mark.parametrize(
    "unit", ["log10(Angstrom)", "log(A)", "dex(AA)", "LOG10 [Ang]"]
)
def test_units_of_logarithms(unit: str) -> None:
    wave = np.linspace(5000.0, 6000.0, 11)
    np.testing.assert_allclose(to_angstrom(np.log10(wave), unit).wave, wave)
    assert has_unit(unit)
    with pytest.raises(SpectrumError, match="logarithms by its unit, but from 5000 to"):
        to_angstrom(wave, unit)


@pytest.mark.parametrize(
    "kind",
    [
        *("LAG", "CCF", "V", "dv", "X", "DETX", "Y_POS", "JD", "PERC", "Percentage"),
        *("bisector", "SLIT", "ANGLE", "SPATIAL", "cross correlation"),
        "wn cm-1",
    ],
)
def test_axes_of_other_things(kind: str) -> None:
    cards = {"CRVAL1": 5000.0, "CDELT1": 0.1, "CRPIX1": 1}
    with pytest.raises(SpectrumError, match=f"no wavelengths: CTYPE1 is '{kind}'"):
        read_axis(header(CTYPE1=kind, **cards), N)


def test_the_name_of_an_axis_may_tell_what_its_type_does_not() -> None:
    cards = header(CTYPE1="LINEAR", CNAME1="pixel", CRVAL1=5e3, CDELT1=0.1, CRPIX1=1)
    with pytest.raises(SpectrumError, match="no wavelengths: CNAME1 is 'pixel'"):
        read_axis(cards, N)


def test_a_scale_of_the_step() -> None:
    """Of FITS paper I: PC1_1 multiplies CDELT1."""
    cards = header(CRVAL1=5e3, CDELT1=0.1, CRPIX1=1, CUNIT1="Angstrom")
    scaled = Header(cards.content + f"{'PC1_1':8}= {0.5:20}".ljust(80))
    np.testing.assert_allclose(read_axis(scaled, N).wave, 5000.0 + 0.05 * PIXEL)
