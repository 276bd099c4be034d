from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.batches.dataset import (
    TrainingStream,
    build_evaluation_dataset,
)
from stellar_tf.config import Config, DatasetConfig, ModelConfig, TrainingConfig
from stellar_tf.run import EmptySplitError
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.tfrecord import read_records

MODEL = ModelConfig.model_validate(
    {
        "folded": {
            "folds": (8,),
            "channels": (8,),
            "kernels": (3,),
            "decoder_binning": 64,
        }
    }
)
"""Of spectra of 1,024 pixels."""


@pytest.fixture(scope="module")
def manifest(records: Path) -> Manifest:
    return read_manifest(records)


def stored(manifest: Manifest, split: str) -> tuple[list[str], np.ndarray]:
    """Identifiers and normalised flux, read without TensorFlow."""
    dp_ids, spectra = [], []
    for path in manifest.shard_paths(split):
        for record in read_records(path):
            flux, values = manifest.record_schema.decode(record)
            dp_ids.append(str(values["dp_id"]))
            spectra.append(flux / np.nanmedian(flux))
    return dp_ids, np.array(spectra)


def test_there_are_several_shards(manifest: Manifest) -> None:
    assert len(manifest.shard_paths("train")) > 1


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_evaluation_reads_every_record_once_in_order(
    manifest: Manifest, batch_size: int
) -> None:
    dp_ids, spectra = stored(manifest, "test")
    batches = build_evaluation_dataset(
        manifest, "test", Config(), batch_size=batch_size, with_metadata=True
    )
    assert int(batches.cardinality()) == -(-len(dp_ids) // batch_size)
    seen = list(batches)
    flux = np.concatenate([batch["flux"] for batch in seen])
    np.testing.assert_allclose(flux, spectra, rtol=1e-5)
    found = np.concatenate([batch["dp_id"] for batch in seen])
    assert [dp_id.decode() for dp_id in found] == dp_ids
    assert {"target", "star", "snr", "berv", "teff", "rv"} <= set(seen[0])


def test_float16_records_are_read_as_they_are_stored(
    fits_folder: Path, manifest: Manifest, tmp_path: Path
) -> None:
    config = manifest.config.model_copy(update={"flux_dtype": "float16"})
    convert([fits_folder], tmp_path / "half", manifest.grid, config)
    half = read_manifest(tmp_path / "half")
    batches = build_evaluation_dataset(half, "test", Config(), batch_size=7)
    flux = np.concatenate([batch["flux"] for batch in batches])
    _, spectra = stored(manifest, "test")
    np.testing.assert_allclose(flux, stored(half, "test")[1], rtol=1e-3)
    np.testing.assert_allclose(flux, spectra, rtol=6e-4, atol=1e-6)


def test_labels_are_those_of_the_truth(manifest: Manifest, fits_folder: Path) -> None:
    from astropy.table import Table

    truth = Table.read(fits_folder / "truth.ecsv")
    rv = dict(zip(truth["dp_id"], truth["rv"], strict=True))
    batches = build_evaluation_dataset(
        manifest, "test", Config(), batch_size=64, with_metadata=True
    )
    for batch in batches:
        expected = [rv[dp_id.decode()] for dp_id in batch["dp_id"].numpy()]
        np.testing.assert_allclose(batch["rv"], expected, rtol=1e-6)


def keys(spectra: np.ndarray) -> list[bytes]:
    """Spectra are told apart by their bytes."""
    return [np.nan_to_num(flux).round(4).tobytes() for flux in spectra]


def read(dataset: tf.data.Dataset, n_batches: int) -> list[np.ndarray]:
    return [batch["flux"] for batch in dataset.take(n_batches).as_numpy_iterator()]


def take(dataset: tf.data.Dataset, n_batches: int) -> list[bytes]:
    return keys(np.concatenate(read(dataset, n_batches)))


def stream(
    manifest: Manifest, seed: int, batch_size: int = 4, **config: object
) -> TrainingStream:
    training = TrainingConfig(batch_size=batch_size, seed=seed)
    dataset = DatasetConfig(**config)
    return TrainingStream(
        manifest, Config(dataset=dataset, training=training, model=MODEL)
    )


def train(
    manifest: Manifest, seed: int, first: int = 0, batch_size: int = 4, **config: object
) -> tf.data.Dataset:
    return stream(manifest, seed, batch_size, **config).build(first)


def test_each_pass_takes_every_spectrum_once_in_a_new_order(manifest: Manifest) -> None:
    n = manifest.n_spectra("train")
    _, spectra = stored(manifest, "train")
    taken = take(train(manifest, seed=1, batch_size=1), 2 * n)
    first, second = taken[:n], taken[n:]
    assert sorted(first) == sorted(second) == sorted(keys(spectra))
    assert first != second


@pytest.mark.parametrize("normalise", ["masked", "paper", "continuum"])
def test_training_normalises_as_evaluation_does(
    manifest: Manifest, normalise: str
) -> None:
    n = manifest.n_spectra("train")
    (trained,) = train(manifest, seed=0, batch_size=n, normalise=normalise).take(1)
    (evaluated,) = build_evaluation_dataset(
        manifest,
        "train",
        Config(dataset={"normalise": normalise}, model=MODEL),
        batch_size=n,
    )
    means = [
        np.sort(np.nanmean(flux, axis=1))
        for flux in (trained["flux"], evaluated["flux"])
    ]
    np.testing.assert_allclose(*means, rtol=1e-5)


def test_training_order_is_the_seeds(manifest: Manifest) -> None:
    assert take(train(manifest, seed=1), 9) == take(train(manifest, seed=1), 9)
    assert take(train(manifest, seed=1), 9) != take(train(manifest, seed=2), 9)


@pytest.mark.parametrize("n_seen", [0, 3, 12, 25])
def test_the_stream_can_start_anywhere(manifest: Manifest, n_seen: int) -> None:
    whole = take(train(manifest, seed=3), n_seen + 3)
    rest = take(train(manifest, seed=3, first=n_seen), 3)
    assert rest == whole[4 * n_seen :]


def test_training_never_ends(manifest: Manifest) -> None:
    dataset = train(manifest, seed=0)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.element_spec["flux"].shape == (4, manifest.grid.n_pixels)


@pytest.mark.parametrize("n_workers", [2, 4])
def test_workers_share_the_batches_out(manifest: Manifest, n_workers: int) -> None:
    whole = read(train(manifest, seed=2, batch_size=8), 3)
    parts = []
    for worker in range(n_workers):
        context = tf.distribute.InputContext(n_workers, worker, n_workers)
        dataset = stream(manifest, seed=2, batch_size=8).build(context=context)
        parts.append(read(dataset, 3))
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([p[step] for p in parts]), batch)


def test_the_records_of_a_batch_are_known(manifest: Manifest) -> None:
    dp_ids, spectra = stored(manifest, "train")
    by_dp_id = dict(zip(dp_ids, spectra, strict=True))
    taken = stream(manifest, seed=4)
    batches = read(taken.build(), 30)
    for step in (0, 3, 29):
        locations = taken.locate_batch(step)
        expected = [by_dp_id[location.dp_id] for location in locations]
        np.testing.assert_allclose(batches[step], expected, rtol=1e-5)
        for location in locations:
            assert location.dp_id == shard_dp_ids(manifest, location.path)[location.row]


def visits(manifest: Manifest, seed: int, batch_size: int = 6) -> TrainingStream:
    """Batches of pairs, each record changed afresh."""
    config = Config.model_validate(
        {
            "dataset": {"noise": 0.01},
            "training": {"batch_size": batch_size, "seed": seed},
            "objective": {"visits": 1},
            "model": MODEL.model_dump(),
        }
    )
    return TrainingStream(manifest, config)


def test_rows_two_and_two_are_visits_of_one_star(manifest: Manifest) -> None:
    from tfrecords_tools.records.record_table import RecordTable

    table = RecordTable(manifest, "train")
    star = {table.locate(i).dp_id: name for i, name in enumerate(table.stars())}
    taken = visits(manifest, seed=1)
    for step, batch in enumerate(taken.build().take(12).as_numpy_iterator()):
        dp_ids = [location.dp_id for location in taken.locate_batch(step)]
        assert batch["paired"].tolist() == [True] * 6  # all stars have two visits
        for one, other in zip(dp_ids[::2], dp_ids[1::2], strict=True):
            assert one != other
            assert star[one] == star[other]


def test_a_pair_moves_as_one(manifest: Manifest) -> None:
    """Velocity whitening leaves a star's velocity the star's."""
    config = Config.model_validate(
        {
            "dataset": {"max_velocity_shift": 60.0},
            "training": {"batch_size": 8, "seed": 3},
            "objective": {"visits": 1},
            "model": MODEL.model_dump(),
        }
    )
    (batch,) = TrainingStream(manifest, config).build().take(1)
    # The ends that nothing was shifted into tell by how far.
    flux = batch["flux"].numpy()
    shift = [
        np.argmax(row) if not row[0] else -np.argmax(row[::-1])
        for row in np.isfinite(flux)
    ]
    assert len(set(shift[::2])) == 4
    np.testing.assert_allclose(shift[::2], shift[1::2], atol=1)


def test_a_stream_of_visits_goes_on_and_is_shared_out_as_any(
    manifest: Manifest,
) -> None:
    whole = list(visits(manifest, seed=2).build().take(20).as_numpy_iterator())
    rest = list(visits(manifest, seed=2).build(17).take(3).as_numpy_iterator())
    parts = [
        list(
            visits(manifest, seed=2)
            .build(17, tf.distribute.InputContext(3, worker, 3))
            .take(3)
            .as_numpy_iterator()
        )
        for worker in range(3)
    ]
    for i, batch in enumerate(whole[17:]):
        for name, values in batch.items():
            np.testing.assert_array_equal(rest[i][name], values)
            shared = np.concatenate([part[i][name] for part in parts])
            np.testing.assert_array_equal(shared, values)


def shard_dp_ids(manifest: Manifest, path: Path) -> tuple[str, ...]:
    (shard,) = (shard for shard in manifest.shards if shard.file == path.name)
    return shard.dp_ids


def test_augmentation_is_new_each_time_and_known_by_seed_and_position(
    manifest: Manifest,
) -> None:
    n = manifest.n_spectra("train")
    changes = {"max_velocity_shift": 30.0, "noise": 0.01}
    first = take(train(manifest, seed=1, batch_size=n, **changes), 2)
    assert len(set(first)) == 2 * n
    assert first == take(train(manifest, seed=1, batch_size=n, **changes), 2)
    rest = take(train(manifest, seed=1, first=1, batch_size=n, **changes), 1)
    assert rest == first[n:]


def test_one_spectrum_of_each_star(manifest: Manifest) -> None:
    batches = build_evaluation_dataset(
        manifest, "test", Config(), batch_size=3, with_metadata=True,
        one_per_star=True,
    )  # fmt: skip
    stars = [star.decode() for batch in batches for star in batch["star"].numpy()]
    assert sorted(stars) == list(manifest.splits["test"].stars)
    assert int(batches.cardinality()) == -(-len(stars) // 3)


def test_an_empty_split_is_named(manifest: Manifest, config: Config) -> None:
    from dataclasses import replace

    empty = replace(
        manifest,
        splits={
            **manifest.splits,
            "test": manifest.splits["test"].model_copy(update={"n_spectra": 0}),
        },
    )
    with pytest.raises(EmptySplitError, match="the test split has no spectra"):
        build_evaluation_dataset(empty, "test", config, batch_size=4)
