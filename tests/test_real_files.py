"""From files to served latents at full size, with the paper's network."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from astropy.table import Table

from stellar_tf.cli.main import run_command
from stellar_tf.tables import read_table
from tests.conftest import REAL_DATA
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.tfrecord import read_records

# With this salt every split has a star, of the real files and of the simulated.
SALT = "salt-10"


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real files; simulated ones where there are none."""
    if (REAL_DATA / "real").is_dir():
        return REAL_DATA / "real"
    folder = tmp_path_factory.mktemp("simulated") / "fits"
    assert run_command(["simulate", str(folder), "--n-stars", "8"]) == 0
    return folder


def test_the_whole_chain_at_full_size(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records, run = tmp_path / "records", tmp_path / "run"
    settings = [
        "--config", "paper",
        "--set", "convert.split={train: 0.4, validation: 0.3, test: 0.3}",
        "--set", f"convert.split_salt={SALT}",
        "--set", "training.n_steps=3",
        "--set", "training.steps_per_epoch=3",
        "--set", "training.batch_size=2",
    ]  # fmt: skip
    n_files = len(discover([spectra]))

    convert = ["convert", str(spectra), "--out", str(records), *settings]
    assert run_command(convert) == 0
    assert f"0 of {n_files} files rejected" in capsys.readouterr().out
    with (records / "rejects.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == []
    manifest = read_manifest(records)
    assert manifest.grid.n_pixels == 312_501

    fit = ["fit", str(records), "--run", str(run), *settings]
    assert run_command([*fit, "--strategy", "mirrored", "--devices", "2"]) == 0
    assert run_command(["encode", str(run), str(records)]) == 0
    of_files = tmp_path / "of_files.fits"
    encode = ["encode", str(run), str(spectra), "--out", str(of_files)]
    assert run_command(encode) == 0
    assert run_command(["export", str(run), "--out", str(tmp_path / "models")]) == 0

    latents = read_table(run / "latents.parquet")
    assert len(latents) == n_files
    assert np.ptp(latents["z_mean"], axis=0).max() > 0.0
    check_served(tmp_path / "models" / "1", manifest, latents)
    again = read_table(of_files)
    latents.sort("dp_id")
    again.sort("dp_id")
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(again[name], latents[name], rtol=1e-5, atol=1e-5)


def check_served(version: Path, manifest: Manifest, latents: Table) -> None:
    encode = tf.saved_model.load(version).signatures["serving_default"]
    latents.add_index("dp_id")
    for split in ("train", "validation", "test"):
        for path in manifest.shard_paths(split):
            for record in read_records(path):
                flux, values = manifest.record_schema.decode(record)
                served = encode(flux=flux[np.newaxis])
                row = latents.loc[values["dp_id"]]
                assert row["split"] == split
                for name in ("z_mean", "z_log_var"):
                    np.testing.assert_allclose(
                        served[name][0], row[name], rtol=1e-5, atol=1e-5
                    )
