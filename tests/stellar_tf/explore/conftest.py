"""A run that can be explored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stellar_tf.analysis.analyze import analyze
from stellar_tf.analysis.files import list_tables, write_named
from stellar_tf.config import AnalysisConfig
from stellar_tf.explore.explorer import Explorer
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.run import Run
from stellar_tf.tables import write_table

FAST = AnalysisConfig(n_resamples=20, n_subsamples=20, n_permutations=200, n_draws=4000)


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory, run: Run, records: Path) -> Run:
    """A copy of the run with latents and an analysis."""
    folder = tmp_path_factory.mktemp("explored") / "run"
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("analysis"))
    explored = Run(folder)
    latents = SpectrumModel.from_run(explored).encode(records).table
    write_table(latents, explored.latents_path, overwrite=True)
    write_named(list_tables(analyze(latents, FAST)), explored.analysis)
    return explored


@pytest.fixture(scope="session")
def explorer(explored: Run) -> Explorer:
    return Explorer(explored)
