from __future__ import annotations

import hashlib
import json

import pytest

from tests.tfrecords_tools.fits_files import GRID
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.records.manifest import (
    SCHEMA_VERSION,
    Manifest,
    ManifestError,
    ShardInfo,
    SplitInfo,
    read_manifest,
)
from tfrecords_tools.records.schema import LabelColumn, RecordSchema


def shard(number, count):
    return ShardInfo(
        file=f"spec-train.tfrecord-{number:05d}-of-00003",
        split="train",
        count=count,
        n_bytes=100 * count,
        sha256="ab" * 32,
        dp_ids=tuple(f"ADP.{number}.{i}" for i in range(count)),
    )


@pytest.fixture
def manifest(tmp_path):
    columns = [LabelColumn("teff", "float", "K")]
    manifest = Manifest(
        folder=tmp_path,
        schema_version=SCHEMA_VERSION,
        grid=GRID,
        config=ConvertConfig(aliases={"a": "b"}),
        record_schema=RecordSchema.with_labels(GRID.n_pixels, columns),
        labels_file="labels.csv",
        n_rejected=2,
        splits={
            "train": SplitInfo(n_spectra=5, stars=("A", "é\n")),
            "validation": SplitInfo(n_spectra=0, stars=()),
            "test": SplitInfo(n_spectra=0, stars=()),
        },
        shards=(shard(0, 2), shard(1, 0), shard(2, 3)),
        files={"plan.csv": "cd" * 32},
    )
    manifest.write()
    return manifest


def test_a_manifest_is_read_as_it_was_written(manifest, tmp_path):
    assert read_manifest(tmp_path) == manifest
    content = (tmp_path / "manifest.json").read_bytes()
    assert read_manifest(tmp_path).sha256 == hashlib.sha256(content).hexdigest()
    assert "folder" not in json.loads(content)
    checksum = (tmp_path / "manifest.sha256").read_text()
    assert checksum == f"{manifest.sha256}  manifest.json\n"


def test_a_manifest_of_a_grid_that_was_padded_is_read(manifest, tmp_path):
    path = tmp_path / "manifest.json"
    tree = json.loads(path.read_text())
    tree["grid"]["pad_to_multiple"] = 16_384
    path.write_text(json.dumps(tree))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "manifest.sha256").write_text(f"{sha256}  manifest.json\n")
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("manifest.json", '"count": 2', '"count": 3'),
        ("manifest.json", '"wave_min": 5', '"wave_min": 4'),
        ("manifest.sha256", "manifest", "manigest"),
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_refused(
    manifest, tmp_path, name, old, new
):
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(ManifestError, match=r"json: does not fit manifest\.sha256; ta"):
        read_manifest(tmp_path)


def test_a_data_set_may_be_moved(manifest, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "manifest.json").rename(tmp_path / "new" / "manifest.json")
    moved = read_manifest(tmp_path / "new")
    assert moved.folder == tmp_path / "new"
    assert moved.sha256 == manifest.sha256


def test_counts_and_paths_of_a_split(manifest, tmp_path):
    assert manifest.n_spectra("train") == 5
    assert manifest.n_spectra("test") == 0
    assert [path.name[-14:] for path in manifest.shard_paths("train")] == [
        "00000-of-00003",
        "00002-of-00003",  # the one between has no records
    ]
    assert manifest.shard_paths("train")[0].parent == tmp_path
    assert manifest.shard_paths("test") == []


def change(path, **changes):
    tree = json.loads(path.read_text())
    tree.update(changes)
    path.write_text(json.dumps(tree))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 2}, r"has schema version 2, but this version .* reads 1"),
        ({"schema_version": None}, "has schema version None"),
        ({"grid": {"wave_min": "x"}}, r"grid\.wave_min: Input should be"),
        ({"unknown": 1}, "unknown: Unexpected keyword argument"),
        ({"shards": [{"file": "x"}]}, r"shards\.0\.split: Field required"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(manifest, tmp_path, changes, reason):
    change(tmp_path / "manifest.json", **changes)
    with pytest.raises(ManifestError, match=rf"manifest\.json: {reason}"):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_no_data_set(tmp_path):
    with pytest.raises(ManifestError, match=r"is no data set \(no manifest\.json\)"):
        read_manifest(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ManifestError, match="is no data set"):
        read_manifest(file)
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["{", "\x00", "[1]"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ManifestError, match=r"not valid JSON|schema version None"):
        read_manifest(tmp_path)
