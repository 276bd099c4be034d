from __future__ import annotations

import math

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from tfrecords_tools.conversion.catalog import LabelError, read_labels


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
    labels = read_labels(path)
    assert labels.key == "star"
    kinds = {c.name: c.kind for c in labels.columns}
    binary = "float" if ending not in ("csv", "dat", "txt") else "string"
    assert kinds == {
        "teff": "float",
        "n_obs": "float",
        "sptp": "string",
        "binary": binary,
    }
    row = labels.lookup("any", "HD1234")
    assert (row["teff"], row["n_obs"], row["sptp"]) == (5000.0, 3.0, "K1")
    assert math.isnan(labels.lookup("any", "HD5")["n_obs"])
    assert labels.lookup("any", "SUN")["teff"] == 5777.0


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
    labels = read_labels(tmp_path / "labels.ecsv")
    assert [c.unit for c in labels.columns] == ["K", "km s-1", "Gyr"]
    found = labels.lookup("", "HD1")
    assert found == pytest.approx({"teff": 5273.15, "rv": 1.5, "age": 4.5})
    assert np.isnan(labels.lookup("", "HD2")["teff"])


def test_units_are_kept(tmp_path, table):
    table.write(tmp_path / "labels.ecsv")
    assert read_labels(tmp_path / "labels.ecsv").columns[0].unit == "K"


def test_missing_stars_have_nan_and_empty_labels(tmp_path, table):
    table.write(tmp_path / "labels.csv")
    labels = read_labels(tmp_path / "labels.csv")
    assert labels.match("any", "HD999") == "missing"
    row = labels.lookup("any", "HD999")
    assert math.isnan(row["teff"])
    assert row["sptp"] == ""


def test_aliases_reach_the_table(tmp_path, table):
    table["Target"][0] = "my star"
    table.write(tmp_path / "labels.csv")
    labels = read_labels(tmp_path / "labels.csv", {"My Star": "HD 77"})
    assert labels.lookup("any", "HD77")["teff"] == 5000.0


def test_dp_id_goes_before_the_name_of_the_star(tmp_path):
    table = Table({"target": ["a", "a"], "DP_ID": ["x", "y"], "rv": [1.0, 2.0]})
    table.write(tmp_path / "labels.csv")
    labels = read_labels(tmp_path / "labels.csv")
    assert labels.key == "dp_id"
    assert labels.lookup("y", "A") == {"target": "a", "rv": 2.0}


def test_rows_of_a_star_that_differ_are_not_chosen_from(tmp_path):
    table = Table(
        {
            "star": ["HD 1", "HD1", "HD 2", "hd2", ""],
            "teff": [5000.0, 5100.0, 6000.0, 6000.0, 1.0],
            "vsini": [1.0, 1.0, np.nan, np.nan, 1.0],
        }
    )
    table.write(tmp_path / "labels.ecsv")
    labels = read_labels(tmp_path / "labels.ecsv")
    assert labels.match("any", "HD1") == "ambiguous"
    assert math.isnan(labels.lookup("any", "HD1")["teff"])
    assert labels.match("any", "HD2") == "matched"  # its rows agree
    assert labels.match("any", "") == "missing"


def test_columns_can_be_left_out(tmp_path, table):
    table.write(tmp_path / "labels.csv")
    labels = read_labels(tmp_path / "labels.csv").without({"teff", "other"})
    assert "teff" not in labels.lookup("any", "HD1234")
    assert [c.name for c in labels.columns] == ["n_obs", "sptp", "binary"]


def test_columns_of_arrays_are_no_labels(tmp_path):
    table = Table({"star": ["a"], "teff": [1.0], "spectrum": [[1.0, 2.0]]})
    table.write(tmp_path / "labels.fits")
    assert [c.name for c in read_labels(tmp_path / "labels.fits").columns] == ["teff"]


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (
            "a.csv",
            "x,y\n1,2\n",
            "a.csv: no key column; it needs dp_id or one of target",
        ),
        ("b.csv", "x,y\n1,2\n", "but its columns are x, y"),
        ("c.csv", "star,y\n", "c.csv: the table is empty"),
        ("d.csv", "", "d.csv: (cannot be read as a table|the table is empty)"),
        ("e.fits", "no table", "e.fits: cannot be read as a table"),
        ("f.parquet", "no table", "f.parquet: cannot be read as a table"),
        ("g.vot", "<no table", "g.vot: cannot be read as a table"),
        ("h.unknown", "a b\n1 2\n", "h.unknown: cannot be read as a table"),
        ("i.csv", "star\na\n", "i.csv: has no column of labels beside 'star'"),
        ("j.csv", "star,y\na,1\nb,2,3,4\n", "j.csv: cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, name, text, reason):
    with pytest.raises(LabelError, match=reason) as caught:
        read_labels(write(tmp_path / name, text))
    assert "\n" not in str(caught.value)


def test_missing_table(tmp_path):
    with pytest.raises(LabelError, match=r"none\.csv: does not exist"):
        read_labels(tmp_path / "none.csv")


def test_real_table_with_header(real_data):
    labels = read_labels(real_data / "labels" / "THE_Stellar_atmos_parameters.csv")
    assert labels.key == "star"
    names = [column.name for column in labels.columns]
    assert "col0" not in names
    assert "PRIMARY" not in names
    row = labels.lookup("any", "HD16160")
    assert (row["teff"], row["vsini"], row["SPTP"]) == (4882.0, 0.1, "K3V")
    assert math.isnan(labels.lookup("any", "HD19019")["vsini"])
    assert not labels.ambiguous


def test_real_table_without_header(real_data):
    labels = read_labels(real_data / "labels" / "star_list_1111.dat")
    assert len(labels.rows) + len(labels.ambiguous) == 1112
    row = labels.lookup("any", "SUN")
    assert [row[f"col{i}"] for i in range(2, 7)] == [3428.93, 5777.0, 4.44, 1.0, 0.0]
    assert labels.lookup("any", "BD+062932")["col3"] == 5272.0
