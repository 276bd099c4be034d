"""Weights of one network in another that has some of its dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve, solve_banded

from stellar_tf.network.axes import FromAxes, ToAxes, reset_axes
from stellar_tf.network.layers import Displace, SmoothLeakyReLU

Weights = NDArray[np.float32]
Sums = NDArray[np.floating]
_N_CODES = 8_000
"""Drawn from the prior to fit layers to."""
_RIDGE = 1e-3
"""Of the mean square of a layer's inputs. Without it, units that are nearly alike get
weights of hundreds that cancel, beyond what float32 resolves."""


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
        the displacement is of whole pixels. It may be smooth where the other has
        corners: see `round_corners`.
    dimensions : sequence of int
        The dimensions that are kept, in their new order; of a network whose codes are
        turned onto axes, of these.

    Raises
    ------
    ValueError
        If the networks differ in more than that.
    """
    rotation = _find_rotation(source)
    axes = rotation[:, list(dimensions)]
    splines = _orders(source) == {1} and _orders(target) == {3}
    decoder = source.get_layer("decoder")
    has_dense = "decode_dense1" in {layer.name for layer in decoder.layers}
    for part in ("encoder", "decoder"):
        of_source = source.get_layer(part)
        for layer in target.get_layer(part).layers:
            if isinstance(layer, ToAxes | FromAxes) or not layer.weights:
                continue
            kept = of_source.get_layer(layer.name).get_weights()
            if layer.name == "z_mean":
                kept = [values @ axes for values in kept]
            elif layer.name == "z_log_var":
                # The mean of logarithms, for variances that differ little.
                kept = [values @ np.square(axes) for values in kept]
            n_codes = _count_codes(layer.name, has_dense)
            if n_codes:
                kept[0] = _select_rows(kept[0], axes, n_codes)
            if splines and layer.name.startswith(("basis", "destandardise")):
                kept = [to_cubic(values) for values in kept]
            layer.set_weights(kept)
    if _is_smooth(target) and not _is_smooth(source):
        round_corners(target.get_layer("decoder"))
    reset_axes(target)
    target.get_layer("bottleneck").step.assign(0)


def round_corners(decoder: keras.Model) -> None:
    """
    Fit a smooth decoder, layer by layer, to what its weights give with LeakyReLU.

    Parameters
    ----------
    decoder : keras.Model
        As `stellar_tf.network.model.build_decoder` builds it with ``smooth_decoder``,
        its codes not turned onto axes.

    Notes
    -----
    Over codes drawn from the prior, each layer takes by ridge regression the weights
    with which its sums are those of before, and the basis spectra take those with which
    their sum is. Without that the first steps of training tear apart what the code
    keeps apart.
    """
    layers = {layer.name: layer for layer in decoder.layers}
    z = np.random.default_rng(0).normal(size=(_N_CODES, decoder.input_shape[1]))
    sharp: Sums = z
    smooth: Sums = z
    for name in _list_dense(layers, "decode_dense"):
        sharp, smooth = _fit_layer(layers, name, sharp, smooth)
    sharp, smooth = (np.concatenate([z, x], axis=1) for x in (sharp, smooth))
    for name in _list_dense(layers, "weights"):
        weights, new_weights = _fit_layer(layers, name, sharp, smooth)
        basis = layers[name.replace("weights", "basis")]
        kernel, bias = basis.get_weights()
        mixed = _solve(new_weights, weights)
        basis.set_weights([mixed[:-1] @ kernel, bias + mixed[-1] @ kernel])


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


def _list_dense(layers: dict[str, keras.layers.Layer], start: str) -> list[str]:
    """List the dense layers of a kind, without their activations, in order."""
    return [
        name
        for name, layer in layers.items()
        if name.startswith(start) and isinstance(layer, keras.layers.Dense)
    ]


def _fit_layer(
    layers: dict[str, keras.layers.Layer], name: str, sharp: Sums, smooth: Sums
) -> tuple[Sums, Sums]:
    """Fit a layer to its sums of before; return what comes out of both."""
    activation = layers[f"{name}_act"]
    kernel, bias = layers[name].get_weights()
    sums = sharp @ kernel + bias
    fitted = _solve(smooth, sums)
    layers[name].set_weights([fitted[:-1], fitted[-1]])
    slope = activation.negative_slope
    new_sums = smooth @ fitted[:-1] + fitted[-1]
    return np.maximum(sums, slope * sums), np.asarray(activation(new_sums))


def _solve(x: Sums, y: Sums) -> Sums:
    """Find what turns x and a constant into y, (n_x + 1, n_y), by ridge regression."""
    columns = np.column_stack([x, np.ones(len(x))])
    squares = columns.T @ columns
    penalty = np.full(len(squares), _RIDGE * np.trace(squares[:-1, :-1]) / x.shape[1])
    penalty[-1] = 0.0
    solution: Sums = solve(squares + np.diag(penalty), columns.T @ y, assume_a="pos")
    return solution


def _is_smooth(autoencoder: keras.Model) -> bool:
    layers = autoencoder.get_layer("decoder").layers
    return any(isinstance(layer, SmoothLeakyReLU) for layer in layers)


def _find_rotation(autoencoder: keras.Model) -> Weights:
    """Return what multiplies codes from the right, (n_latent, n_latent)."""
    for layer in autoencoder.get_layer("encoder").layers:
        if isinstance(layer, ToAxes):
            rotation: Weights = layer.get_weights()[0]
            return rotation
    return np.eye(autoencoder.get_layer("decoder").input_shape[1], dtype=np.float32)


def _orders(autoencoder: keras.Model) -> set[int]:
    layers = autoencoder.get_layer("decoder").layers
    return {layer.order for layer in layers if isinstance(layer, Displace)}


def _count_codes(name: str, has_dense: bool) -> int:
    """Say how many times a layer of the decoder takes the code."""
    if name.startswith("weights"):  # beside it what dense layers make of it
        return 1 if has_dense else 2
    is_first = name in ("decode_dense1", "expand") or name.startswith("displacement")
    return int(is_first)


def _select_rows(kernel: Weights, axes: Weights, n_codes: int) -> Weights:
    """Take the share of the axes that are kept, (n_latent, n_kept), of a kernel."""
    n_latent = len(axes)
    codes = kernel[: n_codes * n_latent].reshape(n_codes, n_latent, -1)
    selected = np.einsum("lk,clo->cko", axes, codes).reshape(-1, kernel.shape[1])
    return np.concatenate([selected, kernel[n_codes * n_latent :]])
