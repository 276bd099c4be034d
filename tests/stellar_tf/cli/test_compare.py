from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.cli.main import run_command
from stellar_tf.tables import write_table
from tests.stellar_tf.analysis.planted import plant_latents

LATENTS = plant_latents(n_stars=60)


def write_run(folder: Path, latents: Table, informative: list[int]) -> Path:
    (folder / "analysis").mkdir(parents=True)
    write_table(latents, folder / "latents.parquet")
    n_latent = latents["z_mean"].shape[1]
    verdict = Table({"dimension": np.arange(n_latent)})
    verdict["informative"] = np.isin(verdict["dimension"], informative)
    verdict.write(folder / "analysis" / "verdict.ecsv", format="ascii.ecsv")
    return folder


def test_runs_are_matched_by_identifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_run(tmp_path / "a", LATENTS, [0, 3, 5])
    turned = LATENTS[np.random.default_rng(0).permutation(len(LATENTS))]
    turned["z_mean"] = -turned["z_mean"][:, ::-1]  # 0 becomes 11, 3 becomes 8, 5 6
    second = write_run(tmp_path / "b", turned, [11, 8])
    assert run_command(["compare", str(first), str(second)]) == 0
    printed = capsys.readouterr().out
    assert "(3 informative)" in printed
    assert "stability 0.667 on 60 stars, kernel alignment 0." in printed
    assert "neighbours shared 0." in printed
    pairs = {tuple(line.split()) for line in printed.splitlines()}
    assert {("0", "11", "-1.000"), ("3", "8", "-1.000")} <= pairs


@pytest.mark.parametrize("case", ["one run", "not analysed", "other spectra"])
def test_mistakes_are_told(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(tmp_path / "a", LATENTS, [0])]
    if case == "not analysed":
        runs.append(tmp_path / "empty")
        runs[1].mkdir()
    if case == "other spectra":
        other = LATENTS.copy()
        other["dp_id"] = [f"other {i}" for i in range(len(other))]
        runs.append(write_run(tmp_path / "b", other, [0]))
    assert run_command(["compare", *map(str, runs)]) == 2
    message = {
        "one run": "compare needs two or more run folders",
        "not analysed": "run stellar-tf analyze",
        "other spectra": "have no spectrum in common",
    }[case]
    assert message in capsys.readouterr().err
