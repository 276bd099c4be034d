"""The latent space's axes: along one of them lines do nothing but move."""

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
_N_CODES = 16
"""Drawn from the prior, where the decoder is differentiated."""
_STEP = 0.01
"""Of central differences, in standard deviations of the prior."""
_PENALTY = 1.0e-3
"""On directions that hardly change a spectrum, as a share of the strongest."""
_LARGEST_REST = 0.2
"""Share of a displacement that no direction of the code makes."""


class _Axes(keras.layers.Layer):
    """A fixed rotation of latent variables, the identity until it is set."""

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
    Let one axis be the direction in which lines only move, as long as it lasts.

    Parameters
    ----------
    autoencoder : keras.Model
        As `build_autoencoder` builds it; of another architecture, without
        displacement, or where lines hardly move, it stays as it is.
    blocks : sequence of str, default ()
        After training on visits, the block of each dimension: the axis turns within
        its own.

    Notes
    -----
    The prior has no preferred axes, and training leads them to where changes of the
    spectrum are orthogonal to each other (Rolinek et al. 2019, arXiv 1812.06775): a
    velocity may come to lie between two. Its direction is that along which the
    decoder's spectrum changes most nearly as by a displacement, by least squares over
    codes of the prior. Codes are rotated in the plane of that direction and the
    axis nearest to it; all other axes stay.
    """
    layers = _find_axes(autoencoder)
    if layers is not None:
        rotation = _find_rotation(autoencoder.get_layer("decoder"), blocks)
        layers[0].matrix.assign(rotation)
        layers[1].matrix.assign(rotation.T)
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


def _find_rotation(decoder: keras.Model, blocks: Sequence[str]) -> NDArray[np.float32]:
    """Find what multiplies codes from the right."""
    n_latent = decoder.input_shape[-1]
    unchanged = np.eye(n_latent, dtype=np.float32)
    if "displacement1" not in {layer.name for layer in decoder.layers}:
        return unchanged
    layer = decoder.get_layer("displacement1")
    displace = decoder.get_layer("displace1")
    assert isinstance(displace, Displace)
    # On a linear grid the two coefficients of a velocity go together.
    _, sizes, terms = np.linalg.svd(layer.get_weights()[0], full_matrices=False)
    if sizes[0] * displace.scale < _LEAST_DISPLACEMENT:
        return unchanged
    drawn = np.random.default_rng(0).normal(size=(_N_CODES, n_latent))
    codes = drawn.astype(np.float32)
    velocity = (sizes[0] * terms[0]).astype(np.float32)
    wanted = _differentiate_displacement(decoder, layer, codes, velocity)
    normal = np.zeros((n_latent, n_latent))
    projected = np.zeros(n_latent)
    for code, change in zip(codes, wanted, strict=True):
        jacobian = _differentiate(decoder, code)
        normal += jacobian.T @ jacobian
        projected += jacobian.T @ change
    ridge = _PENALTY * normal.diagonal().max() * np.eye(n_latent)
    direction = np.linalg.solve(normal + ridge, projected)
    if blocks:
        own = blocks[int(np.argmax(np.abs(direction)))]
        direction = np.where(np.array(blocks) == own, direction, 0.0)
    rest = direction @ normal @ direction - 2.0 * direction @ projected
    total = np.square(wanted, dtype=np.float64).sum()
    if not rest + total < _LARGEST_REST * total:
        return unchanged
    return _rotate_onto(direction / np.linalg.norm(direction)).astype(np.float32)


def _differentiate_displacement(
    decoder: keras.Model,
    layer: keras.layers.Layer,
    codes: NDArray[np.float32],
    coefficients: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Move the decoder's spectra of codes; derivative of shape (n, n_pixels)."""
    kernel, bias = layer.get_weights()
    moved = []
    try:
        for step in (_STEP, -_STEP):
            layer.set_weights([kernel, bias + step * coefficients])
            moved.append(np.asarray(decoder(codes), np.float64))
    finally:
        layer.set_weights([kernel, bias])
    return (moved[0] - moved[1]) / (2.0 * _STEP)


def _differentiate(
    decoder: keras.Model, code: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Differentiate the decoder's spectrum by the code, shape (n_pixels, n_latent)."""
    steps = _STEP * np.eye(code.size, dtype=np.float32)
    above, below = (np.asarray(decoder(code + s), np.float64) for s in (steps, -steps))
    return (above - below).T / (2.0 * _STEP)


def _rotate_onto(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotate the axis nearest to a direction onto it, shape (n_latent, n_latent)."""
    rotation = np.eye(direction.size)
    nearest = int(np.argmax(np.abs(direction)))
    axis = np.sign(direction[nearest]) * rotation[nearest]
    cosine = float(axis @ direction)
    across = direction - cosine * axis
    sine = float(np.linalg.norm(across))
    if sine < 1.0e-6:
        return rotation
    across /= sine
    rotation += (cosine - 1.0) * (np.outer(axis, axis) + np.outer(across, across))
    rotation += sine * (np.outer(across, axis) - np.outer(axis, across))
    return rotation
