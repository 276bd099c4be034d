"""A training killed at any moment goes on as if nothing had happened."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import Config, write_config
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from tests.stellar_tf.settings import with_settings


@pytest.fixture(scope="module")
def settings(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training whose epochs and checkpoints do not coincide."""
    path = tmp_path_factory.mktemp("settings") / "config.yaml"
    training = {
        "n_steps": 150, "steps_per_epoch": 7, "checkpoint_steps": 5,
        "deterministic": True, "learning_rate": 3e-4,
    }  # fmt: skip
    dataset = {"balance_stars": True, "max_velocity_shift": 10.0, "noise": 0.01}
    model = {"folded": {**config.model.folded.model_dump(), "displacement_scale": 2.0}}
    changed = with_settings(config, training=training, dataset=dataset, model=model)
    write_config(changed, path)
    return path


def train(records: Path, run: Path, settings: Path, strategy: str, n_kills: int) -> Run:
    command = [sys.executable, "-m", "tests.stellar_tf.training.killed_fit"]
    arguments = [records, run, settings, strategy, n_kills]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(run)


def read_history(run: Run) -> np.ndarray:
    with run.history_path.open(newline="") as stream:
        _, *rows = list(csv.reader(stream))
    return np.array(rows, float)


def checkpoint_files(run: Run) -> dict[str, bytes]:
    """Variables, optimiser's moments and the state of the loop."""
    return {
        path.relative_to(run.checkpoints).as_posix(): path.read_bytes()
        for path in run.checkpoints.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("n_kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_one_device_ends_with_the_same_bits(
    records: Path, settings: Path, tmp_path: Path, n_kills: int
) -> None:
    whole = train(records, tmp_path / "whole", settings, "single", 0)
    killed = train(records, tmp_path / "killed", settings, "single", n_kills)
    assert killed.history_path.read_bytes() == whole.history_path.read_bytes()
    assert read_history(whole)[-1, 0] == 21
    assert checkpoint_files(killed) == checkpoint_files(whole)
    for a, b in zip(
        load_autoencoder(killed).get_weights(),
        load_autoencoder(whole).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_two_replicas_end_alike(records: Path, settings: Path, tmp_path: Path) -> None:
    whole = train(records, tmp_path / "whole", settings, "mirrored", 0)
    killed = train(records, tmp_path / "killed", settings, "mirrored", 6)
    np.testing.assert_allclose(read_history(killed), read_history(whole), rtol=1e-5)
