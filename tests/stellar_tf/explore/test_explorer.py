from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stellar_tf.explore.dimensions import ExploreError
from stellar_tf.explore.explorer import Explorer
from stellar_tf.explore.observed import open_observed
from stellar_tf.explore.upload import MAX_UPLOAD_MB, UploadError
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import GridError, Run
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import ManifestError


def read_file(explorer: Explorer, path: Path) -> np.ndarray:
    """A second route to the flux on the grid: astropy alone."""
    grid = explorer.config.grid
    table = fits.getdata(path, 1)
    first = round((table["WAVE"][0][0] - grid.wave_min) / grid.wave_step)
    return table["FLUX"][0].astype(np.float32)[-first:][: grid.n_pixels]


def test_a_spectrum_of_the_survey_has_its_flux(
    explorer: Explorer, fits_folder: Path
) -> None:
    path = sorted(fits_folder.glob("*.fits"))[3]
    row = explorer.survey.find_row(path.name.removesuffix(".fits"))
    assert row is not None
    subject = explorer.pick(row)
    flux = read_file(explorer, path)
    np.testing.assert_allclose(subject.observed, flux / np.median(flux), rtol=1e-5)
    assert path.name.removesuffix(".fits") in subject.name
    assert not subject.uploaded


def test_a_file_has_the_code_of_its_record(
    explorer: Explorer, fits_folder: Path
) -> None:
    path = sorted(fits_folder.glob("*.fits"))[3]
    subject = explorer.receive(path.name, path.read_bytes())
    assert subject.row == explorer.survey.find_row(path.name.removesuffix(".fits"))
    assert subject.uploaded
    picked = explorer.pick(subject.row)
    np.testing.assert_allclose(subject.z_mean, picked.z_mean, atol=1e-4)
    np.testing.assert_allclose(subject.observed, picked.observed, rtol=1e-5)
    renamed = explorer.receive("../../etc/star.fits.gz", path.read_bytes())
    assert renamed.row is None
    assert renamed.name.endswith("(star)")


def test_the_network_is_the_runs(explorer: Explorer, explored: Run) -> None:
    z = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    decoded = np.stack([explorer.model.decode(row) for row in z])
    np.testing.assert_allclose(
        decoded, SpectrumModel.from_run(explored).decode(z), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.fits", b"", "a.fits: the file is empty"),
        ("b.fits", b"hello", "b.fits: not a FITS file"),
        ("c/d\n.fits", b"SIMPLE  =  ", "d .fits: "),
        ("", b"hello", "the file: not a FITS file"),
        ("big.fits", bytes(MAX_UPLOAD_MB * 1_000_000 + 1), "is larger than 64 MB"),
    ],
)
def test_bad_files_are_told(
    explorer: Explorer, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(UploadError) as caught:
        explorer.receive(name, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_nothing_but_noise_below_zero(
    explorer: Explorer, fits_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "dark.fits"
    shutil.copy(sorted(fits_folder.glob("*.fits"))[0], path)
    with fits.open(path, mode="update") as hdus:
        hdus[1].data["FLUX"] = -np.abs(hdus[1].data["FLUX"])
        hdus[1].header.pop("CHECKSUM", None)
        hdus[1].header.pop("DATASUM", None)
    with pytest.raises(UploadError, match=r"dark.fits: .*(median|noise)"):
        explorer.receive("dark.fits", path.read_bytes())


def copy_run(explored: Run, folder: Path, records: str) -> Run:
    shutil.copytree(explored.folder, folder)
    run = Run(folder)
    known = {**run.read_records(), "folder": records}
    run.records_path.write_text(json.dumps(known))
    return run


def test_without_its_records_a_run_has_no_flux(explored: Run, tmp_path: Path) -> None:
    run = copy_run(explored, tmp_path / "run", str(tmp_path / "gone"))
    explorer = Explorer(run)
    assert not explorer.observed
    subject = explorer.pick(0)
    assert subject.observed is None
    assert subject.absence == "the records of this run are not here"


def test_other_records(
    explored: Run, fits_folder: Path, records: Path, tmp_path: Path
) -> None:
    assert open_observed(explored, records)
    with pytest.raises(ManifestError, match="is no data set"):
        open_observed(explored, fits_folder)
    config = explored.read_config()
    grid = config.grid.model_copy(update={"n_pixels": 500})
    some = sorted(fits_folder.glob("*.fits"))[:4]
    convert(some, tmp_path / "records", grid, config.convert)
    with pytest.raises(GridError, match="has another grid than"):
        open_observed(explored, tmp_path / "records")


def test_a_corrupt_record_is_told_and_the_rest_goes_on(
    explored: Run, records: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "records"
    shutil.copytree(records, broken)
    shard = next(broken.glob("spec-train*"))
    content = bytearray(shard.read_bytes())
    content[200] ^= 255
    shard.write_bytes(content)
    explorer = Explorer(explored, broken)
    absences = [explorer.pick(row).absence for row in range(len(explorer.survey))]
    (told,) = [absence for absence in absences if absence]
    assert "record 0 (ADP." in told
    assert "is corrupt" in told


def test_what_has_to_be_run_first(explored: Run, tmp_path: Path) -> None:
    run = copy_run(explored, tmp_path / "run", "records")
    run.latents_path.unlink()
    with pytest.raises(ExploreError, match=r"run stellar-tf encode .* first"):
        Explorer(run)
    shutil.copy(explored.latents_path, run.latents_path)
    shutil.rmtree(run.analysis)
    with pytest.raises(ExploreError, match=r"run stellar-tf analyze .* first"):
        Explorer(run)
