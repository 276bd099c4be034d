from __future__ import annotations

import csv
import dataclasses
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from stellar_tf.batches.dataset import TrainingStream
from stellar_tf.batches.reading import CorruptRecordsError
from stellar_tf.batches.statistics import measure_flux
from stellar_tf.config import Config, ConfigError, load_config
from stellar_tf.inference.spectrum_model import SpectrumModel
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run, RunError
from stellar_tf.training.fit import fit
from stellar_tf.training.loop import TrainingError
from stellar_tf.training.request import adopt_grid, check_request
from stellar_tf.training.strategy import build_strategy
from tests.stellar_tf.settings import with_settings
from tfrecords_tools.records.manifest import SplitInfo, read_manifest
from tfrecords_tools.records.tfrecord import RecordError, read_records


def read_history(run: Run) -> list[dict[str, str]]:
    with run.history_path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_run_folder(run: Run, config: Config, records: Path) -> None:
    manifest = read_manifest(records)
    whole = adopt_grid(config, manifest)
    assert run.read_config() == whole
    assert adopt_grid(whole, manifest) == whole
    described = run.read_records()
    assert described["n_spectra"]["train"] == read_manifest(records).n_spectra("train")
    rows = read_history(run)
    assert [float(row["step"]) for row in rows] == [3.0, 6.0]
    assert {"flux_mae", "kl", "beta", "val_flux_mae", "val_kl"} <= set(rows[0])
    for split in ("training", "validation"):
        assert list((run.tensorboard / split).glob("events.out.tfevents.*"))


def test_reference_is_the_mean_of_the_training_set(run: Run, records: Path) -> None:
    manifest = read_manifest(records)
    expected = measure_flux(manifest, run.read_config())
    model = load_autoencoder(run)
    padded = np.pad(expected.mean, (12, 12), mode="edge")  # to 1,024
    for part, name, mean in (
        ("encoder", "standardise", expected.mean),
        ("decoder", "destandardise1", padded),
    ):
        layer = model.get_layer(part).get_layer(name)
        np.testing.assert_array_equal(layer.reference, mean)
        assert float(layer.scale) == pytest.approx(expected.scale)


class Stop(keras.callbacks.Callback):
    """Ends training like a power cut, after an epoch."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "objective", [{}, {"kl_weights": (), "error": "likelihood"}], ids=["set", "steered"]
)
def test_an_interrupted_run_continues_exactly(
    config: Config, records: Path, tmp_path: Path, objective: dict[str, object]
) -> None:
    config = with_settings(
        config, objective=objective, training={"checkpoint_steps": 1}
    )
    strategy = build_strategy("single")
    whole = fit(records, tmp_path / "whole", config, strategy)
    with pytest.raises(KeyboardInterrupt):
        fit(records, tmp_path / "cut", config, strategy, extra_callbacks=[Stop()])
    (tmp_path / "cut" / "model.keras.0.partial").mkdir()
    cut = fit(records, tmp_path / "cut", config, strategy)
    assert not list(cut.folder.rglob("*.partial"))
    assert read_history(cut) == read_history(whole)
    for a, b in zip(
        load_autoencoder(cut).get_weights(),
        load_autoencoder(whole).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_finished_run_stays_as_it_is(config: Config, records: Path, run: Run) -> None:
    before = run.history_path.read_bytes()
    fit(records, run.folder, config, build_strategy("single"))
    assert run.history_path.read_bytes() == before


def test_a_model_that_was_removed_is_made_of_the_checkpoint(
    config: Config, records: Path, run: Run, tmp_path: Path
) -> None:
    again = Run(shutil.copytree(run.folder, tmp_path / "run"))
    again.model_path.unlink()
    fit(records, again.folder, config, build_strategy("single"))
    assert read_history(again) == read_history(run)
    for a, b in zip(
        load_autoencoder(again).get_weights(),
        load_autoencoder(run).get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_other_settings_need_another_run(
    config: Config, records: Path, run: Run
) -> None:
    other = with_settings(config, training={"seed": 5})
    with pytest.raises(RunError, match="other settings"):
        fit(records, run.folder, other, build_strategy("single"))


def test_batch_must_divide_among_replicas(
    config: Config, records: Path, tmp_path: Path
) -> None:
    config = with_settings(config, training={"batch_size": 9})
    with pytest.raises(ConfigError, match=r"batch_size must be a multiple of the 2"):
        fit(records, tmp_path / "run", config, build_strategy("mirrored", 2))
    assert not (tmp_path / "run").exists()


def test_pairs_must_divide_among_replicas(
    config: Config, records: Path, tmp_path: Path
) -> None:
    config = with_settings(config, training={"batch_size": 6}, objective={"visits": 1})
    with pytest.raises(
        ConfigError, match=r"a multiple of 4 with objective.visits, .* 6"
    ):
        fit(records, tmp_path / "run", config, build_strategy("mirrored", 2))


def test_visits_must_leave_the_star_dimensions(
    config: Config, records: Path, tmp_path: Path
) -> None:
    given = Config.model_validate({"objective": {"visits": 16}})
    with pytest.raises(ConfigError, match=r"leave the star some of the 16 .* got 16"):
        fit(records, tmp_path / "run", given, build_strategy("single"))


def test_visits_need_stars_that_were_visited_twice(
    config: Config, records: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(records)
    alone = {
        split: SplitInfo(n_spectra=len(info.stars), stars=info.stars)
        for split, info in manifest.splits.items()
    }
    once = dataclasses.replace(manifest, splits=alone)
    config = with_settings(config, objective={"visits": 1})
    with pytest.raises(ConfigError, match=r"no star of the training split has two"):
        check_request(once, Run(tmp_path / "run"), config)


def test_compiled_steps_are_for_one_device(
    config: Config, records: Path, tmp_path: Path
) -> None:
    config = with_settings(config, training={"jit_compile": True})
    with pytest.raises(ConfigError, match="XLA cannot compile a step that 2 replicas"):
        fit(records, tmp_path / "run", config, build_strategy("mirrored", 2))


def test_the_grid_is_the_records(config: Config, records: Path) -> None:
    whole = adopt_grid(load_config("paper"), read_manifest(records))
    assert whole.grid == config.grid


def test_training_stops_where_numbers_end(
    config: Config, records: Path, tmp_path: Path
) -> None:
    training = {"n_steps": 30, "learning_rate": 1e30, "checkpoint_steps": 1}
    config = with_settings(config, training=training)
    with pytest.raises(TrainingError) as caught:
        fit(records, tmp_path / "run", config, build_strategy("single"))
    message = str(caught.value)
    found = re.search(r"(the loss is|a gradient is) .* at step (\d+), as in", message)
    assert found is not None
    step = int(found[2])
    stream = TrainingStream(read_manifest(records), config)
    named = [
        place
        for place in stream.locate_batch(step)
        if f"{place.dp_id} in {place.path.name}" in message
    ]
    assert 1 <= len(named) <= 3
    # The states before it are there, and finite as far as they were saved.
    newest = max((tmp_path / "run" / "checkpoints").iterdir()).name
    assert newest == f"step-{step:09d}"


def test_a_step_that_is_not_finite_is_left_out_and_its_spectrum_named(
    config: Config,
    records: Path,
    tmp_path: Path,
    logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = TrainingStream._read

    # Place 11 of the stream: the fourth spectrum of the second step.
    def spoil(
        stream: TrainingStream, first: np.int64, size: int
    ) -> tuple[NDArray[np.float32], ...]:
        (flux,) = read(stream, first, size)
        if first == 8:
            flux[3, 500] = 3.0e38
            flux[3, 501] = -3.0e38
        return (flux,)

    monkeypatch.setattr(TrainingStream, "_read", spoil)
    config = with_settings(config)  # nothing by the recipe, which begins with averages
    run = fit(records, tmp_path / "run", config, build_strategy("single"))
    stream = TrainingStream(read_manifest(records), config)
    culprit = stream.locate_batch(1)[3]
    told = f"step 1 left out: the loss is inf; look at {culprit.dp_id} in"
    assert told in logged.text
    rows = read_history(run)
    assert [float(row["skipped"]) for row in rows] == [1.0, 0.0]
    assert all(np.isfinite(float(row["loss"])) for row in rows)


def test_a_run_begins_with_the_weights_of_another(
    config: Config, records: Path, run: Run, tmp_path: Path
) -> None:
    tuned = with_settings(
        run.read_config(), training={"learning_rate": 1e-12, "seed": 3}
    )
    strategy = build_strategy("single")
    other = fit(records, tmp_path / "run", tuned, strategy, init_from=run.folder)
    weights = zip(
        load_autoencoder(other).get_weights(),
        load_autoencoder(run).get_weights(),
        strict=True,
    )
    for a, b in weights:
        if a.ndim:  # all but the count of steps
            np.testing.assert_allclose(a, b, atol=1e-9)
    with pytest.raises(RunError, match="was begun with other weights"):
        fit(records, other.folder, tuned, strategy)
    fit(records, other.folder, tuned, strategy, init_from=run.folder)


def test_weights_of_another_network_are_refused(
    config: Config, records: Path, run: Run, tmp_path: Path
) -> None:
    larger = with_settings(config, model={"n_latent": 5})
    with pytest.raises(ConfigError, match="its network differs from that"):
        fit(
            records, tmp_path / "run", larger, build_strategy("single"),
            init_from=run.folder,
        )  # fmt: skip
    with pytest.raises(RunError, match="has no model yet"):
        fit(
            records, tmp_path / "run", config, build_strategy("single"),
            init_from=tmp_path,
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


@pytest.fixture
def corrupt(records: Path, tmp_path: Path) -> Path:
    """The records, with a flipped bit in the second of the training split."""
    copy = Path(shutil.copytree(records, tmp_path / "corrupt"))
    shard = read_manifest(copy).shards[0]
    content = bytearray((copy / shard.file).read_bytes())
    content[int(np.load(copy / "index" / f"{shard.file}.npy")[1]) + 500] ^= 1
    (copy / shard.file).write_bytes(content)
    return copy


def test_a_corrupt_record_is_named(
    config: Config, corrupt: Path, tmp_path: Path, run: Run
) -> None:
    strategy = build_strategy("single")
    with pytest.raises(
        CorruptRecordsError, match=r"00000-of-.*: record 1 \(ADP.*skip_corrupt=True"
    ):
        fit(corrupt, tmp_path / "run", config, strategy)
    with pytest.raises(RecordError, match=r"record 1 .* is corrupt"):
        SpectrumModel.from_run(run).encode(corrupt)


def test_corrupt_records_are_skipped_and_counted(
    config: Config, corrupt: Path, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    strategy = build_strategy("single")
    for _ in range(2):  # and a finished run is opened again
        fit(corrupt, tmp_path / "run", config, strategy, skip_corrupt=True)
        assert "record 1 (ADP." in logged.text
        assert "1 corrupt records skipped" in logged.text
        logged.clear()
    intact = tmp_path / "run" / "intact_records"
    n_records = sum(1 for p in intact.glob("spec-*") for _ in read_records(p))
    assert n_records == 79
