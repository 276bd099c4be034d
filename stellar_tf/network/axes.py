"""The latent space's axes: a velocity and a change of the continuum have their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray
from scipy.linalg import eigh, solve

from stellar_tf.network.layers import Displace

_LEAST_DISPLACEMENT = 0.25
"""Root mean square over stars [pixel of the decoder]; less is not a velocity."""
_N_CODES = 16
"""Of spectra, where the decoder is differentiated."""
_STEP = 0.01
"""Of central differences, in standard deviations of the prior."""
_PENALTY = 0.01
"""On the posterior's variance along a direction, in units of the strongest change."""
_LARGEST_VARIANCE = 0.6
"""Of posteriors; a dimension that carries less than a quarter of a nat stays apart."""
_LOSS = 0.5
"""Information that no turn may cost: axes of unequal width do not mix well [nat]."""
_VELOCITY_REST, _CONTINUUM_REST = 0.15, 0.3
"""Share of the change along an axis that is another than the axis is for."""


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
def physical_axes(
    autoencoder: keras.Model,
    flux: NDArray[np.float32] | tf.Tensor,
    smooth_modes: NDArray[np.float64],
    blocks: Sequence[str] = (),
) -> Iterator[None]:
    """
    Let lines only move along one axis, and the continuum only change along another.

    Parameters
    ----------
    autoencoder : keras.Model
        As `build_autoencoder` builds it, on the axes that it is trained on. Of another
        architecture it stays as it is. Afterwards it is as before.
    flux : ndarray of float32 or tensor
        A few normalised spectra that it has seen or not, shape (n, n_pixels). At their
        codes the decoder is differentiated.
    smooth_modes : ndarray of float64
        What a continuum is a sum of, shape (n_pixels, n_modes).
    blocks : sequence of str, default ()
        After training on visits, the block of each dimension: an axis turns within
        its own.

    Notes
    -----
    The prior has no preferred axes, and training leads them to where changes of the
    spectrum are orthogonal to each other (Rolinek et al. 2019, arXiv 1812.06775): a
    velocity may come to lie between two, or a slope of the continuum. The direction of
    a velocity is that along which the decoder's spectrum changes most nearly as by a
    displacement, by least squares. The direction of the continuum is that along which
    the largest share of the change is the spectrum times a sum of smooth modes. Codes
    are rotated in the plane of such a direction and the axis nearest to it; all other
    axes stay. Where no direction does so for all but a small rest, nothing is turned.
    """
    layers = _find_axes(autoencoder)
    if layers is not None and len(flux):
        posteriors = autoencoder.get_layer("encoder")(flux[:_N_CODES])
        rotation = _find_rotation(
            autoencoder.get_layer("decoder"),
            np.asarray(posteriors["z_mean"]),
            np.exp(np.asarray(posteriors["z_log_var"], np.float64)),
            smooth_modes,
            blocks,
        )
        layers[0].matrix.assign(rotation.astype(np.float32))
        layers[1].matrix.assign(rotation.T.astype(np.float32))
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


class _Changes(NamedTuple):
    """How the decoder's spectra change with the code: sums over codes and pixels."""

    normal: NDArray[np.float64]
    """Products of changes along two axes, shape (n_latent, n_latent)."""
    smooth: NDArray[np.float64]
    """The same of what smooth modes make of them."""
    displaced: NDArray[np.float64]
    """Products with the changes by a displacement, shape (n_latent,)."""
    displacement: float
    """Their squares."""

    def along(self, axes: NDArray[np.float64]) -> _Changes:
        """Take other axes, shape (n_latent, n)."""
        return _Changes(
            axes.T @ self.normal @ axes,
            axes.T @ self.smooth @ axes,
            axes.T @ self.displaced,
            self.displacement,
        )


def _find_rotation(
    decoder: keras.Model,
    codes: NDArray[np.float32],
    variance: NDArray[np.float64],
    smooth_modes: NDArray[np.float64],
    blocks: Sequence[str],
) -> NDArray[np.float64]:
    """Find what multiplies codes from the right."""
    changes = _sum_changes(decoder, codes, smooth_modes)
    # Along a direction that takes in what is hardly known, nothing is known well.
    noise = _PENALTY * changes.normal.diagonal().max() * variance.mean(axis=0)
    changes = changes._replace(normal=changes.normal + np.diag(noise))
    rotation = np.eye(codes.shape[1])
    free = variance.mean(axis=0) < _LARGEST_VARIANCE
    for find in (_find_velocity, _find_continuum):
        direction = _search(find, changes, rotation, free)
        if direction is not None and blocks:
            own = np.array(blocks) == blocks[_nearest_axis(direction)]
            direction = _search(find, changes, rotation, free & own)
        if direction is None:
            continue
        turned = rotation @ _rotate_onto(direction)
        if _information(variance, rotation) - _information(variance, turned) < _LOSS:
            rotation = turned
            free[_nearest_axis(direction)] = False
    return rotation


def _search(
    find: Callable[[_Changes], NDArray[np.float64] | None],
    changes: _Changes,
    rotation: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """Find a direction among some of the turned axes, shape (n_latent,)."""
    found = find(changes.along(rotation[:, free])) if free.any() else None
    if found is None:
        return None
    direction = np.zeros(free.size)
    direction[free] = found
    return direction


def _sum_changes(
    decoder: keras.Model,
    codes: NDArray[np.float32],
    smooth_modes: NDArray[np.float64],
) -> _Changes:
    n_latent = codes.shape[1]
    normal, smooth = np.zeros((2, n_latent, n_latent))
    displaced, displacement = np.zeros(n_latent), 0.0
    moved = _differentiate_displacement(decoder, codes)
    for code, change in zip(codes, moved, strict=True):
        spectrum, jacobian = _differentiate(decoder, code)
        normal += jacobian.T @ jacobian
        displaced += jacobian.T @ change
        displacement += float(change @ change)
        basis = smooth_modes * spectrum[:, np.newaxis]
        share = basis.T @ jacobian
        smooth += share.T @ solve(basis.T @ basis, share)
    return _Changes(normal, smooth, displaced, displacement)


def _find_velocity(changes: _Changes) -> NDArray[np.float64] | None:
    """Find the direction along which spectra change as by a displacement."""
    direction: NDArray[np.float64] = solve(changes.normal, changes.displaced)
    # Of the normal equations' solution this is the share that it explains.
    explained = float(direction @ changes.displaced)
    is_one = explained > (1.0 - _VELOCITY_REST) * changes.displacement > 0.0
    return direction if is_one else None


def _find_continuum(changes: _Changes) -> NDArray[np.float64] | None:
    """Find the direction along which the share of smooth changes is the largest."""
    shares, directions = eigh(changes.smooth, changes.normal)
    return directions[:, -1] if shares[-1] > 1.0 - _CONTINUUM_REST else None


def _information(variance: NDArray[np.float64], rotation: NDArray[np.float64]) -> float:
    """Sum over axes of what codes tell, as of Gaussian channels [nat]."""
    of_axes = variance @ np.square(rotation)
    return float(-0.5 * np.log(of_axes).sum(axis=1).mean())


def _nearest_axis(direction: NDArray[np.float64]) -> int:
    return int(np.argmax(np.abs(direction)))


def _differentiate_displacement(
    decoder: keras.Model, codes: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Move the decoder's spectra of codes; derivative of shape (n, n_pixels)."""
    unmoved = np.zeros((len(codes), decoder.output_shape[-1]))
    if "displacement1" not in {layer.name for layer in decoder.layers}:
        return unmoved
    layer = decoder.get_layer("displacement1")
    displace = decoder.get_layer("displace1")
    assert isinstance(displace, Displace)
    kernel, bias = layer.get_weights()
    # On a linear grid the two coefficients of a velocity go together.
    _, sizes, terms = np.linalg.svd(kernel, full_matrices=False)
    if sizes[0] * displace.scale < _LEAST_DISPLACEMENT:
        return unmoved
    moved = []
    try:
        for step in (_STEP, -_STEP):
            layer.set_weights([kernel, bias + step * sizes[0] * terms[0]])
            moved.append(np.asarray(decoder(codes), np.float64))
    finally:
        layer.set_weights([kernel, bias])
    return (moved[0] - moved[1]) / (2.0 * _STEP)


def _differentiate(
    decoder: keras.Model, code: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decode a code; differentiate by it, spectrum and (n_pixels, n_latent)."""
    steps = _STEP * np.eye(code.size, dtype=np.float32)
    codes = code + np.concatenate([np.zeros_like(steps[:1]), steps, -steps])
    spectra = np.asarray(decoder(codes), np.float64)
    above, below = np.split(spectra[1:], 2)
    return spectra[0], (above - below).T / (2.0 * _STEP)


def _rotate_onto(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotate the axis nearest to a direction onto it, shape (n_latent, n_latent)."""
    direction = direction / np.linalg.norm(direction)
    rotation = np.eye(direction.size)
    nearest = _nearest_axis(direction)
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
