"""The client, and the command that encodes by a server."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stellar_tf.cli.main import run_command
from stellar_tf.config import Config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.saved_model.assets import CONVERT_FILE, GRID_FILE, read_settings
from stellar_tf.serving.client import Client, ServerError
from stellar_tf.tables import read_table
from tests.stellar_tf.serving.conftest import Server
from tfrecords_tools.errors import ask_for_extra


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    with Client(server.url) as client:
        yield client


def test_it_knows_the_grid_and_the_settings(client: Client, config: Config) -> None:
    assert client.grid == config.grid
    assert client.convert == config.convert


def test_every_signature(client: Client, signatures: Any, flux: np.ndarray) -> None:
    code = client.encode(flux)
    expected = signatures["encode"](flux=flux)
    assert set(code) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(code[name], values, rtol=1e-4, atol=1e-5)
    one = client.encode(flux[0])["z_mean"]
    np.testing.assert_allclose(one, code["z_mean"][:1], rtol=1e-4, atol=1e-5)
    for got, name, inputs in (
        (client.decode(code["z_mean"]), "decode", {"z": code["z_mean"]}),
        (client.reconstruct(flux), "reconstruct", {"flux": flux}),
    ):
        expected = signatures[name](**inputs)["flux"]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_a_spectrum_on_the_grids_wavelengths_has_the_grids_code(
    client: Client, flux: np.ndarray
) -> None:
    code = client.encode_spectrum(client.grid.wave, flux[0])
    for name, values in client.encode(flux[0]).items():
        np.testing.assert_allclose(code[name], values, rtol=1e-4, atol=1e-5)
    with pytest.raises(ServerError, match="wave and flux must have the same length"):
        client.encode_spectrum(client.grid.wave, flux[0, :-1])


def test_a_code_that_is_not_finite_is_refused(client: Client) -> None:
    with pytest.raises(ServerError, match="400 decode: z must be finite"):
        client.decode([np.nan, 0.0, 0.0, 0.0])


def test_a_batch_beyond_the_limit_goes_in_parts(
    client: Client, signatures: Any, flux: np.ndarray
) -> None:
    """600 spectra are 2.4 MB, and the limit of a request is 1 MiB."""
    many = np.tile(flux, (75, 1))
    expected = signatures["encode"](flux=many)["z_mean"]
    got = client.encode(many)["z_mean"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    z = np.zeros((600, 4), np.float32)
    np.testing.assert_allclose(
        client.decode(z), signatures["decode"](z=z)["flux"], rtol=1e-4, atol=1e-5
    )


def test_refusals_are_told(client: Client, server: Server) -> None:
    with pytest.raises(ServerError, match=r"400 flux must have shape \(any, 1000\)"):
        client.encode(np.zeros((2, 5)))
    with pytest.raises(ServerError, match="no signature dream"):
        client.call("dream")
    with pytest.raises(ServerError, match="404"):
        Client(server.url, version=9)
    assert Client(server.url, "small", version=1).metadata["name"] == "small"


def test_a_server_of_another_version_is_told(client: Client) -> None:
    with Client(client._url) as other:
        other._parameters = {"convert": {"new_rule": 1}}
        with pytest.raises(ServerError, match=r"settings unknown here \(new_rule\)"):
            _ = other.convert
        with pytest.raises(ServerError, match="does not tell the grid"):
            _ = other.grid


def test_encoding_there_is_encoding_here(
    run: Run, fits_folder: Path, server: Server, tmp_path: Path, capsys: Any
) -> None:
    bad, out = tmp_path / "bad.fits", tmp_path / "latents.parquet"
    bad.write_bytes(b"no FITS")
    argv = ["encode", "--server", server.url, "--out", str(out)]
    assert run_command([*argv, str(fits_folder), str(bad)]) == 3
    captured = capsys.readouterr()
    assert f"80 spectra in {out}; 1 files rejected" in captured.out
    assert str(bad) in captured.err
    here, there = SpectrumModel.from_run(run).encode(fits_folder).table, read_table(out)
    assert there.colnames == here.colnames
    for name in here.colnames:
        if here[name].dtype.kind == "f":
            np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5)
        else:
            assert list(there[name]) == list(here[name])
    assert run_command([*argv, str(fits_folder)]) == 2
    assert "exists; choose another name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["encode", "--server", "http://127.0.0.1:1", "FITS"], "does not answer"),
        (["encode", "--server", "nonsense", "FITS"], "does not answer"),
        (["encode", "--server", "URL/v9", "FITS"], "404"),
        (["encode", "--server", "URL", "RECORDS"], "which only a run encodes"),
        (["encode", "RUN"], "name the run and then what to encode"),
        (["encode", "--calibrated", "--server", "http://h:1", "RUN"], "not a server"),
        (["serve", "EMPTY"], "holds no model"),
        (["serve", "MODELS", "--version", "7"], "has no version 7, only 1"),
        (["serve", "MODELS", "--port", "TAKEN"], "port TAKEN: 127.0.0.1 cannot"),
        (
            ["serve", "MODELS", "--port", "0", "--grpc-port", "TAKEN"],
            "grpc_port TAKEN: 127.0.0.1 cannot be had",
        ),
        (["serve", "MODELS", "--host", "no.such.host.invalid"], "cannot be had"),
    ],
)
def test_mistakes_are_one_line(
    argv: list[str],
    reason: str,
    server: Server,
    models: Path,
    run: Run,
    records: Path,
    fits_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {
        "URL": server.url, "TAKEN": str(server.port), "EMPTY": str(tmp_path / "empty"),
        "MODELS": str(models), "FITS": str(fits_folder), "RECORDS": str(records),
        "RUN": str(run.folder),
    }  # fmt: skip
    for name, place in places.items():
        argv = [word.replace(name, place) for word in argv]
        reason = reason.replace(name, place)
    assert run_command(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"stellar-tf {argv[0]}: ")
    assert reason in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_without_kserve_serve_tells_what_to_install(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setitem(sys.modules, "kserve", None)
    assert run_command(["serve", str(models)]) == 2
    error = capsys.readouterr().err
    assert error == f"stellar-tf serve: {ask_for_extra('KServe', 'serve')}\n"


def test_settings_of_older_exports_are_the_default(
    models: Path, tmp_path: Path
) -> None:
    assert set(read_settings(models / "1")) == {"grid", "convert"}
    shutil.copytree(models / "1" / GRID_FILE.parent, tmp_path / GRID_FILE.parent)
    (tmp_path / CONVERT_FILE).unlink()
    grid = json.loads((tmp_path / GRID_FILE).read_text())
    assert read_settings(tmp_path) == {"grid": grid}
