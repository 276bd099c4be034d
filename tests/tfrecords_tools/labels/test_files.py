from __future__ import annotations

import bz2
import gzip
import lzma

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from tfrecords_tools.labels.files import LabelError, read_file
from tfrecords_tools.labels.values import read_values

TEXT = "target,teff\nHD 1,5000\nHD 2,~\n"


def check(file):
    assert [cells.name for cells in file.columns] == ["target", "teff"]
    values = [read_values(cells).values for cells in file.columns]
    assert list(values[0]) == ["HD 1", "HD 2"]
    np.testing.assert_array_equal(values[1], [5000.0, np.nan])


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.txt", "a.b.tsv", "a.dat"])
def test_text_may_be_compressed(tmp_path, name, ending, compress):
    path = tmp_path / f"{name}{ending}"
    path.write_bytes(compress(TEXT.encode()))
    check(read_file(path))


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.tsv", "a.ascii"])
def test_blanks_may_separate(tmp_path, name):
    (tmp_path / name).write_text('# a comment\ntarget teff\n"HD 1" 5000\n"HD 2" ~\n')
    check(read_file(tmp_path / name))


def test_decimal_commas_between_blanks(tmp_path):
    (tmp_path / "a.dat").write_text("target teff rv\nHD1 5344,5 1\nHD2 5084,25 2\n")
    cells = read_file(tmp_path / "a.dat").columns
    np.testing.assert_array_equal(read_values(cells[1]).values, [5344.5, 5084.25])


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["a.ecsv", "a.csv", "a.ecsv.gz"])
def test_ecsv_is_known_by_its_first_line(tmp_path, name, mark):
    table = Table({"target": ["HD 1", "HD 2"], "teff": [5000.0, np.nan] * u.K})
    table.write(tmp_path / "table.ecsv")
    content = f"{mark}{(tmp_path / 'table.ecsv').read_text()}".encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    file = read_file(path)
    check(file)
    assert file.columns[1].unit == u.K


def test_columns_without_single_values_are_told(tmp_path):
    table = Table({"a": ["x"], "spectrum": [[1.0, 2.0]]})
    table["epoch"] = Time([2451545.0], format="jd")
    table.write(tmp_path / "a.ecsv")
    file = read_file(tmp_path / "a.ecsv")
    assert [cells.name for cells in file.columns] == ["a"]
    assert file.notes == ("no single values, so left out: spectrum, epoch",)


def test_the_first_of_several_tables_is_told(tmp_path):
    tables = [
        fits.BinTableHDU.from_columns([fits.Column(name, "8A", array=["x"])])
        for name in "ab"
    ]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / "a.fits")
    file = read_file(tmp_path / "a.fits")
    assert [cells.name for cells in file.columns] == ["a"]
    assert file.notes == ("the first of its tables is read",)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "a.csv: the table is empty"),
        ("a.csv", b"target,teff\n", "a.csv: the table is empty"),
        ("a.csv", b"target,teff\n,\n", "a.csv: the table is empty"),
        ("a.csv", b"x,y,x\n1,2,3\n", "a.csv: several columns are named x"),
        ("a.csv", b"\0\1", r"a.csv: cannot be read as a table \(it is no text; save"),
        ("a.csv", b"a,b\n1,2,3\n", r"a.csv: cannot be read as a table \(line 2 has 3"),
        ("a.txt", b"a b\n1 2\n3\n4 5 6\n", "its rows have different numbers of cells"),
        ("a.csv.gz", gzip.compress(b"x" * 99, mtime=0)[:20], "cannot be read as a tab"),
        ("a.csv.xz", lzma.compress(b"x" * 99)[:40], "cannot be read as a table"),
        ("a.fits", b"no table", "a.fits: cannot be read as a table"),
        ("a.parquet", b"no table", "a.parquet: cannot be read as a table"),
        ("a.vot", b"<no table", "a.vot: cannot be read as a table"),
        ("a.xlsx", b"PK\3\4", r"as a table \(its format is not known; save it as CSV"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelError, match=reason) as caught:
        read_file(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(LabelError, match=r"none\.csv: does not exist"):
        read_file(tmp_path / "none.csv")


def test_units_in_the_names_of_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("star,teff [K],rv (m/s),log (g),V (mag),a,a (m)\nx,1,2,3,4,5,6\n")
    columns = {c.name: str(c.unit or "") for c in read_file(path).columns}
    assert columns == {
        "star": "", "teff": "K", "rv": "m / s", "log (g)": "", "V": "mag",
        "a": "", "a (m)": "",
    }  # fmt: skip
    (note,) = read_file(path).notes
    assert note == "units read in the names teff [K], rv (m/s), V (mag)"
