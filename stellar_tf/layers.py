"""Keras layers of the network: standardisation, displacement, bins, the bottleneck."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from stellar_tf.displacement import displace, displace_fast

tfd = tfp.distributions


@keras.saving.register_keras_serializable("stellar_tf")
class Standardise(keras.layers.Layer):
    """
    Express normalised flux as a difference from a reference, in units of a scale.

    Bad pixels, marked by NaN, come out as zero: the value that says "as in the
    reference".

    Parameters
    ----------
    scale : float or None
        Unit of the output, in normalised flux; None leaves the flux as it is, as
        the paper does.
    **kwargs
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, scale: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """
        Create the reference spectrum, zero until `fit` sets it.

        Parameters
        ----------
        input_shape : tuple
            Shape (batch, n_pixels).
        """
        if self.scale is None:
            return
        self.reference = self.add_weight(
            name="reference",
            shape=(input_shape[-1],),
            initializer="zeros",
            trainable=False,
        )

    def call(self, flux: tf.Tensor) -> tf.Tensor:
        """
        Subtract the reference, scale and blank the bad pixels.

        Parameters
        ----------
        flux : Tensor of float32, shape (batch, n_pixels)
            Normalised flux, NaN at bad pixels.

        Returns
        -------
        x : Tensor of float32, shape (batch, n_pixels)
            Finite everywhere.
        """
        x = flux if self.scale is None else (flux - self.reference) / self.scale
        return ops.where(ops.isfinite(x), x, ops.zeros_like(x))

    def get_config(self) -> dict[str, Any]:
        """
        Return the constructor's arguments.

        Returns
        -------
        config : dict
            Arguments by name.
        """
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("stellar_tf")
class Destandardise(Standardise):
    """The inverse of `Standardise`: from the network's units to normalised flux."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """
        Scale and add the reference.

        Parameters
        ----------
        x : Tensor of float32, shape (batch, n_pixels)
            Output of the last convolution.

        Returns
        -------
        flux : Tensor of float32, shape (batch, n_pixels)
            Normalised flux.
        """
        return x if self.scale is None else x * self.scale + self.reference


@keras.saving.register_keras_serializable("stellar_tf")
class FoldedConv1D(keras.layers.Conv1D):
    """
    A strided convolution computed as one product of matrices, with the same weights.

    Parameters
    ----------
    *args
        Those of `keras.layers.Conv1D`: filters, kernel size and strides.
    fold : int
        Neighbouring outputs that are computed together. Their number must be a
        multiple of it, and the fold as long as what the kernel reaches beyond it.
    **kwargs
        Passed on to `keras.layers.Conv1D`; padding must be "valid".

    Notes
    -----
    Each row of the one matrix holds the inputs that ``fold`` outputs need, each column
    of the other the kernel, moved to where its output reads. Most of that matrix is
    zero, but where the kernel is small and has few channels the dense product is
    faster than the convolution, which then moves more than it computes.
    """

    def __init__(self, *args: Any, fold: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fold = fold

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """
        Check that the outputs can be folded, and create the weights.

        Parameters
        ----------
        input_shape : tuple
            Shape (batch, n_inputs, n_channels).

        Raises
        ------
        ValueError
            If they cannot.
        """
        (stride,), (width,) = self.strides, self.kernel_size
        n_outputs = ((input_shape[1] or 0) - width) // stride + 1
        reach = stride * (self.fold + 1)
        if n_outputs % self.fold or not stride < width <= reach:
            raise ValueError(
                f"fold must divide the {n_outputs} outputs and fit the kernel of "
                f"{width} and stride {stride}, got {self.fold}"
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """
        Convolve.

        Parameters
        ----------
        inputs : Tensor, shape (batch, n_inputs, n_channels)
            Padded already.

        Returns
        -------
        outputs : Tensor, shape (batch, n_outputs, filters)
            As `keras.layers.Conv1D` has them.
        """
        (stride,), (width,) = self.strides, self.kernel_size
        n_channels, step = inputs.shape[2], stride * self.fold
        n_rows = ((inputs.shape[1] - width) // stride + 1) // self.fold
        n_beyond = width - stride
        # The outputs of a row read its own inputs and the first of the next row.
        end = n_rows * step
        rows = tf.reshape(inputs[:, :end], (-1, n_rows, step * n_channels))
        last = inputs[:, end : end + n_beyond]
        last = tf.reshape(last, (-1, 1, n_beyond * n_channels))
        beyond = tf.concat([rows[:, 1:, : n_beyond * n_channels], last], axis=1)
        rows = tf.concat([rows, beyond], axis=2)
        band = self._band(tf.convert_to_tensor(self.kernel))
        outputs = tf.matmul(tf.reshape(rows, (-1, rows.shape[2])), band)
        if self.use_bias:
            outputs += tf.tile(tf.convert_to_tensor(self.bias), [self.fold])
        return tf.reshape(outputs, (-1, n_rows * self.fold, self.filters))

    def _band(self, kernel: tf.Tensor) -> tf.Tensor:
        """Move the kernel to each output's place, (inputs of a row, fold * filters)."""
        (stride,) = self.strides
        room = stride * (self.fold - 1)
        moved = [
            tf.pad(kernel, [[begin, room - begin], [0, 0], [0, 0]])
            for begin in range(0, room + 1, stride)
        ]
        band = tf.stack(moved, axis=2)  # (room + width, n_channels, fold, filters)
        return tf.reshape(band, (-1, self.fold * self.filters))

    def get_config(self) -> dict[str, Any]:
        """
        Return the constructor's arguments.

        Returns
        -------
        config : dict
            Arguments by name.
        """
        return {**super().get_config(), "fold": self.fold}


@keras.saving.register_keras_serializable("stellar_tf")
class Displace(keras.layers.Layer):
    """
    Move the content of spectra along their pixels, by linear interpolation.

    Parameters
    ----------
    scale : float
        Displacement by a coefficient of 1 [pixel].
    **kwargs
        Passed on to `keras.layers.Layer`.

    Notes
    -----
    A spatial transformer (Jaderberg et al. 2015, arXiv 1506.02025) in one dimension.
    The displacement is a polynomial in the pixel's place u, which runs from -1 to 1:
    ``scale * (c_0 + c_1 u + c_2 u^2 + ...)``, positive to the right.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """
        Take each pixel's value from where the displacement brings it from.

        Parameters
        ----------
        inputs : tuple of two Tensors of float32
            Flux, shape (batch, n_pixels), and coefficients, shape (batch, n_terms).
        training : bool
            Whether to compile it by XLA, which is faster; the saved model has
            TensorFlow's own operations only.

        Returns
        -------
        displaced : Tensor of float32, shape (batch, n_pixels)
            Beyond its ends a spectrum goes on with its last value.
        """
        flux, coefficients = inputs
        return (displace_fast if training else displace)(flux, coefficients, self.scale)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """
        Return the shape of the displaced flux.

        Parameters
        ----------
        input_shape : sequence of tuple
            Shapes of flux and coefficients.

        Returns
        -------
        shape : tuple
            That of the flux.
        """
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """
        Return the constructor's arguments.

        Returns
        -------
        config : dict
            Arguments by name.
        """
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("stellar_tf")
class Unbin(keras.layers.Layer):
    """
    Interpolate linearly from bins, whose values stand at their centres, to pixels.

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
        """
        Interpolate.

        Parameters
        ----------
        bins : Tensor of float32, shape (batch, n_bins)
            Values at the bins' centres.

        Returns
        -------
        pixels : Tensor of float32, shape (batch, n_bins * n_pixels)
            Beyond the outermost centres a spectrum goes on with its last value.
        """
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
        place = (np.arange(n_row * self.n_pixels) + 0.5) / self.n_pixels + 0.5
        distance = np.abs(place - np.arange(n_row + 2)[:, np.newaxis])
        return np.maximum(0.0, 1.0 - distance).astype(np.float32)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """
        Return the shape of the pixels.

        Parameters
        ----------
        input_shape : tuple
            Shape of the bins.

        Returns
        -------
        shape : tuple
            As many pixels for each bin.
        """
        return input_shape[0], input_shape[1] * self.n_pixels

    def get_config(self) -> dict[str, Any]:
        """
        Return the constructor's arguments.

        Returns
        -------
        config : dict
            Arguments by name.
        """
        return {**super().get_config(), "n_pixels": self.n_pixels}


@keras.saving.register_keras_serializable("stellar_tf")
class GaussianBottleneck(keras.layers.Layer):
    """
    Draw z from a diagonal normal posterior and state its divergence from the prior.

    The noise is stateless: its key is (seed, step) and each example has its own row
    by its place in the global batch. One replica or many therefore draw the same
    noise for the same example, and a restored ``step`` continues the sequence.

    Parameters
    ----------
    seed : int
        First half of the key.
    **kwargs
        Passed on to `keras.layers.Layer`.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """
        Create the counter of training steps.

        Parameters
        ----------
        input_shape : sequence of tuple
            Shapes of z_mean and z_log_var, (batch, n_latent) both.
        """
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """
        Sample while training; otherwise take the posterior's mean.

        Parameters
        ----------
        inputs : tuple of two Tensors of float32, shape (batch, n_latent)
            Mean and log variance of the posterior.
        training : bool
            Whether to draw.

        Returns
        -------
        z : Tensor of float32, shape (batch, n_latent)
            The latent code.
        kl : Tensor of float32, shape (batch, n_latent)
            Divergence of the posterior from the unit normal, in nats per dimension.
        """
        z_mean, z_log_var = inputs
        posterior = tfd.Normal(z_mean, tf.exp(0.5 * z_log_var))
        prior = tfd.Normal(tf.zeros_like(z_mean), tf.ones_like(z_mean))
        kl = tfd.kl_divergence(posterior, prior)  # (batch, n_latent)
        if not training:
            return z_mean, kl
        noise = self._draw_noise(z_mean)
        self.step.assign_add(1)
        return posterior.loc + posterior.scale * noise, kl

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, Any]:
        """
        Return the shapes of z and kl.

        Parameters
        ----------
        input_shape : sequence of tuple
            Shapes of z_mean and z_log_var.

        Returns
        -------
        shapes : tuple
            Both (batch, n_latent).
        """
        return input_shape[0], input_shape[1]

    def get_config(self) -> dict[str, Any]:
        """
        Return the constructor's arguments.

        Returns
        -------
        config : dict
            Arguments by name.
        """
        return {**super().get_config(), "seed": self.seed}

    def _draw_noise(self, z_mean: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        n_replicas = replica.num_replicas_in_sync
        n_local = tf.shape(z_mean)[0]
        # Every replica draws the (small) noise of the whole global batch and takes
        # its own rows: the only way that keeps a row tied to an example.
        noise = tf.random.stateless_normal(
            (n_replicas * n_local, z_mean.shape[1]),
            seed=tf.stack([tf.constant(self.seed), self.step.value]),
            # The default depends on the device.
            alg="philox",
        )
        first = tf.cast(replica.replica_id_in_sync_group, tf.int32) * n_local
        return noise[first : first + n_local]
