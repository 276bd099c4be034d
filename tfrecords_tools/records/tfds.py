"""Metadata files by which TensorFlow Datasets reads a folder of records as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tfrecords_tools.records.layout import DATASET_NAME
from tfrecords_tools.records.manifest import ShardInfo
from tfrecords_tools.records.schema import Feature, RecordSchema
from tfrecords_tools.split import SPLITS

_VERSION = "1.0.0"
_FEATURES = "tensorflow_datasets.core.features"
_FILES = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def write_tfds_metadata(
    folder: Path, schema: RecordSchema, shards: Iterable[ShardInfo]
) -> None:
    """
    Write dataset_info.json and features.json; nothing is flushed.

    Parameters
    ----------
    folder : Path
        The data set.
    schema : RecordSchema
        Its features.
    shards : iterable of ShardInfo
        Its files.

    Notes
    -----
    ``tfds.builder_from_directory(folder)`` needs only these two files beside the
    shards: https://www.tensorflow.org/datasets/external_tfrecord. The JSON is that
    of TFDS's protocol buffers, in which 64-bit integers are strings.
    """
    listed = list(shards)
    by_split = {s: [i for i in listed if i.split == s] for s in SPLITS}
    info = {
        "name": DATASET_NAME,
        "version": _VERSION,
        "description": "Stellar spectra on one wavelength grid, by stellar-tf.",
        "fileFormat": "tfrecord",
        "splits": [
            {
                "name": split,
                "filepathTemplate": _FILES,
                "shardLengths": [str(shard.count) for shard in members],
                "numBytes": str(sum(shard.n_bytes for shard in members)),
            }
            for split, members in by_split.items()
            if members
        ],
    }
    features = {f.name: _describe(f, schema) for f in schema.features}
    tree = {
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        "featuresDict": {"features": features},
    }
    _write_json(folder / "dataset_info.json", info)
    _write_json(folder / "features.json", tree)


def _describe(feature: Feature, schema: RecordSchema) -> dict[str, object]:
    description = feature.description
    if feature.unit:
        description = f"{description} [{feature.unit}]".strip()
    if feature.kind == "string":
        kind = {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}
    elif feature.kind == "float":
        tensor = {"shape": {}, "dtype": "float32", "encoding": "none"}
        kind = {"pythonClassName": f"{_FEATURES}.scalar.Scalar", "tensor": tensor}
    else:
        is_error = feature.kind == "error"
        tensor = {
            # Of any length: a spectrum without errors has none.
            "shape": {"dimensions": ["-1" if is_error else str(schema.n_pixels)]},
            "dtype": "float16" if is_error else schema.flux_dtype,
            "encoding": "bytes",
        }
        kind = {
            "pythonClassName": f"{_FEATURES}.tensor_feature.Tensor",
            "tensor": tensor,
        }
    return {**kind, "description": description}


def _write_json(path: Path, tree: object) -> None:
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
