from __future__ import annotations

import pytest

from tests.tfrecords_tools.fits_files import GRID
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.inputs import InputError, discover


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
