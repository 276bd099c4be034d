from __future__ import annotations

from pathlib import Path

import pytest

from tests.tfrecords_tools.fits_files import GRID
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.inputs import InputError, discover, search


def test_inputs_are_found_once_and_sorted(tmp_path):
    inputs = tmp_path / "in"
    for i in range(4):
        folder = inputs / f"visit{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.fits").write_bytes(b"")
    extra = inputs / "UPPER.FITS.GZ"
    extra.write_bytes(b"")
    (inputs / "loop").symlink_to(inputs)
    odd = tmp_path / "odd.name"
    odd.write_bytes(b"")
    files = discover([inputs, inputs / "visit0", extra, odd])
    assert len(files) == 4 + 2
    assert files == sorted(files)
    assert {odd, extra} <= set(files)


def test_missing_and_empty_inputs(tmp_path):
    with pytest.raises(InputError, match="none: does not exist"):
        discover([tmp_path / "none"])
    with pytest.raises(
        InputError, match=r"no files of spectra \(\*\.fits, .*\) in: .*"
    ):
        discover([tmp_path])
    with pytest.raises(InputError, match="no files of spectra"):
        convert([tmp_path], tmp_path / "records", GRID, ConvertConfig())
    assert not (tmp_path / "records").exists()


def test_what_is_passed_over_is_counted_by_its_ending(tmp_path):
    taken = ("a.fits", "b.FIT", "c.fts.gz", "d.fits.fz", "e.hdf5", "f.parquet", "g.npz")
    for name in (
        *taken,
        "x.yaml",
        "y.yaml",
        "README",
        "z.png",
        "data_thumbnail.parquet",
    ):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "h.dat").write_text("5000 1\n5001 2\n5002 3\n")
    (tmp_path / "notes.txt").write_text("5000 spectra or so")
    (tmp_path / "labels.csv").write_text("star,teff\nHD 1,5000\n")
    found = search([tmp_path])
    assert [Path(file).name for file in found.files] == sorted((*taken, "h.dat"))
    others = {"": 1, ".csv": 1, ".parquet": 1, ".png": 1, ".txt": 1, ".yaml": 2}
    assert found.passed_over == others
    asked_for = search([tmp_path, tmp_path / "notes.txt", tmp_path / "x.yaml"])
    assert {"notes.txt", "x.yaml"} <= {Path(file).name for file in asked_for.files}
    del others[".txt"]
    assert asked_for.passed_over == {**others, ".yaml": 1}
