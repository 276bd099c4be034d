from __future__ import annotations

import numpy as np
import pytest

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.keys import gaia_id, has_lost_digits, list_keys
from tfrecords_tools.labels.lookup import Exposure
from tfrecords_tools.labels.positions import Positions
from tfrecords_tools.labels.values import Cells

POSITIONS = Positions(("ra", "dec"), np.array([10.0]), np.array([20.0]), ())
AUTO = ConvertConfig()


def exposure(dp_id="x", target="HD 1", star="HD1", ra=np.nan, dec=np.nan):
    return Exposure(dp_id, target, star, ra, dec)


def names(columns, positions=None, **settings):
    cells = [Cells(name, content) for name, content in columns.items()]
    return [key.name for key in list_keys(cells, positions, ConvertConfig(**settings))]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("star", "main_id", "Target"), ["Target", "star", "main_id", "position"]),
        (("gaia", "source_id", "HIP"), ["HIP", "source_id", "gaia", "position"]),
        (("target", "DP_ID"), ["DP_ID"]),
        (("target", "DP.ID"), ["DP.ID"]),
        (("Star Name",), ["Star Name", "position"]),
        (("object-name", "ARCFILE"), ["object-name", "ARCFILE", "position"]),
        (("targname", "x"), ["targname", "position"]),
        (("teff",), ["position"]),
        (("col1", "col2"), ["col1", "position"]),
        (("col2", "col1"), ["position"]),
    ],
)
def test_the_order_of_keys(columns, expected):
    assert names({name: ["a"] for name in columns}, POSITIONS) == expected


def test_names_that_are_numbers_name_only_in_catalogues():
    assert names({"object": ["5"], "HD": ["10700"], "name": ["5"]}) == ["HD"]
    cells = Cells("HD", np.ma.MaskedArray([10700.0, 1.0], [False, True]))
    (key,) = list_keys([cells], None, AUTO)
    assert key.find([exposure(star="HD10700"), exposure(star="HD1")]) == [[0], []]


def test_a_column_can_be_chosen():
    columns = {
        "target": ["HD 2", "HD 1", "x"],
        "file": ["x.fits", "y.FITS.gz", "z.fit"],
    }
    cells = [Cells(name, content) for name, content in columns.items()]
    keys = list_keys(cells, POSITIONS, ConvertConfig(label_key="file"))
    assert [key.name for key in keys] == ["file"] * 3
    assert keys[0].find([exposure("y"), exposure("z"), exposure("q")]) == [[1], [2], []]
    keys = list_keys(cells, POSITIONS, ConvertConfig(label_key="target"))
    found = [key.find([exposure("q"), exposure(star="")]) for key in keys]
    assert found == [[[], [2]], [[1], []], [[], []]]


def test_a_file_may_be_named_with_its_folder():
    (key,) = list_keys([Cells("filename", ["d/e/x.fits", r"C:\y.fits"])], None, AUTO)
    assert key.find([exposure("x"), exposure("y"), exposure("d")]) == [[0], [1], []]


def test_position_can_be_chosen():
    assert names({"dp_id": ["a"]}, POSITIONS, label_key="position") == ["position"]
    assert names({"dp_id": ["a"]}, label_key="position") == []
    assert names({"dp_id": ["a"]}, POSITIONS, label_key="other") == []


@pytest.mark.parametrize(
    "text",
    [
        "Gaia DR3 6963761190199424",
        "GAIA EDR3 6963761190199424",
        "gaia_dr2_6963761190199424",
        "Gaia-6963761190199424",
        "6963761190199424",
        "spec_GaiaDR3_6963761190199424_v2",
    ],
)
def test_identifiers_of_gaia(text):
    assert gaia_id(text) == "6963761190199424"


@pytest.mark.parametrize(
    "text",
    ["", "HD 10700", "Gaia 12", "TIC 365294034", "1" * 20, "Gaia DR3 " + "1" * 20],
)
def test_no_identifiers_of_gaia(text):
    assert gaia_id(text) == ""


def test_spectra_are_found_by_what_holds_the_identifier():
    cells = Cells("source_id", np.array([6963761190199424, 10584899657116672]))
    (key,) = list_keys([cells], None, AUTO)
    found = key.find(
        [
            exposure(target="Gaia DR3 10584899657116672"),
            exposure("6963761190199424"),
            exposure(),
        ]
    )
    assert found == [[1], [0], []]


def test_identifiers_that_went_through_floats():
    assert has_lost_digits(Cells("source_id", ["2.452378776434477e+18", ""]))
    assert has_lost_digits(Cells("source_id", np.array([2.452378776434477e18])))
    assert not has_lost_digits(Cells("source_id", ["2452378776434477184"]))
    assert not has_lost_digits(Cells("source", ["GALAH"]))


def test_why_nothing_is_found():
    (star, gaia, near) = list_keys(
        [Cells("name", ["", "hd_5"]), Cells("source_id", ["~"])], POSITIONS, AUTO
    )
    here = [exposure(star=""), exposure()]
    assert star.compare(here) == "name has 'HD5', a spectrum 'HD1'"
    assert gaia.compare(here) == "source_id has nothing, a spectrum nothing"
    assert near.compare(here) == "the spectra have no ra and dec"
    there = [exposure(ra=1.0, dec=2.0)]
    assert near.compare(there) == "ra and dec are all more than 3 arcsec away"
