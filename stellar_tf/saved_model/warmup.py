"""Requests that TensorFlow Serving sends to a model before it serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.saved_model.assets import EXTRA
from stellar_tf.saved_model.signatures import Signatures

WARMUP_FILE = EXTRA / "tf_serving_warmup_requests"
"""Inside a version folder: where TensorFlow Serving looks for them."""

Request = tuple[str, dict[str, NDArray[np.floating]]]
"""Name of a signature, and its inputs."""


def build_requests(signatures: Signatures) -> Iterator[Request]:
    """
    Make a request for each signature, and for each way onto the grid.

    Parameters
    ----------
    signatures : Signatures
        Of the model to be served.

    Yields
    ------
    signature : str
        Its name.
    inputs : dict
        The spectrum decoded from the prior's mean, or that code.
    """
    grid = signatures.config.grid
    z = np.zeros((1, signatures.config.model.n_latent), np.float32)
    flux = signatures.decode(tf.constant(z))["flux"].numpy()
    yield "encode", {"flux": flux}
    yield "encode_spectrum", {"wave": grid.wave, "flux": flux[0]}
    # Two pixels of the grid in one: resampled instead of shifted.
    yield "encode_spectrum", {"wave": grid.wave[::2], "flux": flux[0, ::2]}
    yield "decode", {"z": z}
    yield "reconstruct", {"flux": flux}


def write_warmup(signatures: Signatures, name: str, folder: Path) -> None:
    """
    Write the requests as TensorFlow Serving replays them when it loads a version.

    Parameters
    ----------
    signatures : Signatures
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
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in build_requests(signatures):
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, values in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
            writer.write(log.SerializeToString())
