"""The commands one after the other, as a user types them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from stellar_tf.cli import demo as demo_command
from stellar_tf.cli.main import parse_arguments, run_command
from stellar_tf.config import Config, load_config, write_config
from stellar_tf.run import Run
from stellar_tf.tables import read_table


@pytest.fixture
def settings(tmp_path: Path, config: Config) -> Path:
    path = tmp_path / "small.yaml"
    write_config(config, path)
    return path


def test_demo_runs_the_whole_chain(
    tmp_path: Path,
    settings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_: object) -> NoReturn:
        raise KeyboardInterrupt

    out = tmp_path / "demo"
    demo = ["demo", str(out), "--config", str(settings)]
    assert run_command(demo) == 0
    printed = capsys.readouterr().out
    assert "80 spectra of 40 stars" in printed
    assert "of 4 dimensions are independently informative" in printed
    assert (out / "run" / "analysis" / "report.html").is_file()
    assert (out / "run" / "analysis" / "verdict.ecsv").is_file()
    assert (out / "models" / "demo" / "1" / "saved_model.pb").is_file()
    # Interrupted anywhere, the same line goes on from there.
    shutil.rmtree(out / "run" / "analysis")
    assert run_command(demo) == 0
    assert (out / "run" / "analysis" / "report.html").is_file()
    told = capsys.readouterr()
    assert "stellar-tf convert" not in told.err
    assert "the rest of it took" in told.out
    assert run_command(demo) == 0
    assert "is done already, with these settings" in capsys.readouterr().out
    other = [*demo, "--set", "model.n_latent=3", "--set", "training.seed=9"]
    assert run_command(other) == 2
    reason = "other settings (model.n_latent, training.seed); choose another folder"
    assert reason in capsys.readouterr().err
    # Nothing of the old settings is taken for done when the new ones are cut short.
    with monkeypatch.context() as patch:
        patch.setattr(demo_command, "_list_commands", interrupt)
        with pytest.raises(KeyboardInterrupt):
            demo_command.COMMAND.run(parse_arguments([*other, "--overwrite"]))
    assert sorted(path.name for path in out.iterdir()) == ["settings.yaml"]
    assert load_config(out / "settings.yaml").training.seed == 9


def test_rejects_are_told_by_line_and_status(
    tmp_path: Path,
    settings: Path,
    fits_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.fits").write_bytes(b"no FITS")
    convert = ["convert", "--config", str(settings), "--out"]
    bad = str(tmp_path / "bad.fits")
    assert run_command([*convert, str(tmp_path / "a"), bad, str(fits_folder)]) == 3
    assert "1 of 81 files rejected" in capsys.readouterr().out.splitlines()[-1]
    assert "bad.fits" in (tmp_path / "a" / "rejects.csv").read_text()
    assert run_command([*convert, str(tmp_path / "b"), bad]) == 1
    assert "1 of 1 files rejected" in capsys.readouterr().out.splitlines()[-1]


def test_encode_tells_rejects_too(
    tmp_path: Path, run: Run, fits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.fits", tmp_path / "latents.ecsv"
    bad.write_bytes(b"no FITS")
    encode = ["encode", str(run.folder), "--out", str(out), str(bad)]
    assert run_command(encode) == 1
    assert not out.exists()
    assert run_command([*encode, str(fits_folder)]) == 3
    assert f"80 spectra in {out}; 1 files rejected" in capsys.readouterr().out
    assert len(read_table(out)) == 80


def test_encode_in_parts(
    tmp_path: Path, run: Run, fits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.fits", tmp_path / "latents.parquet"
    bad.write_bytes(b"no FITS")
    encode = ["encode", str(run.folder), "--out", str(out), "--engine", "beam"]
    assert run_command([*encode, str(bad)]) == 1
    assert not out.exists()
    assert run_command([*encode, str(bad), str(fits_folder)]) == 3
    printed = capsys.readouterr()
    assert f"80 spectra in {out}; 1 files rejected" in printed.out
    assert f"{bad}: " in printed.err
    assert len(read_table(out)) == 80
    assert sorted(path.name for path in tmp_path.iterdir()) == [bad.name, out.name]


def test_analysis_takes_other_labels(
    tmp_path: Path, run: Run, records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latents = tmp_path / "latents.fits"
    encode = ["encode", str(run.folder), str(records), "--out", str(latents)]
    assert run_command(encode) == 0
    table = read_table(latents)
    labels = tmp_path / "labels.csv"
    rows = [
        f"{dp_id},{z[0]}"
        for dp_id, z in zip(table["dp_id"], table["z_mean"], strict=True)
    ]
    labels.write_text("\n".join(["dp_id,mirror", *rows]) + "\n")
    analyze = ["analyze", str(run.folder), "--latents", str(latents)]
    assert run_command([*analyze, "--labels", str(labels)]) == 0
    printed = capsys.readouterr().out
    assert "mirror" in printed
    assert f"80 of 80 spectra, 40 of 40 stars, have labels of {labels}" in printed
    report = run.analysis / "report.html"
    before = report.read_bytes()
    assert run_command(analyze) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    labels.write_text("dp_id,mirror\nnone,1\n")
    assert run_command([*analyze, "--overwrite", "--labels", str(labels)]) == 2
    assert "no row is about any of the 80 spectra" in capsys.readouterr().err
    assert report.read_bytes() == before
    assert run_command([*analyze, "--overwrite"]) == 0
    assert np.isfinite(table["z_mean"]).all()


@pytest.mark.slow
def test_demo_finds_velocity_and_temperature(tmp_path: Path) -> None:
    """The point of the paper, at the size that a user sees."""
    assert run_command(["demo", str(tmp_path / "demo")]) == 0
    analysis = tmp_path / "demo" / "run" / "analysis"
    labels = read_table(analysis / "labels.ecsv")
    found = dict(zip(labels["label"], labels["spearman_held_out"], strict=True))
    assert abs(found["rv"]) >= 0.9
    assert abs(found["teff"]) >= 0.9
    verdict = read_table(analysis / "verdict.ecsv")
    informative = verdict[verdict["informative"]]
    assert {"rv", "teff"} <= set(informative["tracks"])
