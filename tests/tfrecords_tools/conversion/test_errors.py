"""Errors of the flux, from the file into the records and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from stellar_tf.batches.reading import read_split
from tests.tfrecords_tools.fits_files import GRID, WAVE, make_flux, write_adp
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.prepare import prepare_spectrum
from tfrecords_tools.conversion.scan import (
    PlannedSpectrum,
    estimate_errors,
    scan_file,
)
from tfrecords_tools.conversion.verify import verify
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.spectrum import vacuum_to_air

CONFIG = ConvertConfig(split=SplitFractions(train=1.0, validation=0.0, test=0.0))
FLUX = make_flux()
ERROR = np.linspace(1.0, 9.0, WAVE.size).astype(np.float32)


def write(path: Path, error: NDArray[np.float32] | None = ERROR) -> Path:
    """Write a product with a bad pixel; without errors it is like those of HARPS."""
    flux = FLUX.copy()
    flux[60] = np.nan
    return write_adp(path, flux=flux, error=error)


def read(records: Path) -> tuple[Manifest, dict[str, NDArray[np.float32] | None]]:
    manifest = read_manifest(records)
    table = RecordTable(manifest, "train")
    numbers = range(len(table))
    return manifest, {table.locate(i).dp_id: table.read_error(i) for i in numbers}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    error = ERROR.copy()
    error[[70, 71, 72]] = 0.0, -1.0, np.nan
    write(folder / "with.fits", error)
    write(folder / "without.fits", None)
    convert([folder], tmp_path / "records", GRID, CONFIG)
    return tmp_path / "records"


def test_errors_are_stored_where_a_file_has_them(records: Path) -> None:
    manifest, errors = read(records)
    assert manifest.counts["with errors"] == 1
    assert errors["without"] is None
    expected = ERROR[50:650].copy()
    expected[[10, 20, 21, 22]] = np.nan  # bad, or not known
    np.testing.assert_allclose(errors["with"], expected, rtol=2.0**-11)


def test_batches_deliver_errors_if_wanted(records: Path) -> None:
    manifest, errors = read(records)
    (batch,) = read_split(manifest, "train", 2, with_errors=True)
    for dp_id, error in zip(batch["dp_id"], batch["error"], strict=True):
        expected = errors[dp_id]
        if expected is None:
            assert np.isnan(error).all()
        else:
            np.testing.assert_array_equal(error, expected)
    (batch,) = read_split(manifest, "train", 2)
    assert "error" not in batch


@pytest.mark.parametrize("name", ["with", "without"])
def test_deep_verification_compares_errors(
    records: Path, tmp_path: Path, name: str
) -> None:
    assert verify(records, deep=True).problems == []
    source = tmp_path / "in" / f"{name}.fits"
    source.unlink()
    write(source, 1.01 * ERROR)
    assert verify(records).problems == []
    (problem,) = verify(records, deep=True).problems
    assert problem.what.endswith(f"errors differ from those of its source {source}")


def test_errors_are_left_out_if_asked(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"store_errors": "no"})
    path = write(tmp_path / "a.fits")
    convert([path], tmp_path / "records", GRID, config)
    manifest, errors = read(tmp_path / "records")
    assert errors == {"a": None}
    assert "with errors" not in manifest.counts
    assert "error" not in {f.name for f in manifest.record_schema.features}
    assert verify(tmp_path / "records", deep=True).problems == []


@pytest.mark.parametrize("store_errors", ["auto", "no"])
@pytest.mark.parametrize("n_with", [0, 12])
def test_shards_are_as_large_as_wanted_with_errors_and_without(
    tmp_path: Path, store_errors: str, n_with: int
) -> None:
    (tmp_path / "in").mkdir()
    for i in range(12):
        write(tmp_path / "in" / f"{i}.fits", ERROR if i < n_with else None)
    # Four bytes a pixel, and two more for errors.
    n_bytes = 4 * GRID.n_pixels + 2048
    n_bytes += 2 * GRID.n_pixels * (store_errors == "auto" and n_with > 0)
    update = {"store_errors": store_errors, "shard_mib": 4 * n_bytes / 2**20}
    config = CONFIG.model_copy(update=update)
    convert([tmp_path / "in"], tmp_path / "records", GRID, config)
    shards = read_manifest(tmp_path / "records").shards
    assert [shard.count for shard in shards] == [4, 4, 4]


def test_a_file_that_cannot_be_read_tells_nothing_of_errors(tmp_path: Path) -> None:
    path = write_adp(tmp_path / "a.fits", flux=np.full_like(FLUX, np.nan))
    good = write(tmp_path / "b.fits")
    spectra = [s for p in (path, good) for s in scan_file(p, CONFIG)]
    taken = [s for s in spectra if isinstance(s, PlannedSpectrum)]
    assert estimate_errors(taken, 2, CONFIG) == 1.0
    assert estimate_errors(taken[:1], 1, CONFIG) == 0.0
    assert estimate_errors([], 0, CONFIG) == 0.0


def test_no_errors_over_a_median_that_is_not_positive(tmp_path: Path) -> None:
    path = write_adp(tmp_path / "a.fits", flux=-FLUX, error=ERROR, flux_unit="erg")
    prepared = prepare_spectrum(path, GRID, CONFIG)
    assert prepared.median_flux < 0.0
    assert prepared.error is None


def test_errors_of_a_real_spectrum(real_data: Path, tmp_path: Path) -> None:
    """On pixels far smaller than the file's each has the error of that it lies in."""
    path = min((real_data / "real_stars" / "apogee").glob("aspcapStar*"))
    with fits.open(path) as hdus:
        flux, error = hdus[1].data, hdus[2].data.astype(np.float64)
        header = hdus[1].header
        log_wave = header["CRVAL1"] + header["CDELT1"] * np.arange(flux.size)
    wave = vacuum_to_air(10.0**log_wave)
    grid = Grid(wave_min=15900.0, wave_step=0.02, n_pixels=20_000)
    convert([path], tmp_path / "records", grid, CONFIG)
    _, errors = read(tmp_path / "records")
    (found,) = errors.values()
    inside = (wave > grid.wave[0]) & (wave < grid.wave[-1]) & (flux > 0.0)
    nearest = np.rint(grid.position(wave[inside])).astype(int)
    assert found is not None
    known = np.isfinite(found[nearest])
    assert known.mean() > 0.9
    np.testing.assert_allclose(
        found[nearest][known], error[inside][known], rtol=2.0**-11 + 1e-6
    )
