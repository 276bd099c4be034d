from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from astropy.io import fits
from tensorflow.compat.v1.saved_model import load as load_as_serving_does
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import stellar_tf as st
from stellar_tf.analysis.analyze import analyze
from stellar_tf.analysis.files import list_tables, write_named
from stellar_tf.api.encoding import load_model
from stellar_tf.batches.normalisation import normalise_flux
from stellar_tf.cli.main import run_command
from stellar_tf.config import AnalysisConfig, write_config
from stellar_tf.flags import Flag
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from stellar_tf.saved_model.assets import (
    DIMENSIONS_FILE,
    FLAGS_FILE,
    read_settings,
)
from stellar_tf.saved_model.export import ExportError, export
from stellar_tf.saved_model.warmup import WARMUP_FILE
from stellar_tf.tables import read_table, write_table
from tests.stellar_tf.analysis.planted import RV, TEFF, UNEXPLAINED, plant_latents
from tests.stellar_tf.settings import with_settings
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.durable import partial_path
from tfrecords_tools.lock import BusyError, writing
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.tfrecord import read_records

SIGNATURES = ("encode", "encode_spectrum", "decode", "reconstruct", "normalise")
CLIENT = """
import pickle, sys
from pathlib import Path

REFUSED = ("keras", "tf_keras", "stellar_tf", "tfrecords_tools", "astropy")
sys.modules.update(dict.fromkeys(REFUSED))  # None cannot be imported
import numpy as np
import tensorflow as tf

def refuse(*args, **kwargs):
    raise RuntimeError("something is unpickled")

pickle.load = pickle.loads = pickle.Unpickler = refuse
model = tf.saved_model.load(sys.argv[1])
folder = Path(sys.argv[2])
with np.load(folder / "in.npz") as arrays:
    flux, wave = arrays["flux"], arrays["wave"]
inputs = {
    "encode": {"flux": flux},
    "encode_spectrum": {"wave": wave, "flux": flux[0]},
    "decode": {"z": np.ones((3, 4), np.float32)},
    "reconstruct": {"flux": flux},
    "normalise": {"flux": flux},
}
for name, given in inputs.items():
    given = {key: tf.constant(value) for key, value in given.items()}
    np.savez(folder / f"{name}.npz", **model.signatures[name](**given))
assert all(sys.modules[name] is None for name in REFUSED)
"""


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
    latents = SpectrumModel.from_run(run).encode(records).table
    latents.add_index("dp_id")
    encoded = latents.loc[dp_ids]
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(served[name], encoded[name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served["median_flux"], encoded["median_flux"], rtol=1e-6)
    np.testing.assert_allclose(
        served["valid_fraction"], np.isfinite(flux).mean(axis=1), rtol=1e-6
    )


def test_served_latents_of_a_run_that_divides_by_the_continuum(
    run: Run, records: Path, raw: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    other = Run(tmp_path / "run")
    config = with_settings(run.read_config(), dataset={"normalise": "continuum"})
    write_config(config, other.config_path)
    signatures = tf.saved_model.load(export(other, tmp_path / "model")).signatures
    dp_ids, flux = raw
    served = signatures["encode"](flux=flux)
    latents = SpectrumModel.from_run(other).encode(records).table
    latents.add_index("dp_id")
    encoded = latents.loc[dp_ids]
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(served[name], encoded[name], rtol=1e-5, atol=1e-5)

    unit = normalise_flux(tf.constant(flux), config.grid, "continuum").unit
    decoded = signatures["decode"](z=served["z_mean"])["flux"]
    reconstructed = signatures["reconstruct"](flux=flux)["flux"]
    np.testing.assert_allclose(reconstructed, decoded * unit, rtol=1e-4)
    served = signatures["normalise"](flux=flux)["unit"]
    np.testing.assert_allclose(served, np.nan_to_num(unit), rtol=1e-5)
    model = st.load_model(tmp_path / "model")
    np.testing.assert_allclose(model.normalise(flux[0]), flux[0] / unit[0], rtol=1e-5)


def test_spikes_are_flagged_alike_wherever_a_spectrum_comes_from(
    run: Run, fits_folder: Path, version: Path, tmp_path: Path
) -> None:
    """Also where the converter masked them, so that no one sees them any more."""
    sources = sorted(fits_folder.glob("*.fits"))[:2]
    with fits.open(sources[0]) as hdus:
        flux = hdus[1].data["FLUX"]
        flux[0, flux.shape[1] // 2 : flux.shape[1] // 2 + 3] = 1e10
        hdus.writeto(tmp_path / sources[0].name, checksum=True)
    paths = [tmp_path / sources[0].name, sources[1]]
    spectra = [read_spectrum(path) for path in paths]
    config = run.read_config()
    convert(paths, tmp_path / "records", config.grid, config.convert)
    arrays = [s.wave for s in spectra], [s.flux for s in spectra]
    expected = [Flag.SPIKES_MASKED, 0]
    for model in (SpectrumModel.from_run(run), load_model(version)):
        assert model.encode(*arrays).flags.tolist() == expected
        for given in (paths, tmp_path / "records"):
            table = model.encode(given).table
            flags = dict(zip(table["dp_id"], table["flags"], strict=True))
            assert [flags[path.stem] for path in paths] == expected
    served = tf.saved_model.load(version).signatures["encode_spectrum"]
    told = [served(wave=s.wave, flux=s.flux)["flags"].numpy().item() for s in spectra]
    assert told == expected


def test_signatures(version: Path) -> None:
    model = tf.saved_model.load(version)
    assert set(model.signatures) == {"serving_default", *SIGNATURES}
    encode = model.signatures["encode"]
    assert encode.structured_input_signature[1]["flux"].shape.as_list() == [None, 1000]
    encoded = {"z_mean", "z_log_var", "median_flux", "valid_fraction", "flags"}
    for name, outputs in (
        ("serving_default", encoded),
        ("encode", encoded),
        ("encode_spectrum", encoded),
        ("decode", {"flux"}),
        ("reconstruct", {"flux", "flags"}),
        ("normalise", {"unit"}),
    ):
        assert set(model.signatures[name].structured_outputs) == outputs


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


def test_versions_are_numbered_and_kept(
    run: Run, version: Path, tmp_path: Path
) -> None:
    assert version.name == "1"
    assert [path.name for path in version.parent.iterdir()] == ["1"]
    (tmp_path / "m" / "9").mkdir(parents=True)
    assert export(run, tmp_path / "m").name == "10"
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"9", "10"}


def test_a_failed_export_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stellar_tf.saved_model.export.write_assets", fail)
    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "m")
    assert list((tmp_path / "m").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="file: is a file; give the folder"):
        export(run, tmp_path / "file")
    with pytest.raises(ExportError, match="is a run or records; give the model"):
        export(run, run.folder)


def test_what_a_killed_export_left_is_removed_by_the_next(
    run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "m"
    with partial_path(out / "version") as partial:
        partial.mkdir(parents=True)
        with (
            writing(out),
            pytest.raises(BusyError, match="m: another process is writing it"),
        ):
            export(run, out)
        assert partial.exists()
        export(run, out)
        assert [path.name for path in out.iterdir()] == ["1"]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_weights_are_stored_once(run: Run, version: Path) -> None:
    n_bytes = sum(path.stat().st_size for path in (version / "variables").iterdir())
    assert 4 * load_autoencoder(run).count_params() < 1.1 * n_bytes
    assert n_bytes < 1.1 * 4 * load_autoencoder(run).count_params() + 20_000


def test_tensorflow_alone_loads_it(
    version: Path, raw: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    """No Keras, none of our packages, and nothing is unpickled: other clients can."""
    flux = raw[1][:2]
    wave = 5160.02 + 0.04 * np.arange(1000)
    np.savez(tmp_path / "in.npz", flux=flux, wave=wave)
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    command = [sys.executable, str(script), str(version), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    signatures = tf.saved_model.load(version).signatures
    inputs = {
        "encode": {"flux": flux},
        "encode_spectrum": {"wave": wave, "flux": flux[0]},
        "decode": {"z": np.ones((3, 4), np.float32)},
        "reconstruct": {"flux": flux},
        "normalise": {"flux": flux},
    }
    for name in SIGNATURES:
        with np.load(tmp_path / f"{name}.npz") as found:
            for key, value in signatures[name](**inputs[name]).items():
                np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)


def test_a_session_runs_it_as_tensorflow_serving_does(
    version: Path, raw: tuple[list[str], np.ndarray]
) -> None:
    """Warm-up requests as they are in the file, and mistakes with their message."""
    signatures = tf.saved_model.load(version).signatures
    records = read_records(version / WARMUP_FILE)
    warmup = []
    for request in (PredictionLog.FromString(r).predict_log.request for r in records):
        name = request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        warmup.append((name, inputs, signatures[name](**inputs)))
    assert {name for name, _, _ in warmup} == {*SIGNATURES}

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = load_as_serving_does(session, ["serve"], str(version))

        def predict(name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            signature = meta_graph.signature_def[name]
            feed = {signature.inputs[key].name: v for key, v in inputs.items()}
            outputs = {key: info.name for key, info in signature.outputs.items()}
            found: dict[str, np.ndarray] = session.run(outputs, feed)
            return found

        for name, inputs, expected in warmup:
            found = predict(name, inputs)
            assert not np.any(found.get("flags", 0))
            for key, value in expected.items():
                np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)
        for name, inputs, message in (
            ("encode_spectrum", {"wave": np.ones(3), "flux": np.ones(2, np.float32)},
             "wave and flux must have the same length"),
            ("decode", {"z": np.full((1, 4), np.nan, np.float32)}, "z must be finite"),
        ):  # fmt: skip
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                predict(name, inputs)
        with pytest.raises(ValueError, match=r"shape \(1, 999\).*\(None, 1000\)"):
            predict("encode", {"flux": raw[1][:1, :999]})


def test_what_comes_with_the_model(run: Run, version: Path) -> None:
    assert read_settings(version)["grid"] == run.read_config().grid.model_dump()
    for name in ("README.md", DIMENSIONS_FILE, FLAGS_FILE, WARMUP_FILE):
        assert (version / name).stat().st_size > 0
    assert "# small\n" in (version / "README.md").read_text(encoding="utf-8")


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


@pytest.fixture
def analysed(run: Run, tmp_path: Path) -> Run:
    """The run with the analysis of planted latents, of as many dimensions."""
    copy = Run(tmp_path / "run")
    shutil.copytree(run.folder, copy.folder, ignore=shutil.ignore_patterns("analysis"))
    latents = plant_latents()
    kept = [RV, TEFF, 1, UNEXPLAINED]
    for name in ("z_mean", "z_log_var"):
        latents[name] = latents[name][:, kept]
    few = AnalysisConfig(n_resamples=20, n_permutations=200, n_subsamples=20)
    write_named(list_tables(analyze(latents, few)), copy.analysis)
    return copy


def test_page_and_model_of_an_analysed_run(
    analysed: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "models" / "planted", tmp_path / "page.html"
    export = ["export", str(analysed.folder), "--page", str(page)]
    assert run_command([*export, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed == f"page: {page}\nSavedModel: {out / '1'}\n"
    assert page.read_text(encoding="utf-8").count('type="range"') == 3
    dimensions = json.loads((out / "1" / DIMENSIONS_FILE).read_text())
    assert [d["tracks"] for d in dimensions] == ["rv", "teff", None, None]
    assert [d["informative"] for d in dimensions] == [True, True, False, True]
    unit_map = dimensions[0]["unit_map"]
    assert (unit_map["name"], unit_map["unit"]) == ("radial velocity", "km/s")
    assert dimensions[3]["unit_map"] is None
    for written in (page, out / "1" / "README.md"):
        assert "radial velocity about " in written.read_text(encoding="utf-8")
    verdict = read_table(analysed.analysis / "verdict.ecsv")
    verdict["informative"] = False
    write_table(verdict, analysed.analysis / "verdict.ecsv", overwrite=True)
    assert run_command([*export, "--overwrite"]) == 2
    assert "no dimension is informative" in capsys.readouterr().err
