"""The encoder with a head that predicts labels, as a Keras functional model."""

from __future__ import annotations

import keras
from keras import layers

from stellar_tf.config import Config
from stellar_tf.network.model import build_encoder, initial_weights, use_precision


def build_regressor(
    config: Config, n_labels: int, seed: int, standardise: keras.layers.Layer
) -> keras.Model:
    """
    Put a linear head for labels in the place of the encoder's head for codes.

    Parameters
    ----------
    config : Config
        The settings; grid, model and precision are used.
    n_labels : int
        Outputs.
    seed : int
        Of the initial weights.
    standardise : keras.layers.Layer
        The layer ``standardise`` of a trained encoder: spectrum and unit that the
        network works in, which come from spectra alone.

    Returns
    -------
    regressor : keras.Model
        ``flux (batch, n_pixels)``, NaN at bad pixels, to (batch, n_labels), untrained.
    """
    with initial_weights(seed), use_precision(config.training.mixed_precision):
        encoder = build_encoder(config.model, config.grid.n_pixels)
        head = layers.Dense(n_labels, dtype="float32", name="labels")
        labels = head(encoder.get_layer("z_mean").input)
    encoder.get_layer("standardise").set_weights(standardise.get_weights())
    return keras.Model(encoder.input, labels, name="regressor")
