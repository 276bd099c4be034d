"""Keras layers of the network: standardisation, displacement, bins."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from stellar_tf.compilation import compiles_parts
from stellar_tf.network.displacement import (
    Order,
    displace,
    displace_compiled,
    displace_fast,
)

_LARGEST = 100.0
"""Units of the scale that count: what is larger is a cosmic ray or a damaged pixel."""
_SHARPNESS = 2.0
"""Inverse of the width over which `SmoothLeakyReLU` bends."""


class Unit(NamedTuple):
    """What the network measures flux in."""

    reference: tf.Tensor
    """Normalised flux that it works relative to, shape (n_pixels,)."""
    scale: tf.Tensor
    """One unit of the difference, in normalised flux; a number."""


@keras.saving.register_keras_serializable("stellar_tf")
class Standardise(keras.layers.Layer):
    """
    Express normalised flux as a difference from a reference, in units of a scale.

    Differences end at 100 units. Bad pixels, marked by NaN, come out as zero: the value
    that says "as in the reference".

    Parameters
    ----------
    relative : bool
        Whether to do so; otherwise the flux stays as it is, as in the paper.
    **kwargs
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, relative: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.relative = relative

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if not self.relative:
            return
        self.reference = self.add_weight(  # zero until `fit` sets it
            name="reference",
            shape=(input_shape[-1],),
            initializer="zeros",
            trainable=False,
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(0.1),
            trainable=False,
        )

    def call(self, flux: tf.Tensor) -> tf.Tensor:
        """Map flux, (batch, n_pixels) with NaN, to finite x of that shape."""
        return _standardise(flux, self._unit)

    @property
    def _unit(self) -> Unit | None:
        if not self.relative:
            return None
        return Unit(
            tf.convert_to_tensor(self.reference), tf.convert_to_tensor(self.scale)
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "relative": self.relative}


@keras.saving.register_keras_serializable("stellar_tf")
class Condense(Standardise):
    """
    Standardise spectra, average neighbouring pixels, and take the asinh of these bins.

    While training, and inside `stellar_tf.compilation.compile_parts`, it is compiled by
    XLA, which takes half the time.

    Parameters
    ----------
    relative : bool
        As of `Standardise`; without, no asinh is taken.
    n_pixels : int
        Pixels a bin.
    padding : tuple of int
        Zeros before and after the pixels, as if these were bad ones.
    **kwargs
        Passed on to `keras.layers.Layer`.
    """

    def __init__(
        self, relative: bool, n_pixels: int, padding: tuple[int, int], **kwargs: Any
    ) -> None:
        super().__init__(relative, **kwargs)
        before, after = padding
        self.n_pixels, self.padding = n_pixels, (before, after)

    def call(self, flux: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Map flux, (batch, n_pixels) with NaN, to bins, (batch, n_bins)."""
        way = _compiled_condense if training or compiles_parts() else _condense
        return way(flux, self._unit, self.padding, self.n_pixels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0], (input_shape[1] + sum(self.padding)) // self.n_pixels

    def get_config(self) -> dict[str, Any]:
        own = {"n_pixels": self.n_pixels, "padding": self.padding}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("stellar_tf")
class Destandardise(Standardise):
    """From the network's units to normalised flux."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Map the last layer's output, (batch, n_pixels), to normalised flux."""
        return x * self.scale + self.reference if self.relative else x


@keras.saving.register_keras_serializable("stellar_tf")
class Displace(keras.layers.Layer):
    """
    Move the content of spectra along their pixels.

    From flux, (batch, n_pixels), and coefficients, (batch, n_terms), to the displaced
    flux, (batch, n_pixels); beyond its ends a spectrum goes on with its last value.
    While training, and inside `stellar_tf.compilation.compile_parts`, it is compiled by
    XLA, which takes half the time.

    Parameters
    ----------
    scale : float
        Displacement by a coefficient of 1 [pixel].
    order : {1, 3}, default 1
        Of the B-splines that the flux is the coefficients of: linear or cubic.
    **kwargs
        Passed on to `keras.layers.Layer`.

    Notes
    -----
    A spatial transformer (Jaderberg et al. 2015, arXiv 1506.02025) in one dimension.
    The displacement is a polynomial in the pixel's coordinate u, from -1 to 1:
    ``scale * (c_0 + c_1 u + c_2 u^2 + ...)``, positive to the right.
    """

    def __init__(self, scale: float, order: Order = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.order = scale, order

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        flux, coefficients = inputs
        if training:
            way = displace_fast
        else:
            way = displace_compiled if compiles_parts() else displace
        return way(flux, coefficients, self.scale, self.order)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "order": self.order}


@keras.saving.register_keras_serializable("stellar_tf")
class SmoothLeakyReLU(keras.layers.Layer):
    """
    LeakyReLU without its corner.

    Parameters
    ----------
    negative_slope : float
        Slope far below zero; far above it is 1.
    **kwargs
        Passed on to `keras.layers.Layer`.

    Notes
    -----
    A decoder with corners has them along planes of the code. Codes of stars then bend
    at these planes, which no smooth function that reads labels from codes can follow.
    """

    def __init__(self, negative_slope: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Map values to values, of any shape."""
        above = ops.softplus(_SHARPNESS * x) / _SHARPNESS
        return self.negative_slope * x + (1.0 - self.negative_slope) * above

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@keras.saving.register_keras_serializable("stellar_tf")
class Unbin(keras.layers.Layer):
    """
    Interpolate linearly from the centres of bins to pixels.

    Beyond the outermost centres a spectrum goes on with its last value.

    Parameters
    ----------
    n_pixels : int
        Pixels a bin.
    **kwargs
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, n_pixels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_pixels = n_pixels

    def call(self, bins: tf.Tensor) -> tf.Tensor:
        """Map values at the centres of bins, (batch, n_bins), to pixels."""
        # Rows of bins times one matrix: faster than to weave the pixels together.
        n_bins = bins.shape[-1]
        n_row = math.gcd(n_bins, 64)
        rows = tf.reshape(bins, (-1, n_bins // n_row, n_row))
        before = tf.concat([bins[:, :1], bins[:, n_row - 1 : -1 : n_row]], axis=1)
        after = tf.concat([bins[:, n_row::n_row], bins[:, -1:]], axis=1)
        rows = tf.concat([before[..., None], rows, after[..., None]], axis=-1)
        pixels = tf.matmul(rows, self._interpolation(n_row))
        return tf.reshape(pixels, (-1, n_bins * self.n_pixels))

    def _interpolation(self, n_row: int) -> np.ndarray:
        """Weights of a row's bins and its two neighbours in each of its pixels."""
        position = (np.arange(n_row * self.n_pixels) + 0.5) / self.n_pixels + 0.5
        distance = np.abs(position - np.arange(n_row + 2)[:, np.newaxis])
        return np.maximum(0.0, 1.0 - distance).astype(np.float32)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0], input_shape[1] * self.n_pixels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n_pixels": self.n_pixels}


def _standardise(flux: tf.Tensor, unit: Unit | None) -> tf.Tensor:
    x = flux
    if unit is not None:
        x = (x - unit.reference) * (1.0 / unit.scale)
        x = ops.clip(x, -_LARGEST, _LARGEST)
    return ops.where(ops.isfinite(flux), x, 0.0)


def _condense(
    flux: tf.Tensor, unit: Unit | None, padding: tuple[int, int], n_pixels: int
) -> tf.Tensor:
    """Standardise pixels, (batch, n), and average them, (batch, n_bins)."""
    x = tf.pad(_standardise(flux, unit), ((0, 0), padding))
    if n_pixels > 1:
        # A product with a matrix takes half the time of a mean.
        weights = tf.fill((n_pixels, 1), 1.0 / n_pixels)
        bins = tf.matmul(tf.reshape(x, (-1, n_pixels)), weights)
        x = tf.reshape(bins, (-1, x.shape[-1] // n_pixels))
    # A star unlike all others comes out as a few units.
    return x if unit is None else _asinh(x)


_compiled_condense = tf.function(_condense, jit_compile=True, autograph=False)


def _asinh(x: tf.Tensor) -> tf.Tensor:
    """Compute it by functions that TensorFlow vectorises: in a quarter of the time."""
    size = tf.abs(x)
    square = tf.square(size)
    return tf.sign(x) * tf.math.log1p(size + square / (1.0 + tf.sqrt(1.0 + square)))
