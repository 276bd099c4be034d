from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from stellar_tf.config import ConfigError, SimulateConfig
from stellar_tf.simulator.simulate import (
    SETTINGS_FILE,
    TRUTH_FILE,
    FolderError,
    read_simulation,
    simulate,
)
from tfrecords_tools.lock import BusyError, writing

from .conftest import FIXED_FACTORS, fixed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.fits")}


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory, window: SimulateConfig) -> Path:
    out = tmp_path_factory.mktemp("survey") / "files"
    simulate(out, window, seed=4, overwrite=False)
    return out


def test_truth_lists_every_file_with_units(
    survey: Path, window: SimulateConfig
) -> None:
    truth = Table.read(survey / "truth.ecsv")
    assert len(truth) == window.n_stars * window.n_visits
    assert {f"{name}.fits" for name in truth["dp_id"]} == set(contents(survey))
    assert truth["teff"].unit == u.K
    assert truth["rv"].unit == u.km / u.s
    np.testing.assert_allclose(truth["snr"], 10.0 ** truth["log_snr"])
    for row in truth:
        header = fits.getheader(survey / f"{row['dp_id']}.fits")
        assert header["OBJECT"] == row["target"]
        assert header["ESO DRS BERV"] == pytest.approx(row["berv"])


def test_same_seed_gives_the_same_bytes(
    survey: Path, window: SimulateConfig, tmp_path: Path
) -> None:
    simulate(tmp_path / "again", window, seed=4, overwrite=False)
    assert contents(tmp_path / "again") == contents(survey)
    simulate(tmp_path / "other", window, seed=5, overwrite=False)
    assert not set(contents(tmp_path / "other")) & set(contents(survey))


def test_stars_do_not_depend_on_their_number(
    survey: Path, window: SimulateConfig, tmp_path: Path
) -> None:
    larger = window.model_copy(update={"n_stars": 4, "n_visits": 3})
    simulate(tmp_path / "larger", larger, seed=4, overwrite=False)
    assert contents(survey).items() <= contents(tmp_path / "larger").items()


def test_an_interrupted_run_continues_and_may_grow(
    survey: Path, window: SimulateConfig, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    simulate(out, window, seed=4, overwrite=False)
    first, *_ = sorted(out.glob("*.fits"))
    first.rename(out / f"{first.name}.0.partial")
    summary = simulate(out, window, seed=4, overwrite=False)
    assert not list(out.glob("*.partial"))
    assert (summary.n_files, summary.n_written) == (6, 1)
    assert contents(out) == contents(survey)
    larger = window.model_copy(update={"n_stars": 5})
    summary = simulate(out, larger, seed=4, overwrite=False)
    assert (summary.n_files, summary.n_written) == (10, 4)
    assert len(Table.read(summary.truth)) == 10


def test_with_all_factors_fixed_only_noise_varies(
    window: SimulateConfig, tmp_path: Path
) -> None:
    config = window.model_copy(update={"factors": FIXED_FACTORS, "n_stars": 2})
    simulate(tmp_path / "fixed", config, seed=0, overwrite=False)
    truth = Table.read(tmp_path / "fixed" / "truth.ecsv")
    for name in type(FIXED_FACTORS).model_fields:
        assert len(set(truth[name])) == 1, name
    assert len(set(contents(tmp_path / "fixed").values())) == 4


def test_foreign_folders_are_left_alone(window: SimulateConfig, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FolderError, match="exists and holds no simulation"):
            simulate(tmp_path, window, seed=0, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    with pytest.raises(FolderError, match="exists and holds no simulation"):
        simulate(precious, window, seed=0, overwrite=False)


def test_another_simulation_is_replaced_only_when_asked(
    window: SimulateConfig, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    simulate(out, window, seed=0, overwrite=False)
    before = contents(out)
    with pytest.raises(FolderError, match="other settings or another seed"):
        simulate(out, window, seed=1, overwrite=False)
    fewer = window.model_copy(update={"n_stars": 1})
    with pytest.raises(FolderError, match="other settings or another seed"):
        simulate(out, fewer, seed=0, overwrite=False)
    assert contents(out) == before
    simulate(out, fewer, seed=1, overwrite=True)
    assert len(contents(out)) == 2


def test_one_simulates_into_a_folder_at_a_time(
    window: SimulateConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "fits"
    for _ in range(2):  # a new folder, and one with a simulation
        with (
            writing(folder / SETTINGS_FILE),
            pytest.raises(BusyError, match="another process is writing it"),
        ):
            simulate(folder, window, seed=0, overwrite=True)
        # What a kill leaves of the beginning is no reason to refuse.
        (folder / f".{SETTINGS_FILE}.lock").touch()
        simulate(folder, window, seed=0)
        names = {path.name for path in folder.iterdir() if path.suffix != ".fits"}
        assert names == {SETTINGS_FILE, TRUTH_FILE}


def test_impossible_settings_write_nothing(
    window: SimulateConfig, tmp_path: Path
) -> None:
    factors = FIXED_FACTORS.model_copy(update={"teff": fixed(9000.0)})
    config = window.model_copy(update={"factors": factors})
    with pytest.raises(ConfigError, match="must lie inside the grid"):
        simulate(tmp_path / "out", config, seed=0, overwrite=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["a word", "seed: 0", "{", ""])
def test_a_folder_with_damaged_settings_is_refused(
    window: SimulateConfig, tmp_path: Path, text: str
) -> None:
    (tmp_path / "simulation.yaml").write_text(text)
    with pytest.raises(FolderError, match="other settings or another seed"):
        simulate(tmp_path, window, seed=0, overwrite=False)
    assert simulate(tmp_path, window, seed=0, overwrite=True).n_written == 6


def test_how_files_were_simulated_is_read_back(
    window: SimulateConfig, tmp_path: Path
) -> None:
    assert read_simulation(tmp_path) is None
    simulate(tmp_path / "out", window, seed=1)
    assert read_simulation(tmp_path / "out") == window
    for damaged in ("seed: 1", "simulate: [", "simulate: {n_stars: many}"):
        (tmp_path / "out" / SETTINGS_FILE).write_text(damaged)
        assert read_simulation(tmp_path / "out") is None
