from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stellar_tf.config import Config, ConfigError, load_config
from stellar_tf.network.model import load_autoencoder
from stellar_tf.training import train
from stellar_tf.training.duration import StepCost, count_steps_in, measure_cost
from stellar_tf.training.fit import fit
from stellar_tf.training.request import adopt_grid
from stellar_tf.training.strategy import build_strategy
from tests.stellar_tf.conftest import SMALL
from tfrecords_tools.records.manifest import read_manifest


@pytest.fixture
def timed() -> Config:
    """The small settings, but for the number of steps."""
    kept = [text for text in SMALL if not text.startswith("training=")]
    return load_config(None, [*kept, "training={batch_size: 8, steps_per_epoch: 3}"])


def test_steps_fill_the_time_but_for_what_else_takes_it(config: Config) -> None:
    """3 compilations and 8 steps are gone before, a tenth is for the rest."""
    cost = StepCost(first=10.0, next=0.5)
    staged = config.objective.model_copy(update={"coarse_scales": (4, 2)})
    whole = config.model_copy(update={"objective": staged})
    n_steps = count_steps_in(10.0, cost, whole)
    assert n_steps == (540.0 - 4 * 10.0 - 8 * 0.5) / 0.5
    with pytest.raises(ConfigError, match=r"minutes must be at least 0.84 .* got 0.5"):
        count_steps_in(0.5, cost, whole)
    assert count_steps_in(0.85, cost, whole) >= 3


def test_a_cost_is_measured(config: Config, records: Path) -> None:
    manifest = read_manifest(records)
    whole = adopt_grid(config, manifest)
    cost = measure_cost(whole, manifest, build_strategy("single"))
    assert cost.first > 0.0
    assert cost.next > 0.0


def test_the_length_is_fixed_once(
    timed: Config, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is that of so many steps, and goes on with as many."""
    strategy = build_strategy("single")
    measure = train.measure_cost

    def measure_and_forget(*args: object) -> StepCost:
        measure(*args)  # type: ignore[arg-type]  # passed on as they came
        return StepCost(1.0, 1.0)

    monkeypatch.setattr(train, "measure_cost", measure_and_forget)
    run = fit(records, tmp_path / "timed", timed, strategy, minutes=16.0 / 54.0)
    assert run.read_config().training.n_steps == 6
    # Another rate, another time: the run stays what it is.
    monkeypatch.setattr(train, "measure_cost", lambda *a: StepCost(9.0, 9.0))
    before = run.history_path.read_bytes()
    fit(records, run.folder, timed, strategy, minutes=5.0)
    assert run.history_path.read_bytes() == before

    counted = timed.training.model_copy(update={"n_steps": 6})
    same = timed.model_copy(update={"training": counted})
    other = fit(records, tmp_path / "counted", same, strategy)
    assert other.read_config() == run.read_config()
    for a, b in zip(
        load_autoencoder(run).get_weights(),
        load_autoencoder(other).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_steps_and_minutes_exclude_each_other(
    config: Config, records: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"minutes and training\.n_steps must not"):
        fit(records, tmp_path / "run", config, build_strategy("single"), minutes=1.0)
    assert not (tmp_path / "run").exists()
