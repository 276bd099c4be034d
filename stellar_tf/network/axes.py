"""The latent space's axes: one of them is what displaces the lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from stellar_tf.network.layers import Displace

_LEAST_DISPLACEMENT = 0.25
"""Root mean square over stars [pixel of the decoder]; less is not a velocity."""


class _Axes(keras.layers.Layer):
    """A fixed matrix for latent variables, the identity until it is set."""

    def build(self, input_shape: Any) -> None:
        n_latent = tf.nest.flatten(input_shape)[-1]
        self.matrix = self.add_weight(
            name="matrix",
            shape=(n_latent, n_latent),
            initializer="identity",
            trainable=False,
        )


@keras.saving.register_keras_serializable("stellar_tf")
class ToAxes(_Axes):
    """Posteriors, means and log variances of (batch, n_latent) each, on the axes."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape[0])

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        z_mean, z_log_var = inputs
        variance = ops.matmul(ops.exp(z_log_var), ops.square(self.matrix))
        return ops.matmul(z_mean, self.matrix), ops.log(variance)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable("stellar_tf")
class FromAxes(_Axes):
    """Codes on the axes, (batch, n_latent), as the decoder was trained on them."""

    def call(self, z: tf.Tensor) -> tf.Tensor:
        return ops.matmul(z, self.matrix)


@contextmanager
def velocity_axis(
    autoencoder: keras.Model, blocks: Sequence[str] = ()
) -> Iterator[None]:
    """
    Make what displaces the lines one latent dimension, as long as the context lasts.

    Parameters
    ----------
    autoencoder : keras.Model
        As `build_autoencoder` builds it; of another architecture, without
        displacement, or where lines hardly move, it stays as it is.
    blocks : sequence of str, default ()
        After training on visits, the block of each dimension: what displaces is then
        taken from the block that displaces most, and the blocks stay apart.

    Notes
    -----
    A displacement is linear in the code, but the axes of a variational autoencoder lie
    where changes of the spectrum are orthogonal to each other (Rolinek et al. 2019,
    arXiv 1812.06775), which Doppler shift and temperature are not where lines blend. In
    place of the dimension that displaces most stands the displacement itself, in units
    of its standard deviation under the prior; the other dimensions stay. Along them
    lines then keep their place.
    """
    layers = _find_axes(autoencoder)
    if layers is not None:
        matrix = _find_matrix(autoencoder, blocks)
        layers[0].matrix.assign(matrix)
        layers[1].matrix.assign(np.linalg.inv(matrix))
    try:
        yield
    finally:
        reset_axes(autoencoder)


def reset_axes(autoencoder: keras.Model) -> None:
    """
    Give a network the axes back that it was trained on.

    Parameters
    ----------
    autoencoder : keras.Model
        As `build_autoencoder` builds it.
    """
    for layer in _find_axes(autoencoder) or ():
        layer.matrix.assign(np.eye(layer.matrix.shape[0], dtype=np.float32))


def _find_axes(autoencoder: keras.Model) -> tuple[ToAxes, FromAxes] | None:
    parts = autoencoder.get_layer("encoder"), autoencoder.get_layer("decoder")
    found = [x for part in parts for x in part.layers if isinstance(x, _Axes)]
    return (found[0], found[1]) if found else None


def _find_matrix(
    autoencoder: keras.Model, blocks: Sequence[str]
) -> NDArray[np.float32]:
    """Find what multiplies codes from the right."""
    decoder = autoencoder.get_layer("decoder")
    n_latent = decoder.input_shape[-1]
    matrix = np.eye(n_latent, dtype=np.float32)
    names = {layer.name for layer in decoder.layers}
    if "displacement1" not in names:
        return matrix
    displace = decoder.get_layer("displace1")
    assert isinstance(displace, Displace)
    kernel = decoder.get_layer("displacement1").get_weights()[0]
    # On a linear grid the two coefficients of a velocity lie along one direction.
    directions, sizes, _ = np.linalg.svd(kernel, full_matrices=False)
    if sizes[0] * displace.scale < _LEAST_DISPLACEMENT:
        return matrix
    direction = directions[:, 0]
    most = int(np.argmax(np.abs(direction)))
    if blocks:
        direction = np.where(np.array(blocks) == blocks[most], direction, 0.0)
        direction /= np.linalg.norm(direction)
    matrix[:, most] = direction * np.sign(direction[most])
    return matrix
