"""The encoder, the decoder and the autoencoder, as Keras functional models."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from stellar_tf.config import Config, FoldedConfig, ModelConfig
from stellar_tf.network.axes import FromAxes, ToAxes
from stellar_tf.network.bottleneck import GaussianBottleneck
from stellar_tf.network.folded_conv import FoldedConv1D
from stellar_tf.network.layers import (
    Condense,
    Destandardise,
    Displace,
    SmoothLeakyReLU,
    Standardise,
    Unbin,
)
from stellar_tf.run import Run
from tfrecords_tools.durable import partial_path, put_in_place

_SOFT_LIMIT = 4.0
"""From where on our network's posteriors grow with the logarithm only: whatever a
spectrum holds, the divergence is finite, and pulls back. 4 is as far as one star in
16,000 is by the prior."""
_FOLD = 4
"""Outputs of the paper's first convolution that are computed together."""


def build_encoder(config: ModelConfig, n_pixels: int) -> keras.Model:
    """
    Build the network from normalised flux to the posterior's parameters.

    Parameters
    ----------
    config : ModelConfig
        The architecture.
    n_pixels : int
        Of a spectrum; the network pads it as it needs.

    Returns
    -------
    encoder : keras.Model
        ``flux (batch, n_pixels)``, NaN at bad pixels, to ``z_mean`` and
        ``z_log_var``, (batch, n_latent) both.
    """
    flux = keras.Input((n_pixels,), name="flux")
    padding = config.padding(n_pixels)
    if config.architecture == "strided":
        x = _strided_encoder(flux, config, padding)
    else:
        x = _folded_encoder(flux, config, padding)
    z_mean = layers.Dense(config.n_latent, dtype="float32", name="z_mean")(x)
    z_log_var = layers.Dense(config.n_latent, dtype="float32", name="z_log_var")(x)
    if config.architecture == "folded":
        posterior = _compress(z_mean), _compress(z_log_var)
        z_mean, z_log_var = ToAxes(dtype="float32", name="to_axes")(posterior)
    return keras.Model(flux, {"z_mean": z_mean, "z_log_var": z_log_var}, name="encoder")


def build_decoder(config: ModelConfig, n_pixels: int) -> keras.Model:
    """
    Build the network from the latent code to normalised flux.

    Parameters
    ----------
    config : ModelConfig
        The architecture.
    n_pixels : int
        Of a spectrum; the network pads it as it needs.

    Returns
    -------
    decoder : keras.Model
        ``z (batch, n_latent)`` to ``flux (batch, n_pixels)``.
    """
    z = keras.Input((config.n_latent,), name="z")
    before, after = config.padding(n_pixels)
    n_padded = before + n_pixels + after
    if config.architecture == "strided":
        flux = _strided_decoder(z, config, n_padded)
    else:
        flux = _folded_decoder(z, config, n_padded)
    if before + after:
        # An index would do, but its gradient takes longer.
        flux = ops.split(flux, (before, before + n_pixels), axis=1)[1]
    return keras.Model(z, flux, name="decoder")


def build_autoencoder(config: Config) -> keras.Model:
    """
    Join encoder, bottleneck and decoder.

    Parameters
    ----------
    config : Config
        The settings; grid, model and seed are used.

    Returns
    -------
    autoencoder : keras.Model
        ``flux (batch, n_pixels)`` to a dict of ``reconstruction`` (batch,
        n_pixels), ``z``, ``z_mean``, ``z_log_var`` and ``kl`` (batch, n_latent).
        Its layers "encoder" and "decoder" are models of their own.
    """
    n_pixels, seed = config.grid.n_pixels, config.training.seed
    with initial_weights(seed), use_precision(config.training.mixed_precision):
        encoder = build_encoder(config.model, n_pixels)
        decoder = build_decoder(config.model, n_pixels)
    bottleneck = GaussianBottleneck(seed, dtype="float32", name="bottleneck")

    flux = keras.Input((n_pixels,), name="flux")
    posterior = encoder(flux)
    z, kl = bottleneck((posterior["z_mean"], posterior["z_log_var"]))
    outputs = {"reconstruction": decoder(z), "z": z, "kl": kl, **posterior}
    return keras.Model(flux, outputs, name="autoencoder")


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """
    Make the initial weights of all that is built inside depend on the seed.

    Parameters
    ----------
    seed : int
        Another seed, other weights.

    Yields
    ------
    None
        Nothing.
    """
    # Keras seeds an initialiser without seed from Python's generator. Its own
    # set_random_seed would seed TensorFlow too, which then refuses a symbolic seed.
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def use_precision(mixed: bool) -> Iterator[None]:
    """
    Let the layers that are built inside multiply in bfloat16, or in float32.

    Parameters
    ----------
    mixed : bool
        Whether in bfloat16.

    Yields
    ------
    None
        Nothing.
    """
    # Where it matters layers ask for float32: bfloat16 cannot number the pixels.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _strided_encoder(
    flux: keras.KerasTensor, config: ModelConfig, padding: tuple[int, int]
) -> keras.KerasTensor:
    strided = config.strided
    x = Standardise(config.subtract_mean, dtype="float32", name="standardise")(flux)
    if any(padding):
        x = ops.pad(x, ((0, 0), padding))  # with zeros, as bad pixels are
    x = layers.Reshape((-1, 1), name="to_channels")(x)
    last = len(strided.channels)
    stages = zip(strided.channels, strided.kernels, strict=True)
    for i, (channels, kernel) in enumerate(stages, start=1):
        # Both ends are padded alike; "same" would pad a strided layer on one side.
        x = layers.ZeroPadding1D((kernel - 1) // 2, name=f"pad{i}")(x)
        stride = 1 if i == last else 2
        x = _convolution(x, channels, kernel, stride, name=f"conv{i}")
        x = layers.LeakyReLU(config.negative_slope, name=f"conv{i}_act")(x)
    # The paper flattens channel by channel.
    x = layers.Permute((2, 1), name="channel_major")(x)
    return layers.Flatten(name="flatten")(x)


def _convolution(
    x: keras.KerasTensor, channels: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    n_outputs = (x.shape[1] - kernel) // stride + 1
    fits = n_outputs % _FOLD == 0 and stride < kernel <= stride * (_FOLD + 1)
    # Only of one channel it is faster so, with the same weights.
    if x.shape[2] == 1 and fits:
        return FoldedConv1D(channels, kernel, stride, fold=_FOLD, name=name)(x)
    return layers.Conv1D(channels, kernel, stride, name=name)(x)


def _strided_decoder(
    z: keras.KerasTensor, config: ModelConfig, n_pixels: int
) -> keras.KerasTensor:
    channels = config.strided.channels
    n_positions = n_pixels // config.length_multiple
    x = layers.Dense(channels[-1] * n_positions, name="expand")(z)
    x = layers.Reshape((channels[-1], n_positions), name="unflatten")(x)
    x = layers.Permute((2, 1), name="position_major")(x)
    i = len(channels)
    x = layers.Conv1DTranspose(channels[-2], 3, padding="same", name=f"deconv{i}")(x)
    x = layers.LeakyReLU(config.negative_slope, name=f"deconv{i}_act")(x)
    # Mirror the encoder: stage i undoes convolution i, ending in one channel.
    for i, n_channels in reversed(list(enumerate((1, *channels[:-2]), start=1))):
        x = layers.Conv1DTranspose(n_channels, 4, 2, padding="same", name=f"deconv{i}")(
            x
        )
        x = layers.LeakyReLU(config.negative_slope, name=f"deconv{i}_act")(x)
    x = layers.Conv1D(1, 3, padding="same", name="predict")(x)
    x = layers.Reshape((n_pixels,), name="to_pixels")(x)
    return Destandardise(config.subtract_mean, dtype="float32", name="destandardise1")(
        x
    )


def _folded_encoder(
    flux: keras.KerasTensor, config: ModelConfig, padding: tuple[int, int]
) -> keras.KerasTensor:
    folded = config.folded
    x = Condense(
        config.subtract_mean,
        folded.encoder_binning,
        padding,
        dtype="float32",
        name="standardise",
    )(flux)
    x = layers.Reshape((-1, 1), name="to_channels")(x)
    stages = zip(folded.folds, folded.channels, folded.kernels, strict=True)
    for i, (fold, channels, kernel) in enumerate(stages, start=1):
        n_positions, n_channels = x.shape[1] // fold, x.shape[2] * fold
        x = layers.Reshape((n_positions, n_channels), name=f"fold{i}")(x)
        x = layers.Conv1D(channels, kernel, padding="same", name=f"conv{i}")(x)
        x = layers.LeakyReLU(config.negative_slope, name=f"conv{i}_act")(x)
    x = layers.Flatten(name="flatten")(x)
    hidden = _dense(x, folded.dense, config, "encode")
    # Trained dense layers pass on what the code holds already, and a factor that the
    # convolutions tell apart may find no way in.
    return layers.Concatenate(name="convolved_and_hidden")([x, hidden])


def _folded_decoder(
    z: keras.KerasTensor, config: ModelConfig, n_pixels: int
) -> keras.KerasTensor:
    folded = config.folded
    z = FromAxes(dtype="float32", name="from_axes")(z)
    activation = SmoothLeakyReLU if folded.smooth_decoder else layers.LeakyReLU
    hidden = _dense(z, folded.dense[::-1], config, "decode", activation)
    code = layers.Concatenate(name="code_and_hidden")([z, hidden])
    terms = []
    for i, n_basis in enumerate(folded.n_basis, start=1):
        x = layers.Dense(n_basis, name=f"weights{i}")(code)
        x = activation(config.negative_slope, name=f"weights{i}_act")(x)
        x = layers.Dense(n_pixels // folded.decoder_binning, name=f"basis{i}")(x)
        x = Destandardise(
            config.subtract_mean, dtype="float32", name=f"destandardise{i}"
        )(x)
        terms.append(_displace(x, z, folded, i))
    flux = functools.reduce(operator.add, terms)
    if folded.decoder_binning == 1:
        return flux
    return Unbin(folded.decoder_binning, dtype="float32", name="unbin")(flux)


def _displace(
    x: keras.KerasTensor, z: keras.KerasTensor, folded: FoldedConfig, i: int
) -> keras.KerasTensor:
    if folded.n_displacement == 0:
        return x
    # A sum of few spectra cannot follow lines that move by more than their width, and
    # a code would need many dimensions for one velocity. What moves them, how far and
    # in which direction, is learnt; it begins with next to nothing. Of the code itself
    # it is linear: what moves the lines lies along one straight line of it.
    coefficients = layers.Dense(
        folded.n_displacement,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1.0e-3),
        dtype="float32",
        name=f"displacement{i}",
    )(z)
    scale = folded.displacement_scale / folded.decoder_binning
    layer = Displace(scale, folded.spline_order, dtype="float32", name=f"displace{i}")
    return layer((x, coefficients))


def _dense(
    x: keras.KerasTensor,
    n_units: tuple[int, ...],
    config: ModelConfig,
    name: str,
    activation: type[keras.layers.Layer] = layers.LeakyReLU,
) -> keras.KerasTensor:
    for i, units in enumerate(n_units, start=1):
        x = layers.Dense(units, name=f"{name}_dense{i}")(x)
        x = activation(config.negative_slope, name=f"{name}_dense{i}_act")(x)
    return x


def _compress(x: keras.KerasTensor) -> keras.KerasTensor:
    """Leave small values as they are, and take the logarithm of large ones."""
    return _SOFT_LIMIT * ops.arcsinh(x / _SOFT_LIMIT)


def set_flux_scale(
    autoencoder: keras.Model,
    config: ModelConfig,
    mean: NDArray[np.float32],
    scale: float,
) -> None:
    """
    Give a network the spectrum and the unit that it works in.

    Parameters
    ----------
    autoencoder : keras.Model
        As `build_autoencoder` builds it, with ``subtract_mean``.
    config : ModelConfig
        Its architecture.
    mean : ndarray of float32, shape (n_pixels,)
        Normalised flux that it works relative to.
    scale : float
        Unit of the difference, in normalised flux.
    """
    standardise = autoencoder.get_layer("encoder").get_layer("standardise")
    standardise.reference.assign(mean)
    standardise.scale.assign(scale)
    padded = np.pad(mean, config.padding(mean.size), mode="edge")
    for layer in autoencoder.get_layer("decoder").layers:
        if isinstance(layer, Destandardise):
            layer.scale.assign(scale)
            # The mean spectrum's lines move with those of the first sum.
            if layer.name == "destandardise1":
                binned = padded.reshape(layer.reference.shape[0], -1).mean(axis=1)
                layer.reference.assign(binned)


def save_autoencoder(autoencoder: keras.Model, run: Run) -> None:
    """
    Save the best model of a run.

    Parameters
    ----------
    autoencoder : keras.Model
        From `build_autoencoder`.
    run : Run
        The run; its model is replaced if there is one.
    """
    with partial_path(run.model_path) as partial:
        # In a folder, for Keras wants its own ending.
        partial.mkdir()
        autoencoder.save(partial / run.model_path.name)
        put_in_place(partial / run.model_path.name, run.model_path)


def load_autoencoder(run: Run) -> keras.Model:
    """
    Load the best model of a run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    autoencoder : keras.Model
        As `build_autoencoder` builds it, trained.

    Raises
    ------
    RunError
        If no model has been saved yet, or the file is damaged.
    """
    path = run.find_model()
    try:
        return keras.models.load_model(path, compile=False)
    # Whatever Keras stumbles over: it reads JSON and HDF5 without checks.
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise run.refuse_model(error) from None
