from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u

from tfrecords_tools.labels.units import is_unit, parse_unit, standardise

VALUES = np.array([1500.0, np.nan])


@pytest.mark.parametrize(
    ("text", "factor", "unit"),
    [
        ("K", 1.0, "K"),
        ("m/s", 1e-3, "km s-1"),
        ("km s-1", 1.0, "km s-1"),
        ("kK", 1e3, "K"),
        ("mas/yr", 1.0, "mas yr-1"),
        ("mag", 1.0, "mag"),
        ("Gyr", 1.0, "Gyr"),
        ("[K]", 1.0, "dex(K)"),  # a logarithm is no temperature
        ("[cm/s2]", 1.0, "dex(cm / s2)"),
        ("h:m:s", 1.0, "h:m:s"),
        ("---", 1.0, ""),
        ("", 1.0, ""),
    ],
)
def test_units_are_those_of_fits(text, factor, unit):
    values, name = standardise(VALUES, parse_unit(text))
    np.testing.assert_allclose(values, VALUES * factor)
    assert name == unit


def test_celsius():
    values, unit = standardise(VALUES, u.deg_C)
    np.testing.assert_allclose(values, VALUES + 273.15)
    assert unit == "K"


def test_text_is_not_converted():
    text = np.array(["a"])
    assert standardise(text, u.m / u.s) == (text, "m s-1")


@pytest.mark.parametrize("text", ["K", "[K]", "(km/s)", "dex", "m/s", "solMass", "%"])
def test_units(text):
    assert is_unit(text)


@pytest.mark.parametrize("text", ["", "---", "HD 10700", "quality"])
def test_no_units(text):
    assert not is_unit(text)
