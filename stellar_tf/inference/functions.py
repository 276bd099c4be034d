"""What a trained network does, as compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from stellar_tf.compilation import compile_parts
from stellar_tf.inference.graph import ModelGraph, Outputs


class Functions(NamedTuple):
    """What a trained model computes; each returns its outputs by name."""

    encode: Callable[..., Outputs]
    """Of flux on the grid, float32 (batch, n_pixels), as of `ModelGraph.encode`."""
    encode_prepared: Callable[..., Outputs]
    """Of flux on the grid whose gaps are marked, and its median, (batch,)."""
    encode_spectrum: Callable[..., Outputs]
    """Of one spectrum of any wavelengths, float64 (n,) and float32 (n,)."""
    decode: Callable[..., Outputs]
    """Of codes, float32 (batch, n_latent)."""
    normalise: Callable[..., Outputs]
    """Of flux on the grid, float32 (batch, n_pixels), as of `ModelGraph.normalise`."""
    encode_with_errors: Callable[..., Outputs] | None = None
    """As `encode_prepared`, of the flux's standard deviations, too, (batch, n_pixels),
    if they count."""


def compile_graph(graph: ModelGraph) -> Functions:
    """
    Trace a network once for any batch size: layers called singly are much slower.

    Parameters
    ----------
    graph : ModelGraph
        The network.

    Returns
    -------
    functions : Functions
        Compiled; each is traced when it is first called.
    """
    pixels = tf.TensorSpec((None, graph.config.grid.n_pixels), tf.float32)
    median = tf.TensorSpec((None,), tf.float32)
    spectrum = [tf.TensorSpec((None,), tf.float64), tf.TensorSpec((None,), tf.float32)]
    code = tf.TensorSpec((None, graph.config.model.n_latent), tf.float32)

    def encode_prepared(flux: tf.Tensor, median: tf.Tensor) -> Outputs:
        with compile_parts():
            return graph.encode_prepared(flux, median_flux=median)

    # AutoGraph would take time to find that there is nothing to convert.
    compiled = partial(tf.function, autograph=False)
    return Functions(
        compiled(graph.encode, input_signature=[pixels]),
        compiled(encode_prepared, input_signature=[pixels, median]),
        compiled(graph.encode_spectrum, input_signature=spectrum),
        compiled(graph.decode, input_signature=[code]),
        compiled(graph.normalise, input_signature=[pixels]),
        _compile_with_errors(graph, [pixels, median, pixels]),
    )


def _compile_with_errors(
    graph: ModelGraph, signature: list[tf.TensorSpec]
) -> Callable[..., Outputs] | None:
    config = graph.config
    counts = config.inference.n_steps and config.objective.weight_by_errors == "auto"
    if not counts:
        return None

    def encode(flux: tf.Tensor, median: tf.Tensor, error: tf.Tensor) -> Outputs:
        with compile_parts():
            return graph.encode_prepared(flux, median_flux=median, error=error)

    compiled: Callable[..., Outputs] = tf.function(
        encode, input_signature=signature, autograph=False
    )
    return compiled
