from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from stellar_tf.inference.graph import ModelGraph
from stellar_tf.saved_model.warmup import WARMUP_FILE, build_requests, write_warmup
from tfrecords_tools.records.tfrecord import read_records


def test_tensorflow_serving_reads_the_requests(
    graph: ModelGraph, tmp_path: Path
) -> None:
    """By our own reader, which checks the checksums, and TensorFlow Serving's types."""
    write_warmup(graph, "harps", tmp_path)
    records = list(read_records(tmp_path / WARMUP_FILE))
    requests = list(build_requests(graph))
    for record, (signature, inputs) in zip(records, requests, strict=True):
        expected = PredictionLog()
        request = expected.predict_log.request
        request.model_spec.name = "harps"
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        assert PredictionLog.FromString(record) == expected
        assert len(record) == expected.ByteSize()  # nothing else stands in it


def test_requests_reach_both_ways_onto_the_grid(graph: ModelGraph) -> None:
    grid, max_drift = graph.config.grid, graph.config.convert.max_drift
    placed = [
        grid.place(inputs["wave"], inputs["flux"], max_drift)
        for name, inputs in build_requests(graph)
        if name == "encode_spectrum"
    ]
    assert [placement.resampled for placement in placed] == [False, True]
