from __future__ import annotations

import csv
import math

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.catalog import read_catalog
from tfrecords_tools.labels.files import LabelError
from tfrecords_tools.labels.lookup import Exposure
from tfrecords_tools.star import star_name

STARS = ("HD1", "HD2", "HD5", "HD1234", "HD999", "SUN", "")


def find(path, stars=STARS, **settings):
    """Labels of a spectrum of each star, whose dp_id is the star's name."""
    exposures = [Exposure(s, s, s, np.nan, np.nan) for s in stars]
    return read_catalog(path, ConvertConfig(**settings)).find(exposures)


def write(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def table():
    return Table(
        {
            "Target": ["HD 1234", "hd_0005", "Sun-sky"],
            "teff": [5000.0, 6000.0, 5777.0] * u.K,
            "n_obs": MaskedColumn([3, 4, 5], mask=[False, True, False]),
            "sptp": ["K1", "", "G2V"],
            "binary": [True, False, False],
        }
    )


@pytest.mark.parametrize(
    "ending", ["csv", "ecsv", "fits", "vot", "parquet", "dat", "txt"]
)
def test_any_format_is_read_and_joined_by_star(tmp_path, table, ending):
    path = tmp_path / f"labels.{ending}"
    if ending in ("dat", "txt"):
        table.write(path, format="ascii.basic")
    elif ending == "parquet":
        table.write(path, serialize_method="data_mask")
    else:
        table.write(path, **({"format": "votable"} if ending == "vot" else {}))
    labels = find(path)
    assert labels.key == "Target"
    kinds = {c.name: c.kind for c in labels.columns}
    binary = "float" if ending not in ("csv", "dat", "txt") else "string"
    assert kinds == {
        "teff": "float",
        "n_obs": "float",
        "sptp": "string",
        "binary": binary,
    }
    row = labels.lookup("HD1234")
    assert (row["teff"], row["n_obs"], row["sptp"]) == (5000.0, 3.0, "K1")
    assert math.isnan(labels.lookup("HD5")["n_obs"])
    assert labels.lookup("SUN")["teff"] == 5777.0


def test_temperatures_and_velocities_have_standard_units(tmp_path):
    table = Table(
        {
            "star": ["HD 1", "HD 2"],
            "teff": [5000.0, np.nan] * u.deg_C,
            "rv": [1500, -20] * u.m / u.s,
            "age": [4.5, 1.0] * u.Gyr,
        }
    )
    table.write(tmp_path / "labels.ecsv")
    labels = find(tmp_path / "labels.ecsv")
    assert [c.unit for c in labels.columns] == ["K", "km s-1", "Gyr"]
    found = labels.lookup("HD1")
    assert found == pytest.approx({"teff": 5273.15, "rv": 1.5, "age": 4.5})
    assert np.isnan(labels.lookup("HD2")["teff"])


def test_missing_stars_have_nan_and_empty_labels(tmp_path, table):
    table.write(tmp_path / "labels.csv")
    labels = find(tmp_path / "labels.csv")
    assert labels.match("HD999") == "missing"
    row = labels.lookup("HD999")
    assert math.isnan(row["teff"])
    assert row["sptp"] == ""
    assert np.isnan(labels.locate("HD999")).all()


def test_aliases_reach_the_table(tmp_path, table):
    table["Target"][0] = "my star"
    table.write(tmp_path / "labels.csv")
    labels = find(tmp_path / "labels.csv", aliases={"My Star": "HD 1234"})
    assert labels.lookup("HD1234")["teff"] == 5000.0


def test_dp_id_goes_before_the_name_of_the_star(tmp_path):
    path = write(tmp_path / "a.csv", "target,DP_ID,rv\nHD 1,x.fits,1\nHD 1,y,2\n")
    exposures = [Exposure(i, "HD 1", "HD1", np.nan, np.nan) for i in "xyz"]
    labels = read_catalog(path, ConvertConfig()).find(exposures)
    assert labels.key == "DP_ID"
    assert [labels.lookup(i)["rv"] for i in "xy"] == [1.0, 2.0]
    assert labels.match("z") == "missing"  # another exposure's velocity is not its own


def test_rows_of_a_star_that_differ_are_not_chosen_from(tmp_path):
    table = Table(
        {
            "star": ["HD 1", "HD1", "HD 2", "hd2", ""],
            "teff": [5000.0, 5100.0, 6000.0, 6000.0, 1.0],
            "vsini": [1.0, 1.0, np.nan, np.nan, 1.0],
            "snr": [1.0, 2.0, 3.0, 4.0, 5.0],  # no label
        }
    )
    table.write(tmp_path / "labels.ecsv")
    labels = find(tmp_path / "labels.ecsv")
    assert labels.match("HD1") == "ambiguous"
    assert math.isnan(labels.lookup("HD1")["teff"])
    assert labels.match("HD2") == "matched"  # its rows agree
    assert labels.match("") == "missing"
    assert labels.describe({star: star for star in STARS})[:2] == (
        f"1 of 7 spectra, 1 of 7 stars, have labels of {tmp_path}/labels.ecsv, found "
        "by star",
        "1 spectra match rows that differ: no labels",
    )


PLACES = "ra,dec,main_id,teff\n10,20,a,5000\n30,-40,b,6000\n30.0005,-40,c,6100\n"


def test_stars_are_found_by_position_where_no_name_fits(tmp_path):
    path = write(tmp_path / "a.csv", PLACES)
    catalog = read_catalog(path, ConvertConfig())
    near = [
        Exposure("0", "?", "", 10.0 - 2.9 / 3600, 20.0),  # 2.7 arcsec on the sky
        Exposure("1", "?", "", 10.0, 20.0 + 3.1 / 3600),
        Exposure("2", "?", "", 30.0002, -40.0),
        Exposure("3", "?", "", np.nan, np.nan),
    ]
    labels = catalog.find(near)
    assert labels.key == "position"
    matches = [labels.match(e.dp_id) for e in near]
    assert matches == ["matched", "missing", "ambiguous", "missing"]
    assert labels.lookup("0") == {"main_id": "a", "teff": 5000.0}
    assert labels.locate("0") == (10.0, 20.0)
    wider = read_catalog(path, ConvertConfig(match_radius=4.0)).find(near)
    assert wider.match("1") == "matched"
    by_name = catalog.find([*near, Exposure("4", "B", "B", np.nan, np.nan)])
    assert by_name.key == "main_id"
    assert by_name.match("0") == "missing"
    assert by_name.lookup("4") == {"teff": 6000.0}


def test_rows_at_a_place_that_agree_are_one(tmp_path):
    path = write(tmp_path / "a.csv", "ra,dec,teff\n10,20,5000\n10.0001,20,5000\n")
    labels = read_catalog(path, ConvertConfig()).find([Exposure("a", "", "", 10, 20)])
    assert labels.lookup("a") == {"teff": 5000.0}


def test_a_key_can_be_chosen(tmp_path):
    path = write(tmp_path / "a.csv", "target,file,teff\nHD 1,HD2.fits,5000\n")
    assert find(path).match("HD1") == "matched"
    labels = find(path, label_key="file")
    assert (labels.key, labels.match("HD1"), labels.match("HD2")) == (
        *("file", "missing", "matched"),
    )


def test_identifiers_of_gaia(tmp_path):
    ids = ("6963761190199424", "10584899657116672")
    path = write(tmp_path / "a.csv", f"source_id,teff\n{ids[0]},5000\n{ids[1]},null\n")
    exposures = [
        Exposure(i, f"Gaia DR3 {i}", f"GAIADR3-{i}", np.nan, np.nan) for i in ids
    ]
    labels = read_catalog(path, ConvertConfig()).find(exposures)
    assert labels.key == "source_id"
    assert labels.lookup(ids[0]) == {"teff": 5000.0}
    assert math.isnan(labels.lookup(ids[1])["teff"])


def test_only_rows_that_are_used_are_kept(tmp_path):
    rows = "".join(f"HD {i},{i}\n" for i in range(100, 0, -1))
    labels = find(write(tmp_path / "a.csv", f"star,n\n{rows}"), ("HD7", "HD93", "HD7x"))
    assert labels.values["n"].size == 2
    assert [labels.lookup(s)["n"] for s in ("HD7", "HD93")] == [7.0, 93.0]


def test_what_the_user_should_know_is_said(tmp_path):
    text = (
        "target;sptp;n;teff;age;snr;rv;ra;dec\n"
        "HD 1;G8;5;5344,5;~;1;-99,99;01:00:00;20\nHD 2;~;<3;-9999;;2;0,5;~;~\n"
        "HD 3;K0;6;~;;2;;;\n"
    )
    labels = find(write(tmp_path / "a.csv", text))
    assert labels.describe({s: s for s in STARS})[1:] == (
        "a.csv: columns of text: sptp, n",
        "a.csv: columns without a value: age",
        "a.csv: decimal commas read in: teff, rv",
        "a.csv: n would be numbers but for '<3'",
        "a.csv: -9999 in teff (1 row); -99.99 in rv (1 row): taken as numbers. If they "
        "mean unknown, leave these cells empty or set "
        "convert.missing_values=[-9999, -99.99]",
        "a.csv: not taken as labels, for records hold them anyway: snr, ra, dec",
    )
    declared = find(tmp_path / "a.csv", missing_values=(-9999.0, -99.99))
    assert np.isnan(
        [declared.lookup("HD2")["teff"], declared.lookup("HD1")["rv"]]
    ).all()
    assert not any("-9999" in line for line in declared.describe({}))


def test_a_place_far_from_the_header_is_told(tmp_path):
    path = write(tmp_path / "a.csv", "target,ra,dec\nHD 1,269.452,4.693\nHD 2,10,20\n")
    exposures = [
        Exposure("hours", "HD 1", "HD1", 17.9635, 4.693),
        Exposure("degrees", "HD 1", "HD1", 269.452, 4.692),
        Exposure("unknown", "HD 2", "HD2", np.nan, np.nan),
    ]
    labels = read_catalog(path, ConvertConfig()).find(exposures)
    assert labels.notes[-1] == (
        "1 spectra are more than 1 deg from their rows; hours is at 17.963 +4.693 by "
        "its header and at 269.452 +4.693 by the table"
    )


def test_doubts_about_positions_and_identifiers_are_told(tmp_path):
    text = "target,ra,dec,source_id\nHD 1,1,2,2.4e+18\nHD 2,23,95,1.5e+18\nHD 3,20,5,\n"
    notes = find(write(tmp_path / "a.csv", text)).notes
    assert "1 rows have ra or dec out of range" in notes
    assert any(note.startswith("ra is taken as degrees, though") for note in notes)
    assert (
        "source_id has lost digits, for it was written as floats; write it as "
        "integers, and spectra can be found by it"
    ) in notes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("target,x\nHD 7,1\n", "target has 'HD7', a spectrum 'HD1'; correct them, or"),
        ("ra,dec,x\n1,2,3\n", "the spectra have no ra and dec"),
        (
            "name,source_id\n5 Cet,1\n",
            "name has '5CET', a spectrum 'HD1'; source_id has",
        ),
        (
            "star,x\nHD 1,1\nHD 1,2\n",
            "every row about one of the 7 spectra has another",
        ),
    ],
)
def test_no_match_at_all_is_explained(tmp_path, text, reason):
    labels = find(write(tmp_path / "a.csv", text))
    assert reason in labels.mismatch
    lines = labels.describe({s: s for s in STARS})
    assert lines[0].startswith("0 of 7 spectra, 0 of 7 stars, have labels of")
    assert f"a.csv: {labels.mismatch}" in lines


def test_no_spectra_explain_nothing(tmp_path):
    assert find(write(tmp_path / "a.csv", "target,x\nHD 7,1\n"), ()).mismatch == ""


def test_columns_of_arrays_are_no_labels(tmp_path):
    table = Table({"star": ["a"], "teff": [1.0], "spectrum": [[1.0, 2.0]]})
    table.write(tmp_path / "labels.fits")
    assert [c.name for c in find(tmp_path / "labels.fits").columns] == ["teff"]


@pytest.mark.parametrize(
    ("text", "settings", "reason"),
    [
        (
            "x,y\n1,2\n",
            {},
            "a.csv: no key column; it needs dp_id, one of",
        ),
        ("x,y\na,2\n", {}, "source_id, or ra and dec, but its columns are x, y"),
        ("star\na\n", {}, "a.csv: has no column of labels beside 'star'"),
        ("star,snr\na,1\n", {}, "a.csv: has no column of labels beside 'star'"),
        ("star,y\na,1\n", {"label_key": "f"}, "has no column 'f', which convert.label"),
        ("star,y\na,1\n", {"label_key": "position"}, "a.csv: has no ra and dec, which"),
    ],
)
def test_tables_that_cannot_be_looked_up(tmp_path, text, settings, reason):
    with pytest.raises(LabelError, match=reason) as caught:
        find(write(tmp_path / "a.csv", text), **settings)
    assert "\n" not in str(caught.value)


def test_real_table_with_header(real_data):
    path = real_data / "labels" / "THE_Stellar_atmos_parameters.csv"
    expected = pd.read_csv(path, index_col=0, na_values=["-"]).set_index("PRIMARY")
    stars = [star_name(name) for name in expected.index]
    labels = find(path, stars)
    assert labels.key == "PRIMARY"
    assert not labels.ambiguous
    assert len(labels.rows) == len(stars)
    names = [column.name for column in labels.columns]
    assert names == [n for n in expected.columns if n not in ("RA", "DEC")]
    found = pd.DataFrame([labels.lookup(star) for star in stars])
    for name in names:
        values = found[name].to_numpy()
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(values, expected[name].astype(float))
        else:
            np.testing.assert_array_equal(values, expected[name].fillna("").astype(str))


def test_real_table_without_header(real_data):
    path = real_data / "labels" / "star_list_1111.dat"
    rows = [line.split() for line in path.read_text().splitlines()]
    labels = find(path, [star_name(row[0]) for row in rows])
    assert len(labels.rows) + len(labels.ambiguous) == 1112
    for name, *numbers in rows:
        if star_name(name) not in labels.ambiguous:
            found = labels.lookup(star_name(name))
            assert list(found.values()) == [float(number) for number in numbers]


@pytest.mark.parametrize(
    ("folder", "n"), [("lamost", 1654), ("miles", 983), ("apogee", 553)]
)
def test_real_stars_are_found_by_the_names_of_their_files(real_data, folder, n):
    folder = real_data / "real_stars" / folder
    dp_ids = [path.name.removesuffix(".fits.gz") for path in folder.iterdir()]
    exposures = [Exposure(i, "", f"? {i}", np.nan, np.nan) for i in dp_ids]
    path = folder.with_name(f"{folder.name}_labels.csv")
    labels = read_catalog(path, ConvertConfig()).find(exposures)
    assert len(labels.rows) == n
    with path.open(newline="") as stream:
        rows = {row.pop("dp_id"): row for row in csv.DictReader(stream)}
    for dp_id in labels.rows:
        for name, value in labels.lookup(dp_id).items():
            text = rows[dp_id][name]
            if isinstance(value, str):
                assert value == text
            else:
                np.testing.assert_equal(value, float(text or "nan"))
