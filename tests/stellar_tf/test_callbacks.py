from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from stellar_tf.callbacks import Scalars, trim_history

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
