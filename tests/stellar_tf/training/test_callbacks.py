from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import Config
from stellar_tf.run import Run
from stellar_tf.training.callbacks import ProgressBar, trim_history
from stellar_tf.training.tensorboard import Scalars
from tfrecords_tools import progress

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


def test_an_epoch_that_is_not_validated_has_no_row(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    trim_history(path, 6, is_open=True)
    assert path.read_bytes() == b"epoch,step,loss\r\n0,3.0,0.5\r\n"


def test_a_log_file_gets_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 50.0, 61.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    bar = ProgressBar(600)
    bar.on_train_begin()
    for batch in (66, 68):
        bar.on_train_batch_end(batch, {"flux_mae": 0.1, "kl": 2.0})
    bar.on_train_end()
    assert capsys.readouterr().err == (
        "fit: 69 of 600, 0.182/s, 0:48:40 left, error 0.1000  KL 2.00 nat\n"
    )


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


def test_tensorboard_has_pictures_settings_and_latents(
    run: Run, config: Config
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    events = EventAccumulator(str(run.tensorboard / "validation"))
    events.Reload()
    for name in ("reconstructions", "traversals"):
        (*_, last) = events.Tensors(name)
        assert last.step == config.training.n_steps
        png = tf.make_ndarray(last.tensor_proto)[2]
        picture = tf.io.decode_png(png).numpy()
        assert picture.std() > 5.0, "nothing is drawn"
    assert events.PluginTagToContent(metadata.PLUGIN_NAME)
    codes = np.loadtxt(run.tensorboard / "latents.tsv")
    header, *rows = (run.tensorboard / "metadata.tsv").read_text().splitlines()
    assert codes.shape == (len(rows), config.model.n_latent)
    assert {"star", "teff", "rv"} <= set(header.split("\t"))
    assert "latents.tsv" in (run.tensorboard / "projector_config.pbtxt").read_text()


def test_every_term_is_in_the_history(run: Run, config: Config) -> None:
    header = run.history_path.read_text().splitlines()[0].split(",")
    kl = [f"val_kl_{i}" for i in range(config.model.n_latent)]
    terms = ["loss", "flux_mae", "kl", "total_correlation"]
    expected = [*terms, *(f"val_{term}" for term in terms), *kl]
    assert set(header) >= {*expected, "val_active_dimensions", "beta", "step"}
