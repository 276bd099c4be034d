"""A network trained with labels, from nothing: what the codes are compared with."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.config import Config
from stellar_tf.network.regressor import build_regressor

LEARNING_RATE = 3.0e-3
BATCH_SIZE = 32
VALIDATION_SHARE = 0.2
"""Of the labelled stars, which say when to stop."""
STEPS_PER_CHECK = 25
"""Batches, at least, between two looks at these."""
PATIENCE = 10
"""Looks without an improvement after which training stops."""
MAX_CHECKS = 100


def predict_supervised(
    config: Config,
    standardise: keras.layers.Layer,
    flux: NDArray[np.float32],
    values: NDArray[np.float64],
    others: NDArray[np.float32],
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """
    Train a network of the run's encoder on labelled spectra, and apply it.

    Parameters
    ----------
    config : Config
        Settings of the run.
    standardise : keras.layers.Layer
        As of `build_regressor`.
    flux : ndarray of float32, shape (n_labelled, n_pixels)
        Normalised, NaN at bad pixels; in random order, for the first
        `VALIDATION_SHARE` of them are those that say when to stop.
    values : ndarray of float, shape (n_labelled, n_labels)
        Their labels, all known.
    others : ndarray of float32, shape (n, n_pixels)
        Spectra whose labels are to be predicted.
    seed : int, default 0
        Of initial weights and batches.

    Returns
    -------
    predicted : ndarray of float, shape (n, n_labels)
        Their labels.

    Notes
    -----
    Adam (learning rate `LEARNING_RATE`, batches of `BATCH_SIZE`) on the squared error
    of the standardised labels, all labels at once. The weights of the least error of
    the stars set aside are taken.
    """
    n_checked = max(1, round(VALIDATION_SHARE * len(flux)))
    mean, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
    targets = ((values - mean) / scale).astype(np.float32)
    regressor = build_regressor(config, values.shape[1], seed, standardise)
    regressor.compile(keras.optimizers.Adam(LEARNING_RATE), "mse")
    fitted = tf.data.Dataset.from_tensor_slices((flux[n_checked:], targets[n_checked:]))
    n_fitted = len(fitted)
    batches = fitted.shuffle(n_fitted, seed=seed).repeat().batch(BATCH_SIZE)
    regressor.fit(
        batches,
        steps_per_epoch=max(STEPS_PER_CHECK, -(-n_fitted // BATCH_SIZE)),
        epochs=MAX_CHECKS,
        validation_data=(flux[:n_checked], targets[:n_checked]),
        callbacks=[
            keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        ],
        shuffle=False,  # they are shuffled
        verbose=0,
    )
    predicted = regressor.predict(others, batch_size=BATCH_SIZE, verbose=0)
    labels: NDArray[np.float64] = np.asarray(predicted, np.float64) * scale + mean
    return labels
