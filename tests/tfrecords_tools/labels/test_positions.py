from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Angle
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.labels.positions import Positions, find_near, read_positions
from tfrecords_tools.labels.values import Cells

RA = np.array([26.017012, 269.452075, 0.0, 359.999])
DEC = np.array([-15.937480, 4.693391, -0.25, 89.5])


def read(ra: Cells, dec: Cells | None = None) -> Positions:
    positions = read_positions([Cells("x", ["a"] * 4), ra, dec or Cells("Dec", DEC)])
    assert positions is not None
    return positions


@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        (1.0, None),
        (1.0, u.deg),
        (1 / 15, u.hourangle),
        (1 / 15, u.h),
        (np.pi / 180, u.rad),
    ],
)
def test_units_of_numbers(factor, unit):
    positions = read(Cells("RA", RA * factor, unit))
    np.testing.assert_allclose(positions.ra, RA, atol=1e-9)
    np.testing.assert_array_equal(positions.dec, DEC)
    assert positions.names == ("RA", "Dec")


@pytest.mark.parametrize("sep", [":", " ", "fromunit"])
def test_sexagesimal_right_ascensions_are_hours(sep):
    ra = [Angle(a, u.deg).to_string(u.hour, sep=sep) for a in RA]
    dec = [Angle(d, u.deg).to_string(u.deg, sep=sep, alwayssign=True) for d in DEC]
    positions = read(Cells("ra", ra), Cells("dec", dec))
    np.testing.assert_allclose(positions.ra, RA, atol=1e-6)
    np.testing.assert_allclose(positions.dec, DEC, atol=1e-6)


@settings(deadline=None)
@given(st.floats(0, 359.9999), st.floats(-90, 90), st.sampled_from([":", " "]))
def test_any_sexagesimal_position(ra, dec, sep):
    texts = [
        Angle(ra, u.deg).to_string(u.hour, sep=sep, precision=6),
        Angle(dec, u.deg).to_string(u.deg, sep=sep, precision=6),
    ]
    positions = read_positions([Cells("ra", texts[:1]), Cells("dec", texts[1:])])
    assert positions is not None
    expected = Angle(texts[0], u.hour).deg % 360.0
    np.testing.assert_allclose(positions.ra, expected, atol=1e-8)
    np.testing.assert_allclose(positions.dec, Angle(texts[1], u.deg).deg, atol=1e-8)


def test_degrees_minutes_and_seconds_of_right_ascension():
    texts = [Angle(a, u.deg).to_string(u.deg, sep="dms") for a in RA]
    np.testing.assert_allclose(read(Cells("ra", texts)).ra, RA, atol=1e-6)
    plain = [Angle(a, u.deg).to_string(u.deg, sep=":") for a in RA]
    unit = u.Unit("d:m:s", parse_strict="silent")
    np.testing.assert_allclose(read(Cells("ra", plain, unit)).ra, RA, atol=1e-6)


def test_unknown_and_impossible_places():
    ra = ["01:44:04", "~", "26.0", "400"]
    mixed = read(Cells("ra", ra))
    assert np.isnan(mixed.ra).tolist() == [False, True, True, True]
    ra = np.array([10.0, np.nan, 400.0, 20.0])
    dec = np.array([5.0, 5.0, 5.0, -99.0])
    positions = read(Cells("ra", ra), Cells("dec", dec))
    np.testing.assert_array_equal(positions.ra, [10.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(positions.dec, [5.0, np.nan, np.nan, np.nan])
    assert positions.notes == ("2 rows have ra or dec out of range",)
    assert np.isnan(read(Cells("ra", RA, u.km)).ra).all()


def test_what_may_be_hours_is_told():
    hours = Cells("ra", np.array([0.5, 12.0, 23.9, 3.0]))
    assert read(hours).notes == (
        "ra is taken as degrees, though all of it is below 24; if it is in hours, give "
        "the column the unit h",
    )
    for other in (
        hours._replace(unit=u.deg),
        Cells("ra", RA),
        Cells("ra", np.full(4, 9.0)),
    ):
        assert read(other).notes == ()
    sexagesimal = Cells("ra", ["00:30:00", "00:40:00", "01:20:00", "00:01:00"])
    assert read(sexagesimal).notes == ()


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("RAJ2000", "DEJ2000"), True),
        (("RA_ICRS", "DE_ICRS"), True),
        (("ra", "DEJ2000"), False),
        (("l", "b"), False),
    ],
)
def test_names_of_the_columns(names, found):
    columns = [Cells(names[0], RA), Cells(names[1], DEC)]
    assert (read_positions(columns) is not None) == found


def test_rows_near_a_position_agree_with_the_haversine_formula():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 40), np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))
    ra[0], dec[0], ra[1], dec[1] = 359.9999, 10.0, 50.0, 89.9995
    near = rng.integers(0, 40, 300)
    offset = rng.normal(scale=3 / 3600, size=(2, 300))
    rows = Positions(
        ("ra", "dec"),
        (ra[near] + offset[0] / np.cos(np.radians(dec[near]))) % 360.0,
        np.clip(dec[near] + offset[1], -90, 90),
        (),
    )
    rows.ra[5] = rows.dec[5] = np.nan
    ra[2] = np.nan
    found = find_near(ra, dec, rows, 3.0)
    a, b = np.radians(dec)[:, np.newaxis], np.radians(rows.dec)
    delta = np.radians(ra[:, np.newaxis] - rows.ra)
    half = np.sin((a - b) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(delta / 2) ** 2
    distance = np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600.0
    for i in range(40):
        expected = np.flatnonzero(distance[i] <= 3.0)
        assert found[i] == list(expected[np.argsort(distance[i][expected])])
    assert found[2] == []
    assert any(len(rows) > 1 for rows in found)


def test_nothing_is_near_nothing():
    nowhere = np.full(2, np.nan)
    rows = Positions(("ra", "dec"), RA, DEC, ())
    assert find_near(nowhere, nowhere, rows, 3.0) == [[], []]
    assert find_near(RA, DEC, Positions(("ra", "dec"), nowhere, nowhere, ()), 3.0) == [
        *([[]] * 4)
    ]
