from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from stellar_tf.inference.graph import ModelGraph
from stellar_tf.saved_model.warmup import WARMUP_FILE, build_requests, write_warmup
from tfrecords_tools.records.tfrecord import read_records


def test_requests_are_read_back_as_they_were(graph: ModelGraph, tmp_path: Path) -> None:
    """By our own reader, which checks the checksums, and TensorFlow Serving's types."""
    write_warmup(graph, "harps", tmp_path)
    requests = list(build_requests(graph))
    logs = [PredictionLog.FromString(r) for r in read_records(tmp_path / WARMUP_FILE)]
    assert len(logs) == len(requests)
    for log, (signature, inputs) in zip(logs, requests, strict=True):
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "harps"
        assert request.model_spec.signature_name == signature
        assert set(request.inputs) == set(inputs)
        for name, values in inputs.items():
            found = tf.make_ndarray(request.inputs[name])
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values)


def test_requests_reach_both_ways_onto_the_grid(graph: ModelGraph) -> None:
    grid, max_drift = graph.config.grid, graph.config.convert.max_drift
    placed = [
        grid.place(inputs["wave"], inputs["flux"], max_drift)
        for name, inputs in build_requests(graph)
        if name == "encode_spectrum"
    ]
    assert [placement.resampled for placement in placed] == [False, True]
