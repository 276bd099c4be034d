from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stellar_tf.analysis.latents import read_codes
from stellar_tf.analysis.stars import one_per_star
from stellar_tf.config import AnalysisConfig, Config
from stellar_tf.inference.encoding import (
    GridError,
    encode_files,
    encode_records,
    is_records,
)
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from stellar_tf.tables import read_table, write_table
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.records.manifest import read_manifest


def test_every_record_is_encoded_with_its_metadata(run: Run, records: Path) -> None:
    manifest = read_manifest(records)
    latents = encode_records(run, records)
    dp_ids = [dp_id for shard in manifest.shards for dp_id in shard.dp_ids]
    assert sorted(latents["dp_id"]) == sorted(dp_ids)
    for split in ("train", "validation", "test"):
        n_rows = int((latents["split"] == split).sum())
        assert n_rows == manifest.n_spectra(split)
    assert latents["z_mean"].shape == latents["z_log_var"].shape == (80, 4)
    assert np.isfinite(latents["z_mean"]).all()
    assert {"target", "star", "ra", "dec", "mjd", "snr", "teff"} <= set(
        latents.colnames
    )


def test_files_have_the_latents_of_their_records(
    run: Run, records: Path, fits_folder: Path
) -> None:
    of_records = encode_records(run, records, batch_size=64)
    of_files = encode_files(run, discover([fits_folder]), batch_size=7)
    assert of_files.rejects == []
    of_records.sort("dp_id")
    of_files.latents.sort("dp_id")
    for name in ("dp_id", "target", "star"):
        assert list(of_files.latents[name]) == list(of_records[name])
    for name in ("z_mean", "z_log_var", "snr", "median_flux"):
        np.testing.assert_allclose(
            of_files.latents[name], of_records[name], rtol=1e-4, atol=1e-5
        )


def test_files_without_a_target_are_stars_of_their_own(
    run: Run, config: Config, fits_folder: Path, tmp_path: Path
) -> None:
    paths = discover([fits_folder])
    for path in paths[:2]:
        with fits.open(path) as hdus:
            for hdu in hdus:
                for key in ("OBJECT", "ESO OBS TARG NAME"):
                    hdu.header.remove(key, ignore_missing=True)
            hdus.writeto(tmp_path / path.name, checksum=True)
    files = [tmp_path / path.name for path in paths[:2]] + paths[2:4]
    convert(files, tmp_path / "records", config.grid, config.convert)
    of_records = encode_records(run, tmp_path / "records")
    of_files = encode_files(run, files).latents
    stars = dict(zip(of_files["dp_id"], of_files["star"], strict=True))
    assert stars == dict(zip(of_records["dp_id"], of_records["star"], strict=True))
    nameless = {f"? {path.stem}" for path in files[:2]}
    assert nameless < set(stars.values())
    codes = read_codes(of_files, AnalysisConfig(), labels=None, factors=())
    of_each = one_per_star(codes.dp_id, codes.star, seed=0)
    assert nameless < set(codes.star[of_each])
    assert len(of_each) == len(set(stars.values()))


def test_the_posterior_is_the_models(run: Run, fits_folder: Path) -> None:
    """A second route: astropy, numpy and the loaded model."""
    config = run.read_config()
    path = discover([fits_folder])[0]
    table = fits.getdata(path, 1)
    first = round((table["WAVE"][0][0] - config.grid.wave_min) / config.grid.wave_step)
    flux = table["FLUX"][0].astype(np.float32)[-first:][: config.grid.n_pixels]
    padding = (config.grid.pad_left, config.grid.pad_right)
    flux = np.pad(flux / np.median(flux), padding, constant_values=np.nan)
    expected = load_autoencoder(run)(flux[np.newaxis], training=False)
    latents = encode_files(run, [path]).latents
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(latents[name], expected[name], rtol=1e-4, atol=1e-5)


def test_bad_files_are_told_and_the_others_encoded(
    run: Run, fits_folder: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"not a FITS file")
    good = discover([fits_folder])[:2]
    encoded = encode_files(run, [bad, *good])
    assert len(encoded.latents) == 2
    ((path, reason),) = encoded.rejects
    assert path == bad
    assert reason
    assert len(encode_files(run, [bad]).latents) == 0


def test_another_grid_is_refused(run: Run, fits_folder: Path, tmp_path: Path) -> None:
    config = run.read_config()
    grid = config.grid.model_copy(update={"n_pixels": 500})
    convert([fits_folder], tmp_path / "records", grid, config.convert)
    with pytest.raises(GridError, match="has another grid than"):
        encode_records(run, tmp_path / "records")


def test_is_records(records: Path, fits_folder: Path) -> None:
    assert is_records(records)
    assert not is_records(fits_folder)
    assert not is_records(discover([fits_folder])[0])


@pytest.mark.parametrize("ending", ["parquet", "fits", "ecsv"])
def test_latents_survive_their_file(
    run: Run, records: Path, tmp_path: Path, ending: str
) -> None:
    latents = encode_records(run, records)
    path = tmp_path / f"latents.{ending}"
    write_table(latents, path)
    again = read_table(path)
    assert again.colnames == latents.colnames
    for name in latents.colnames:
        np.testing.assert_array_equal(again[name], latents[name])
