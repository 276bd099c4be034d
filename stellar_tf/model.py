"""The encoder, the decoder and the autoencoder, as Keras functional models."""

from __future__ import annotations

import math

import keras
from keras import layers

from stellar_tf.config import Config, FoldedConfig, ModelConfig
from stellar_tf.layers import (
    Destandardise,
    GaussianBottleneck,
    QuadraticFeatures,
    Standardise,
)


def build_encoder(config: ModelConfig, n_pixels: int) -> keras.Model:
    """
    Build the network from normalised flux to the posterior's parameters.

    Parameters
    ----------
    config : ModelConfig
        The architecture.
    n_pixels : int
        Length of the padded spectrum, a multiple of ``config.length_multiple``.

    Returns
    -------
    encoder : keras.Model
        ``flux (batch, n_pixels)``, NaN at bad pixels, to ``z_mean`` and
        ``z_log_var``, (batch, n_latent) both.

    Raises
    ------
    ValueError
        If the length does not fit the architecture.
    """
    _check_length(config, n_pixels)
    flux = keras.Input((n_pixels,), name="flux")
    x = Standardise(_scale(config), name="standardise")(flux)
    if config.architecture == "strided":
        x = _strided_encoder(x, config)
    else:
        x = _folded_encoder(x, config)
    z_mean = layers.Dense(config.n_latent, name="z_mean")(x)
    z_log_var = layers.Dense(config.n_latent, name="z_log_var")(x)
    return keras.Model(flux, {"z_mean": z_mean, "z_log_var": z_log_var}, name="encoder")


def build_decoder(config: ModelConfig, n_pixels: int) -> keras.Model:
    """
    Build the network from the latent code to normalised flux.

    Parameters
    ----------
    config : ModelConfig
        The architecture.
    n_pixels : int
        Length of the padded spectrum, a multiple of ``config.length_multiple``.

    Returns
    -------
    decoder : keras.Model
        ``z (batch, n_latent)`` to ``flux (batch, n_pixels)``.

    Raises
    ------
    ValueError
        If the length does not fit the architecture.
    """
    _check_length(config, n_pixels)
    z = keras.Input((config.n_latent,), name="z")
    if config.architecture == "strided":
        x = _strided_decoder(z, config, n_pixels)
    else:
        x = _folded_decoder(z, config, n_pixels)
    flux = Destandardise(_scale(config), name="destandardise")(x)
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
        ``flux (batch, padded_length)`` to a dict of ``reconstruction`` (batch,
        padded_length), ``z_mean``, ``z_log_var`` and ``kl`` (batch, n_latent).
        Its layers "encoder" and "decoder" are models of their own.
    """
    n_pixels = config.grid.padded_length
    encoder = build_encoder(config.model, n_pixels)
    bottleneck = GaussianBottleneck(config.training.seed, name="bottleneck")
    decoder = build_decoder(config.model, n_pixels)

    flux = keras.Input((n_pixels,), name="flux")
    posterior = encoder(flux)
    z, kl = bottleneck((posterior["z_mean"], posterior["z_log_var"]))
    outputs = {"reconstruction": decoder(z), "kl": kl, **posterior}
    return keras.Model(flux, outputs, name="autoencoder")


def _strided_encoder(x: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    strided = config.strided
    x = layers.Reshape((-1, 1), name="to_channels")(x)
    last = len(strided.channels)
    stages = zip(strided.channels, strided.kernels, strict=True)
    for i, (channels, kernel) in enumerate(stages, start=1):
        # Both ends are padded alike; "same" would pad a strided layer on one side.
        x = layers.ZeroPadding1D((kernel - 1) // 2, name=f"pad{i}")(x)
        stride = 1 if i == last else 2
        x = layers.Conv1D(channels, kernel, stride, name=f"conv{i}")(x)
        x = layers.LeakyReLU(config.negative_slope, name=f"conv{i}_act")(x)
    # The paper flattens channel by channel.
    x = layers.Permute((2, 1), name="channel_major")(x)
    return layers.Flatten(name="flatten")(x)


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
    return layers.Reshape((n_pixels,), name="to_pixels")(x)


def _folded_encoder(x: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    folded = config.folded
    x = layers.Reshape((-1, 1), name="to_channels")(x)
    stages = zip(folded.folds, folded.channels, strict=True)
    for i, (fold, channels) in enumerate(stages, start=1):
        n_positions, n_channels = x.shape[1] // fold, x.shape[2] * fold
        x = layers.Reshape((n_positions, n_channels), name=f"fold{i}")(x)
        x = _convolve(x, channels, config, f"encode{i}")
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate(folded.dense, start=1):
        x = layers.Dense(units, name=f"encode_dense{i}")(x)
        x = layers.LeakyReLU(config.negative_slope, name=f"encode_dense{i}_act")(x)
    return x


def _folded_decoder(
    z: keras.KerasTensor, config: ModelConfig, n_pixels: int
) -> keras.KerasTensor:
    folded = config.folded
    n_positions = n_pixels // math.prod(folded.folds)
    # A line that moves is far from linear in its velocity: these layers give the
    # convolutions a basis of functions of the code, so that one dimension can do.
    x = QuadraticFeatures(name="products")(z)
    for i, units in enumerate(reversed(folded.dense), start=1):
        x = layers.Dense(units, name=f"decode_dense{i}")(x)
        x = layers.LeakyReLU(config.negative_slope, name=f"decode_dense{i}_act")(x)
    hidden = x
    x = layers.Dense(n_positions * folded.channels[-1], name="expand")(hidden)
    x = layers.Reshape((n_positions, folded.channels[-1]), name="unflatten")(x)
    for i in range(len(folded.folds), 0, -1):
        fold = folded.folds[i - 1]
        x = _convolve(x, folded.channels[i - 1], config, f"decode{i}")
        n_channels = fold * (folded.channels[i - 2] if i > 1 else 1)
        x = layers.Conv1D(n_channels, 1, name=f"spread{i}")(x)
        n_positions = x.shape[1] * fold
        x = layers.Reshape((n_positions, n_channels // fold), name=f"unfold{i}")(x)
    x = layers.Reshape((n_pixels,), name="to_pixels")(x)
    if folded.n_basis == 0:
        return x
    # Convolutions share their weights among all wavelengths, lines do not: each
    # pixel's own coefficients of a few functions of the code save them that detour.
    weights = layers.Dense(folded.n_basis, name="basis_weights")(hidden)
    weights = layers.LeakyReLU(config.negative_slope, name="basis_weights_act")(weights)
    basis = layers.Dense(n_pixels, use_bias=False, name="basis")(weights)
    return layers.Add(name="sum")([x, basis])


def _convolve(
    x: keras.KerasTensor, channels: int, config: ModelConfig, name: str
) -> keras.KerasTensor:
    folded: FoldedConfig = config.folded
    for j in range(1, folded.n_convolutions + 1):
        x = layers.Conv1D(
            channels, folded.kernel, padding="same", name=f"{name}_conv{j}"
        )(x)
        x = layers.LeakyReLU(config.negative_slope, name=f"{name}_act{j}")(x)
    return x


def _scale(config: ModelConfig) -> float | None:
    return config.residual_scale if config.subtract_mean else None


def _check_length(config: ModelConfig, n_pixels: int) -> None:
    multiple = config.length_multiple
    if n_pixels < 1 or n_pixels % multiple:
        raise ValueError(
            f"n_pixels must be a multiple of {multiple} for this network, "
            f"got {n_pixels}"
        )
