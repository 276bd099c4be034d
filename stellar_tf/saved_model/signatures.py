"""The functions that a served model offers."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from stellar_tf.inference.graph import ModelGraph


def write_signatures(graph: ModelGraph, folder: Path) -> None:
    """
    Write a SavedModel, which needs nothing but TensorFlow to be loaded.

    Parameters
    ----------
    graph : ModelGraph
        What to serve; ``encode`` is also the default.
    folder : Path
        Folder to make.
    """
    config = graph.config
    flux = tf.TensorSpec((None, config.grid.n_pixels), tf.float32, name="flux")
    z = tf.TensorSpec((None, config.model.n_latent), tf.float32, name="z")
    spectrum = [
        tf.TensorSpec((None,), tf.float64, name="wave"),
        tf.TensorSpec((None,), tf.float32, name="flux"),
    ]
    archive = keras.export.ExportArchive()
    # Without archive.track, which would store every weight twice: endpoints bring
    # theirs along. The first becomes serving_default.
    archive.add_endpoint("encode", graph.encode, [flux])
    archive.add_endpoint("encode_spectrum", graph.encode_spectrum, spectrum)
    archive.add_endpoint("decode", graph.decode, [z])
    archive.add_endpoint("reconstruct", graph.reconstruct, [flux])
    archive.add_endpoint("normalise", graph.normalise, [flux])
    archive.write_out(str(folder), verbose=False)
