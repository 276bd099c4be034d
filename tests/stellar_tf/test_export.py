from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.encoding import encode_records
from stellar_tf.export import export
from stellar_tf.run import Run
from stellar_tf.saved_model.assets import read_grid
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.tfrecord import read_records


@pytest.fixture(scope="module")
def version(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def raw(records: Path) -> tuple[list[str], np.ndarray]:
    """Identifiers and raw flux of the test split."""
    manifest = read_manifest(records)
    dp_ids, flux = [], []
    for path in manifest.shard_paths("test"):
        for record in read_records(path):
            values, metadata = manifest.record_schema.decode(record)
            flux.append(values)
            dp_ids.append(str(metadata["dp_id"]))
    return dp_ids, np.array(flux)


def test_served_latents_are_those_of_encode(
    run: Run, records: Path, version: Path, raw: tuple[list[str], np.ndarray]
) -> None:
    dp_ids, flux = raw
    served = tf.saved_model.load(version).signatures["serving_default"](flux=flux)
    latents = encode_records(run, records)
    latents.add_index("dp_id")
    encoded = latents.loc[dp_ids]
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(served[name], encoded[name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served["median_flux"], encoded["median_flux"], rtol=1e-6)
    np.testing.assert_allclose(
        served["valid_fraction"], np.isfinite(flux).mean(axis=1), rtol=1e-6
    )


def test_signatures(version: Path) -> None:
    model = tf.saved_model.load(version)
    assert set(model.signatures) == {
        "serving_default",
        "encode",
        "decode",
        "reconstruct",
    }
    encode = model.signatures["encode"]
    assert encode.structured_input_signature[1]["flux"].shape.as_list() == [None, 1000]
    assert set(encode.structured_outputs) == {
        "z_mean",
        "z_log_var",
        "median_flux",
        "valid_fraction",
    }


def test_reconstruct_is_decode_of_encode(
    version: Path, raw: tuple[list[str], np.ndarray]
) -> None:
    flux = raw[1][:3]
    signatures = tf.saved_model.load(version).signatures
    code = signatures["encode"](flux=flux)
    decoded = signatures["decode"](z=code["z_mean"])["flux"]
    expected = decoded * code["median_flux"][:, None]
    np.testing.assert_allclose(
        signatures["reconstruct"](flux=flux)["flux"], expected, rtol=1e-5
    )


def test_a_gap_of_zeros_is_a_gap(
    version: Path, raw: tuple[list[str], np.ndarray]
) -> None:
    encode = tf.saved_model.load(version).signatures["encode"]
    zeros, marked = raw[1][:1].copy(), raw[1][:1].copy()
    zeros[0, 300:450] = 0.0
    marked[0, 300:450] = np.nan
    for name, value in encode(flux=zeros).items():
        np.testing.assert_array_equal(value, encode(flux=marked)[name])


def test_a_spectrum_without_valid_pixels_has_finite_latents(version: Path) -> None:
    encode = tf.saved_model.load(version).signatures["encode"]
    served = encode(flux=np.full((1, 1000), np.nan, np.float32))
    assert all(np.isfinite(value).all() for value in served.values())
    assert served["valid_fraction"].numpy() == [0.0]


def test_versions_are_numbered_and_kept(run: Run, tmp_path: Path) -> None:
    assert [export(run, tmp_path / "m").name for _ in range(2)] == ["1", "2"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["1", "2"]


def test_grid_comes_with_the_model(run: Run, version: Path) -> None:
    assert read_grid(version) == run.read_config().grid.model_dump()


def test_saved_model_cli_runs_it(
    version: Path, raw: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    """In a process of its own, which does not import this package."""
    np.save(tmp_path / "flux.npy", raw[1][:2])
    command = [
        sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run",
        "--dir", str(version), "--tag_set", "serve",
        "--signature_def", "serving_default",
        "--inputs", f"flux={tmp_path / 'flux.npy'}",
        "--outdir", str(tmp_path / "out"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    encode = tf.saved_model.load(version).signatures["encode"]
    for name, value in encode(flux=raw[1][:2]).items():
        np.testing.assert_allclose(
            np.load(tmp_path / "out" / f"{name}.npy"), value, rtol=1e-5, atol=1e-6
        )
