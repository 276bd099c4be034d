from __future__ import annotations

import json

from tests.tfrecords_tools.records.test_manifest import shard
from tests.tfrecords_tools.records.test_schema import SCHEMA
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
