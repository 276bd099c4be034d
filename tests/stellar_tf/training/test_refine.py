from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.files import list_tables, write_named
from stellar_tf.config import ConfigError, load_config, write_config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import GridError, Run, RunError
from stellar_tf.training.refine import find_dimensions, refine
from tfrecords_tools.records.manifest import hash_file, read_manifest

FEW = load_config(None, {"training.n_steps": 4, "training.steps_per_epoch": 2})


def analyse(run: Run, result: AnalysisResult, independent: list[bool]) -> None:
    """Give a run a verdict, by which all dimensions are informative."""
    named = list_tables(result)
    verdict = named["verdict"][:4].copy()
    verdict["dimension"] = [3, 0, 2, 1]
    verdict["informative"] = True
    verdict["independent"] = independent
    write_named({**named, "verdict": verdict}, run.analysis, overwrite=True)


@pytest.fixture
def analysed(run: Run, result: AnalysisResult, tmp_path: Path) -> Run:
    """A run of whose four dimensions 3 and 0 are independently informative."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    analyse(Run(folder), result, [True, True, False, False])
    return Run(folder)


def test_the_verdicts_dimensions_are_kept_in_order(analysed: Run) -> None:
    assert find_dimensions(analysed) == (0, 3)
    refined = refine(analysed.folder, None, FEW, progress=False)
    assert refined.folder == analysed.folder / "refined"
    origin = refined.read_records()
    assert origin["dimensions"] == [0, 3]
    assert origin["init_from_sha256"] == hash_file(analysed.model_path)
    config = refined.read_config()
    assert config.model.n_latent == 2
    assert config.objective.kl_weights == ((0, 2.0 / config.grid.n_pixels),)
    assert config.training.n_steps == 4
    assert config.inference.n_steps == 50


def test_it_begins_where_the_run_ended(analysed: Run, tmp_path: Path) -> None:
    """With steps of nothing the codes are those of the run."""
    still = load_config(FEW, {"training.learning_rate": 1e-30, "inference.n_steps": 0})
    refined = refine(analysed.folder, tmp_path / "still", still, progress=False)
    flux = np.random.default_rng(0).normal(1.0, 0.1, 1000).astype(np.float32)
    before, after = (
        SpectrumModel.from_run(r).encode_flux(flux) for r in (analysed, refined)
    )
    np.testing.assert_allclose(after.z_mean, before.z_mean[:, [0, 3]], atol=1e-5)


class Stop(keras.callbacks.Callback):
    """Ends training like a power cut, after an epoch."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_refinement_continues_exactly(
    analysed: Run, tmp_path: Path
) -> None:
    config = load_config(FEW, {"training.checkpoint_steps": 1})
    whole = refine(analysed.folder, tmp_path / "whole", config, progress=False)
    with pytest.raises(KeyboardInterrupt):
        refine(
            analysed.folder,
            tmp_path / "cut",
            config,
            progress=False,
            extra_callbacks=[Stop()],
        )
    cut = refine(analysed.folder, tmp_path / "cut", config, progress=False)
    for a, b in zip(
        load_autoencoder(whole).get_weights(),
        load_autoencoder(cut).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_run_that_is_not_finished(analysed: Run) -> None:
    rows = analysed.history_path.read_text(encoding="utf-8").splitlines()
    analysed.history_path.write_text("\n".join(rows[:2]) + "\n", encoding="utf-8")
    with pytest.raises(RunError, match="has made 3 of 6 steps; run stellar-tf fit"):
        find_dimensions(analysed)


def test_a_run_without_a_verdict(analysed: Run) -> None:
    shutil.rmtree(analysed.analysis)
    with pytest.raises(RunError, match="no verdict yet; run stellar-tf encode and"):
        find_dimensions(analysed)


def test_a_run_in_which_nothing_is_informative(
    analysed: Run, result: AnalysisResult
) -> None:
    analyse(analysed, result, [False] * 4)
    with pytest.raises(RunError, match="none of its dimensions is informative"):
        find_dimensions(analysed)


def test_records_on_another_grid(analysed: Run, records: Path, tmp_path: Path) -> None:
    other = tmp_path / "records"
    shutil.copytree(records, other)
    grid = read_manifest(records).grid
    whole = analysed.read_config().model_copy(
        update={"grid": grid.model_copy(update={"n_pixels": 999})}
    )
    write_config(whole, analysed.config_path)
    with pytest.raises(GridError, match="has another grid than"):
        refine(analysed.folder, None, FEW, records=other, progress=False)


def test_settings_that_do_not_fit(analysed: Run) -> None:
    wrong = load_config(FEW, {"training.batch_size": 7})
    with pytest.raises(ConfigError, match="must be a multiple of the 2 replicas"):
        refine(analysed.folder, None, wrong, "mirrored", devices=2, progress=False)


def test_layouts_that_do_not_go_together_name_the_file(analysed: Run) -> None:
    wrong = load_config(FEW, {"model.folded.folds": [8, 4, 4, 4]})
    with pytest.raises(ConfigError, match=r"config.yaml: .* as many entries as folds"):
        refine(analysed.folder, None, wrong, progress=False)


@pytest.mark.parametrize("text", ["", "epoch,st", "epoch,step\n0,x\n", "\x00\xff"])
def test_a_damaged_history_is_no_finished_run(text: str, analysed: Run) -> None:
    analysed.history_path.write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match="has made 0 of 6 steps"):
        find_dimensions(analysed)
