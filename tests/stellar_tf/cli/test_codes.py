"""``stellar-tf analyze`` on an array of codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.cli.main import run_command
from stellar_tf.tables import read_table, write_table
from tests.stellar_tf.analysis.planted import plant_latents

LATENTS = plant_latents(n_stars=60)


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    path = tmp_path / "codes.npy"
    np.save(path, np.asarray(LATENTS["z_mean"])[:, [0, 1, 3]])
    return path


def test_codes_alone_get_tables_but_no_k(
    tmp_path: Path, codes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.parquet"
    write_table(LATENTS["target", "rv", "spectral_type"], labels)
    analyze = ["analyze", str(codes), "--labels", str(labels)]
    assert run_command(analyze) == 0
    printed = capsys.readouterr().out
    assert "2 of 3 dimensions have a MAD above the paper's threshold" in printed
    assert "120 codes of 60 stars" in printed
    assert "no number of informative dimensions is claimed" in printed
    table = read_table(tmp_path / "codes_analysis" / "dispersion.ecsv")
    tracks = dict(zip(table["dimension"], table["tracks"], strict=True))
    assert tracks[0] == "rv"
    assert run_command(analyze) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    out = tmp_path / "elsewhere"
    assert run_command(["analyze", str(codes), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "dispersion.ecsv", "associations.ecsv",
    }  # fmt: skip


def test_missing_values_of_labels_are_no_categories(
    tmp_path: Path, codes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{rv:.4f}\t~\tG2" for rv in LATENTS["rv"]]
    rows[0], rows[1] = "~\t5\t", "-9999\tnull\tK0"
    labels = tmp_path / "labels.tsv"
    labels.write_text("\n".join(["rv\tage\tsptp", *rows]) + "\n")
    argv = ["analyze", str(codes), "--labels", str(labels)]
    assert run_command(argv) == 0
    printed = capsys.readouterr().out
    assert "labels.tsv: columns of text: sptp\n" in printed
    assert "labels.tsv: -9999 in rv (1 row): taken as numbers." in printed
    assert "label left out: age: known for 1 stars" in printed
    assert "label left out: rv" not in printed
    argv += ["--overwrite", "--set", "convert.missing_values=[-9999]"]
    assert run_command(argv) == 0
    assert "-9999" not in capsys.readouterr().out


def test_mistakes_are_told_in_one_line(
    tmp_path: Path, codes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, broken = tmp_path / "short.csv", tmp_path / "broken.npy"
    none = tmp_path / "none.xlsx"
    none.write_text("no table")
    short.write_text("rv\n1\n")
    broken.write_text("no array")
    for argv, message in (
        ([codes, "--labels", short], "a row for each of the 120 codes"),
        ([codes, "--labels", none], "its format is not known; save it as CSV"),
        ([codes, "--truth", short], "--truth: is for a run"),
        (
            [codes, "--set", "seed=1"],
            "--set seed: may not be changed here, only convert.aliases",
        ),
        ([broken], "is no array of numbers saved by numpy"),
        ([tmp_path, "--out", tmp_path / "x"], "--out: is for CODES.npy"),
    ):
        assert run_command(["analyze", *map(str, argv)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
