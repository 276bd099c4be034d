"""The records against TensorFlow itself; no other module here imports it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.tfrecords_tools.records.test_schema import FLUX, SCHEMA, VALUES
from tfrecords_tools.records.tfrecord import RecordWriter, read_records

tf = pytest.importorskip("tensorflow")


def test_protobuf_reads_what_we_encode():
    example = tf.train.Example.FromString(SCHEMA.encode(FLUX, VALUES))
    features = example.features.feature
    assert set(features) == {"flux", *VALUES}
    np.testing.assert_array_equal(
        np.frombuffer(features["flux"].bytes_list.value[0], "<f4"), FLUX
    )
    for name, value in VALUES.items():
        if isinstance(value, float):
            assert list(features[name].float_list.value) == [value]
        else:
            assert features[name].bytes_list.value[0].decode() == value


def test_we_decode_what_protobuf_encodes():
    example = tf.train.Example()
    example.features.feature["flux"].bytes_list.value.append(FLUX.tobytes())
    example.features.feature["number"].int64_list.value.extend([1, -1])
    for name, value in VALUES.items():
        if isinstance(value, float):
            example.features.feature[name].float_list.value.append(value)
        else:
            example.features.feature[name].bytes_list.value.append(value.encode())
    flux, values = SCHEMA.decode(example.SerializeToString())
    np.testing.assert_array_equal(flux, FLUX)
    assert values == VALUES


def test_tensorflow_parses_records_by_the_schema():
    dtypes = {"flux": tf.string, "string": tf.string, "float": tf.float32}
    spec = {f.name: tf.io.FixedLenFeature((), dtypes[f.kind]) for f in SCHEMA.features}
    parsed = tf.io.parse_single_example(SCHEMA.encode(FLUX, VALUES), spec)
    flux = tf.io.decode_raw(parsed["flux"], tf.float32, little_endian=True)
    np.testing.assert_array_equal(flux.numpy(), FLUX)
    for name, value in VALUES.items():
        found = parsed[name].numpy()
        assert found == (value if isinstance(value, float) else value.encode())


def test_tensorflow_reads_our_files(tmp_path):
    records = [b"one", b"", b"three" * 1000]
    with RecordWriter(tmp_path / "shard") as writer:
        for record in records:
            writer.write(record)
    dataset = tf.data.TFRecordDataset(str(tmp_path / "shard"))
    assert [record.numpy() for record in dataset] == records


def test_we_read_the_files_of_tensorflow(tmp_path):
    records = [b"one", b"", b"three" * 1000]
    with tf.io.TFRecordWriter(str(tmp_path / "shard")) as writer:
        for record in records:
            writer.write(record)
    assert list(read_records(tmp_path / "shard")) == records


def test_conversion_does_not_import_tensorflow():
    code = (
        "import sys, tfrecords_tools.conversion.convert; "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
