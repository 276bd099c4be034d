"""A training that is told to stop saves its state, and goes on as if it had not."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import Config
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from stellar_tf.training import loop
from stellar_tf.training.fit import fit
from stellar_tf.training.step_results import Step, StepNumbers, read_steps
from stellar_tf.training.strategy import build_strategy
from tests.stellar_tf.settings import with_settings
from tfrecords_tools.interruption import Terminated, raise_on_sigterm

LAST = "step-000000009"
SENT = {
    "single": [
        (signal.SIGTERM, 1),  # there is nothing to save yet
        (signal.SIGINT, 3),  # an epoch's last: seen in the validation
        (signal.SIGTERM, 5),
        (signal.SIGTERM, 9),  # in the last validation
    ],
    "mirrored": [(signal.SIGTERM, 4)],
}
"""By strategy: signals one after the other, each at a step."""


class Send(keras.callbacks.Callback):
    """Sends this process a signal at the beginning of a step, which is still made."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__()
        self._number, self._step = number, step

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if batch + 1 == self._step:
            signal.raise_signal(self._number)


@pytest.fixture
def signals_raise() -> Iterator[None]:
    """As the command line has it, also where a shell ignores Ctrl-C."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    raise_on_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def read_variables(run: Run) -> dict[str, bytes]:
    """Weights, moments and counters of the last checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(run.checkpoints / LAST / "variables"))
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    assert len(names) > 20
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def read_state(run: Run) -> dict[str, object]:
    """Of the loop, at the last checkpoint."""
    state = json.loads((run.checkpoints / LAST / "state.json").read_text())
    return {name: value for name, value in state.items() if name != "files"}


@pytest.mark.usefixtures("signals_raise")
@pytest.mark.parametrize("strategy_name", ["single", "mirrored"])
def test_a_stopped_run_goes_on_exactly(
    config: Config,
    records: Path,
    tmp_path: Path,
    strategy_name: str,
    logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[int] = []

    def count(steps: Sequence[Step]) -> list[StepNumbers]:
        reads.append(len(steps))
        return read_steps(steps)

    monkeypatch.setattr(loop, "read_steps", count)
    monkeypatch.setattr(loop, "_UNREAD_SECONDS", np.inf)
    training = {"n_steps": 9, "checkpoint_minutes": 1e6, "deterministic": True}
    config = with_settings(
        config, training=training, dataset={"noise": 0.01, "max_velocity_shift": 10.0}
    )
    strategy = build_strategy(strategy_name, 2)
    whole = fit(records, tmp_path / "whole", config, strategy)
    assert reads == [3, 3, 3]  # nothing waits for a step but the end of an epoch
    folder = tmp_path / "cut"
    for number, step in SENT[strategy_name]:
        expected = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        before = signal.getsignal(number)
        with pytest.raises(expected):
            fit(records, folder, config, strategy, extra_callbacks=[Send(number, step)])
        assert signal.getsignal(number) == before
        told = f"{folder}: stopped after step {step} of 9, goes on from there"
        assert (told in logged.text) == (step > 1)
    cut = fit(records, folder, config, strategy)
    assert cut.history_path.read_bytes() == whole.history_path.read_bytes()
    assert read_state(cut) == read_state(whole)
    assert read_variables(cut) == read_variables(whole)
    for a, b in zip(
        load_autoencoder(cut).get_weights(),
        load_autoencoder(whole).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
