"""Requests that TensorFlow Serving sends to a model before it serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.inference.graph import ModelGraph
from stellar_tf.saved_model.assets import EXTRA
from tfrecords_tools.records.example import field_head

WARMUP_FILE = EXTRA / "tf_serving_warmup_requests"
"""Inside a version folder: where TensorFlow Serving looks for them."""

Request = tuple[str, dict[str, NDArray[np.floating]]]
"""Name of a signature, and its inputs."""


def build_requests(graph: ModelGraph) -> Iterator[Request]:
    """
    Make a request for each signature, and for each way onto the grid.

    Parameters
    ----------
    graph : ModelGraph
        Of the model to be served.

    Yields
    ------
    signature : str
        Its name.
    inputs : dict
        The spectrum decoded from the prior's mean, or that code.
    """
    grid = graph.config.grid
    z = np.zeros((1, graph.config.model.n_latent), np.float32)
    flux = graph.decode(tf.constant(z))["flux"].numpy()
    yield "encode", {"flux": flux}
    yield "encode_spectrum", {"wave": grid.wave, "flux": flux[0]}
    # Two pixels of the grid in one: resampled instead of shifted.
    yield "encode_spectrum", {"wave": grid.wave[::2], "flux": flux[0, ::2]}
    yield "decode", {"z": z}
    yield "reconstruct", {"flux": flux}
    yield "normalise", {"flux": flux}


def write_warmup(graph: ModelGraph, name: str, folder: Path) -> None:
    """
    Write the requests as TensorFlow Serving replays them when it loads a version.

    Parameters
    ----------
    graph : ModelGraph
        Of the model to be served.
    name : str
        The name it is served by.
    folder : Path
        The version's folder.

    Notes
    -----
    A TFRecord file of ``PredictionLog``, at most 1,000 of them
    (https://www.tensorflow.org/tfx/serving/saved_model_warmup).
    """
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in build_requests(graph):
            writer.write(_encode_log(name, signature, inputs))


def _encode_log(
    name: str, signature: str, inputs: dict[str, NDArray[np.floating]]
) -> bytes:
    """
    Serialize a request as TensorFlow Serving logs it, without its package.

    The messages, in the encoding of protocol buffers, whose fields are numbered::

        PredictionLog:  predict_log = 6
        PredictLog:     request = 1
        PredictRequest: model_spec = 1; inputs = 2, a map: key = 1, value = 2
        ModelSpec:      name = 1, signature_name = 3
    """
    model_spec = _field(1, name.encode()) + _field(3, signature.encode())
    request = _field(1, model_spec)
    for key, values in inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    return field_head(number, len(content)) + content
