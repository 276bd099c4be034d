"""Weights of one network in another that has some of its dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from stellar_tf.network.layers import Displace

Weights = NDArray[np.float32]


def keep_dimensions(
    source: keras.Model, target: keras.Model, dimensions: Sequence[int]
) -> None:
    """
    Give a network the weights of another, without some latent dimensions.

    Parameters
    ----------
    source : keras.Model
        Trained, as `stellar_tf.network.model.build_autoencoder` builds it.
    target : keras.Model
        Of as many dimensions as are kept, and otherwise alike. It may be displaced by
        cubic splines where the other is by linear ones: it then decodes the same where
        the displacement is of whole pixels.
    dimensions : sequence of int
        The dimensions that are kept, in their new order.

    Raises
    ------
    ValueError
        If the networks differ in more than that.
    """
    n_latent = source.get_layer("decoder").input_shape[1]
    splines = _orders(source) == {1} and _orders(target) == {3}
    for part in ("encoder", "decoder"):
        of_source = source.get_layer(part)
        for layer in target.get_layer(part).layers:
            old = of_source.get_layer(layer.name).get_weights()
            new = layer.get_weights()
            kept = [
                _select(values, wanted.shape, dimensions, n_latent)
                for values, wanted in zip(old, new, strict=True)
            ]
            if splines and layer.name.startswith(("basis", "destandardise")):
                kept = [to_cubic(values) for values in kept]
            layer.set_weights(kept)
    target.get_layer("bottleneck").step.assign(0)


def to_cubic(values: Weights) -> Weights:
    """
    Find the cubic splines that pass through values.

    Parameters
    ----------
    values : ndarray of float32, shape (..., n_pixels)
        Values of spectra; a number stays as it is.

    Returns
    -------
    coefficients : ndarray of float32, shape (..., n_pixels)
        Of the cubic B-splines centred on the pixels; beyond its ends a spectrum goes on
        with its last coefficient.
    """
    if values.ndim == 0:
        return values
    bands = np.repeat([[1.0 / 6.0], [4.0 / 6.0], [1.0 / 6.0]], values.shape[-1], axis=1)
    bands[1, [0, -1]] = 5.0 / 6.0
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    solved: Weights = solve_banded((1, 1), bands, rows.T).T.astype(np.float32)
    return solved.reshape(values.shape)


def _orders(autoencoder: keras.Model) -> set[int]:
    layers = autoencoder.get_layer("decoder").layers
    return {layer.order for layer in layers if isinstance(layer, Displace)}


def _select(
    values: Weights, shape: tuple[int, ...], dimensions: Sequence[int], n_latent: int
) -> Weights:
    """Take the dimensions' share of a weight."""
    if values.shape == shape:
        return values
    if values.shape[1:] != shape[1:]:  # towards the code
        return values[..., list(dimensions)]
    # From the code, which may come twice, and perhaps from other inputs behind it.
    n_codes = (values.shape[0] - shape[0]) // (n_latent - len(dimensions))
    rows = [n_latent * i + d for i in range(n_codes) for d in dimensions]
    rows += range(n_latent * n_codes, values.shape[0])
    return values[rows]
