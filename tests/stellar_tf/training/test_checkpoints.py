from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.run import RunError
from stellar_tf.training.checkpoints import (
    CheckpointClock,
    CheckpointStore,
    TrainingState,
)
from stellar_tf.training.step import Trainer
from stellar_tf.training.strategy import build_strategy


@pytest.fixture(scope="module")
def trainer(config: Config) -> Trainer:
    return Trainer(config, build_strategy("single"))


@pytest.fixture
def store(tmp_path: Path, trainer: Trainer) -> CheckpointStore:
    """Three states saved, in which all variables are 1, 2 and 3."""
    store = CheckpointStore(tmp_path / "checkpoints", trainer.model, trainer.optimizer)
    for n in (1, 2, 3):
        fill(trainer, n)
        store.save(TrainingState(10 * n, 1.0 / n, {"loss": 0.1 * n}))
    fill(trainer, 0)
    return store


def fill(trainer: Trainer, value: float) -> None:
    for variable in (*trainer.model.variables, *trainer.optimizer.variables):
        variable.assign(np.full(variable.shape, value, variable.dtype))


def values(trainer: Trainer) -> set[float]:
    variables = (*trainer.model.variables, *trainer.optimizer.variables[:1])
    return {float(value) for v in variables for value in np.unique(v.numpy())}


def test_the_newest_is_restored_with_all_variables(
    store: CheckpointStore, trainer: Trainer
) -> None:
    assert store.restore() == TrainingState(30, 1.0 / 3, {"loss": 0.1 * 3})
    assert values(trainer) == {3.0}
    moments = trainer.optimizer.variables
    assert {float(v) for m in moments for v in np.unique(m.numpy())} >= {3.0}


def test_two_are_kept(store: CheckpointStore, tmp_path: Path) -> None:
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000000020", "step-000000030"]


def test_without_checkpoints_training_begins(tmp_path: Path, trainer: Trainer) -> None:
    store = CheckpointStore(tmp_path / "none", trainer.model, trainer.optimizer)
    assert store.restore() == TrainingState()


def damage(folder: Path, how: str) -> None:
    path = next(folder.glob("*.data-*"))
    if how == "bit":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 16
        path.write_bytes(content)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-7])
    elif how == "missing":
        path.unlink()
    elif how == "no state":
        (folder / "state.json").unlink()
    else:
        (folder / "state.json").write_text('{"n_steps": 30, "files"')


@pytest.mark.parametrize(
    "how", ["bit", "truncated", "missing", "no state", "half a state"]
)
def test_a_damaged_one_is_told_and_the_one_before_is_taken(
    store: CheckpointStore,
    trainer: Trainer,
    tmp_path: Path,
    logged: pytest.LogCaptureFixture,
    how: str,
) -> None:
    damage(tmp_path / "checkpoints" / "step-000000030", how)
    assert store.restore().n_steps == 20
    assert values(trainer) == {2.0}
    assert "step-000000030: is damaged" in logged.text


def test_if_all_are_damaged_nothing_is_begun_again(
    store: CheckpointStore, tmp_path: Path
) -> None:
    for folder in (tmp_path / "checkpoints").iterdir():
        damage(folder, "bit")
    with pytest.raises(RunError, match="all checkpoints are damaged; pass overwr"):
        store.restore()


def test_what_a_kill_leaves_is_no_checkpoint(
    store: CheckpointStore, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "step-000000030").rename(folder / "step-000000030.partial")
    assert store.restore().n_steps == 20


def test_checkpoints_are_due_by_steps_or_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(
        "stellar_tf.training.checkpoints.time.monotonic", lambda: now[0]
    )
    clock = CheckpointClock(10, 1.0)
    assert [step for step in range(1, 31) if clock.is_due(step)] == [10, 20, 30]
    now[0] = 59.0
    assert not clock.is_due(31)
    now[0] = 60.0
    assert clock.is_due(32)
    assert not clock.is_due(33)
    never = CheckpointClock(None, None)
    assert not never.is_due(10)
