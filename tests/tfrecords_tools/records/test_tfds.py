from __future__ import annotations

import json

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import GRID, write_survey
from tests.tfrecords_tools.records.test_manifest import shard
from tests.tfrecords_tools.records.test_schema import SCHEMA
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion.convert import convert
from tfrecords_tools.records.manifest import read_manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.records.schema import RecordSchema
from tfrecords_tools.records.tfds import write_tfds_metadata


def test_metadata_are_the_json_of_the_protocol_buffers(tmp_path):
    """The forms that TFDS 4.9 writes, and with which it reads a folder."""
    write_tfds_metadata(tmp_path, SCHEMA, [shard(0, 2), shard(1, 0), shard(2, 3)])
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert (info["name"], info["version"]) == ("spec", "1.0.0")
    assert info["fileFormat"] == "tfrecord"
    assert info["splits"] == [
        {
            "name": "train",
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "shardLengths": ["2", "0", "3"],
            "numBytes": "500",
        }
    ]
    tree = json.loads((tmp_path / "features.json").read_text())
    assert tree["pythonClassName"].endswith("features_dict.FeaturesDict")
    features = tree["featuresDict"]["features"]
    assert list(features) == [feature.name for feature in SCHEMA.features]
    assert features["flux"]["tensor"] == {
        "shape": {"dimensions": ["5"]},
        "dtype": "float32",
        "encoding": "bytes",
    }
    assert features["ra"]["tensor"]["dtype"] == "float32"
    assert features["ra"]["description"] == "Right ascension. [deg]"
    assert features["teff"]["description"] == "[K]"
    assert features["star"]["text"] == {}


def test_errors_are_of_any_length_for_not_all_spectra_have_them(tmp_path):
    schema = RecordSchema.with_labels(5, (), "float16", with_errors=True)
    features = _features(tmp_path / "with", schema)
    assert features["flux"]["tensor"]["shape"] == {"dimensions": ["5"]}
    assert features["error"]["tensor"] == {
        "shape": {"dimensions": ["-1"]},
        "dtype": "float16",
        "encoding": "bytes",
    }
    assert "error" not in _features(tmp_path / "no", RecordSchema.with_labels(5, ()))


def test_tensorflow_datasets_reads_flux_and_errors(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    (tmp_path / "in").mkdir()
    config = ConvertConfig(split=SplitFractions(train=1.0, validation=0.0, test=0.0))
    records = tmp_path / "records"
    convert([write_survey(tmp_path / "in", 6)], records, GRID, config)
    table = RecordTable(read_manifest(records), "train")
    dataset = tfds.builder_from_directory(records).as_dataset(split="train")
    found = {row["dp_id"].decode(): row for row in dataset.as_numpy_iterator()}
    n_with = 0
    for i in range(len(table)):
        row, error = found[table.locate(i).dp_id], table.read_error(i)
        np.testing.assert_array_equal(row["flux"], table.read(i)[0])
        assert row["error"].dtype == np.float16
        if error is None:
            assert row["error"].size == 0
        else:
            stored = row["error"].astype(np.float32) * row["median_flux"]
            np.testing.assert_array_equal(stored, error)
            n_with += 1
    assert (len(table), n_with) == (6, 2)


def _features(folder, schema):
    folder.mkdir()
    write_tfds_metadata(folder, schema, [])
    tree = json.loads((folder / "features.json").read_text())
    return tree["featuresDict"]["features"]
