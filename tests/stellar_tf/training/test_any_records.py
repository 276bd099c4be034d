"""`fit` without settings, on grids that fit no network as they are."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import stellar_tf as st
from stellar_tf.cli.main import run_command
from stellar_tf.run import Run
from tfrecords_tools.grid import Grid

LINEAR = Grid(wave_min=5162.0, wave_step=0.17, n_pixels=211)
LOGARITHMIC = Grid(wave_min=5162.0, wave_step=0.19, spacing="log", n_pixels=187)


@pytest.fixture
def odd_records(grid: Grid, fits_folder: Path, tmp_path: Path) -> Path:
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    tree = {f"grid.{key}": value for key, value in grid.model_dump().items()}
    st.convert(
        fits_folder, tmp_path / "records", settings={**tree, "convert.split": split}
    )
    return tmp_path / "records"


def assert_whole(run: Run, grid: Grid) -> None:
    config = run.read_config()
    assert config.grid == grid
    assert sum(config.model.padding(grid.n_pixels)) > 0
    assert config.dataset.normalise == "continuum"
    assert config.objective.kl_weights == ()
    assert config.model.folded.n_displacement == (1 if grid.spacing == "log" else 2)
    with run.history_path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[-1]["step"]) == config.training.n_steps
    for row in rows:
        assert float(row["skipped"]) == 0.0
        assert np.isfinite([float(value) for value in row.values()]).all()


@pytest.mark.parametrize("grid", [LINEAR, LOGARITHMIC], ids=["linear", "log"])
def test_the_command_needs_no_settings(
    odd_records: Path, grid: Grid, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    line = ["fit", str(odd_records), "--run", str(run.folder), "--steps", "12"]
    assert run_command(line) == 0
    assert_whole(run, grid)
    assert run_command(line) == 0  # as finished as before
    exported = run_command(["export", str(run.folder), "--out", str(tmp_path / "m")])
    assert exported == 0
    here = st.load_model(run.folder).encode(odd_records)
    there = st.load_model(tmp_path / "m").encode(odd_records)
    assert len(here.table) == 80
    np.testing.assert_allclose(there.z_mean, here.z_mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [LOGARITHMIC], ids=["log"])
def test_the_function_needs_none_either(
    odd_records: Path, grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stellar_tf.config.recipe.count_steps", lambda n_spectra: 10)
    run = st.fit(odd_records, tmp_path / "run", progress=False)
    assert_whole(run, grid)
    assert run.read_config().training.n_steps == 10
