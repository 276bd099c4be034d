from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from stellar_tf.batches.dataset import TrainingStream, build_evaluation_dataset
from stellar_tf.batches.reading import (
    CorruptRecordsError,
    name_corrupt_records,
    read_split,
)
from stellar_tf.config import Config
from tfrecords_tools.records.manifest import Manifest, read_manifest
from tfrecords_tools.records.tfrecord import RecordError


@pytest.fixture
def corrupt(records: Path, tmp_path: Path) -> Manifest:
    """The records, with a flipped bit in the first of each split."""
    manifest = read_manifest(Path(shutil.copytree(records, tmp_path / "corrupt")))
    for split in ("train", "test"):
        path = manifest.shard_paths(split)[0]
        content = bytearray(path.read_bytes())
        content[500] ^= 1
        path.write_bytes(content)
    return manifest


def read_all(batches: tf.data.Dataset) -> None:
    with name_corrupt_records("do this"):
        for _ in batches:
            pass


def test_a_corrupt_record_is_named_wherever_it_is_read(corrupt: Manifest) -> None:
    stream = TrainingStream(corrupt, Config())
    evaluation = build_evaluation_dataset(corrupt, "test", Config(), batch_size=4)
    for batches, split in ((stream.build(), "train"), (evaluation, "test")):
        with pytest.raises(CorruptRecordsError) as caught:
            read_all(batches)
        (path, *_) = corrupt.shard_paths(split)
        assert str(caught.value).startswith(f"{path}: record 0 (ADP.")
        assert str(caught.value).endswith("does not fit its CRC; do this")


def test_a_shard_without_its_records_is_told_before_any_is_read(
    records: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(Path(shutil.copytree(records, tmp_path / "damaged")))
    for split in ("train", "validation"):
        manifest.shard_paths(split)[0].write_bytes(b"")
    reason = r"spec-{}.*: has 0 bytes, its manifest says [\d,]+ \("
    with pytest.raises(RecordError, match=reason.format("train")):
        TrainingStream(manifest, Config())
    with pytest.raises(RecordError, match=reason.format("validation")):
        build_evaluation_dataset(manifest, "validation", Config(), batch_size=4)
    with pytest.raises(RecordError, match=reason.format("validation")):
        next(read_split(manifest, "validation", 4))


def test_other_errors_of_tensorflow_go_through() -> None:
    failing = tf.data.Dataset.range(1).map(lambda i: tf.gather([1], i + 5))
    with pytest.raises(tf.errors.InvalidArgumentError):
        read_all(failing)
