from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from stellar_tf.callbacks import Checkpoint, Scalars, trim_history
from stellar_tf.config import Config
from stellar_tf.run import Run
from stellar_tf.strategy import build_strategy
from stellar_tf.training import Trainer

HISTORY = "epoch,step,loss\n0,3.0,0.5\n1,6.0,0.4\n2,9.0"


@pytest.mark.parametrize(
    ("n_done", "expected"),
    [
        (9, "epoch,step,loss\r\n0,3.0,0.5\r\n1,6.0,0.4\r\n"),
        (6, "epoch,step,loss\r\n0,3.0,0.5\r\n1,6.0,0.4\r\n"),
        (5, "epoch,step,loss\r\n0,3.0,0.5\r\n"),
        (0, None),
    ],
)
def test_history_ends_where_the_run_continues(
    tmp_path: Path, n_done: int, expected: str | None
) -> None:
    path = tmp_path / "history.csv"
    # The last row was cut by a kill.
    path.write_text(HISTORY)
    trim_history(path, n_done)
    assert (path.read_bytes().decode() if path.exists() else None) == expected


@pytest.mark.parametrize("text", ["", "epo"])
def test_history_cut_in_its_first_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    trim_history(path, 3)
    assert not path.exists()
    trim_history(path, 3)


def test_checkpoint_keeps_the_best_model(tmp_path: Path, config: Config) -> None:
    run = Run(tmp_path)
    trainer = Trainer(config, build_strategy("single"))
    checkpoint = Checkpoint(run, trainer.model, trainer.optimizer)
    assert checkpoint.restore() == 0
    weight = trainer.model.trainable_weights[0]
    for epoch, val_loss in enumerate([0.5, 0.3, 0.4, float("nan")]):
        weight.assign(tf.fill(weight.shape, float(epoch)))
        checkpoint.on_epoch_end(epoch, {"step": 10.0 * epoch, "val_loss": val_loss})
    assert run.load_model().trainable_weights[0].numpy().flat[0] == 1.0
    # A later start knows the best so far, and goes on from the last state.
    trainer = Trainer(config, build_strategy("single"))
    checkpoint = Checkpoint(run, trainer.model, trainer.optimizer)
    assert checkpoint.restore() == 30
    assert trainer.model.trainable_weights[0].numpy().flat[0] == 3.0
    checkpoint.on_epoch_end(4, {"step": 40.0, "val_loss": 0.35})
    assert run.load_model().trainable_weights[0].numpy().flat[0] == 1.0
    assert len(list(run.checkpoints.glob("*.index"))) == 2


def test_scalars_are_read_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scalars = Scalars(tmp_path)
    scalars.on_epoch_end(0, {"step": 7.0, "kl": 2.5, "val_kl": 3.5})
    scalars.on_train_end()
    for name, value in (("training", 2.5), ("validation", 3.5)):
        events = EventAccumulator(str(tmp_path / name))
        events.Reload()
        (event,) = events.Tensors("kl")
        assert event.step == 7
        assert tf.make_ndarray(event.tensor_proto) == pytest.approx(value)
