"""The encoder and the decoder of a run, ready to answer at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches.normalisation import crop_flux, normalise_flux
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run


class Encoded(NamedTuple):
    """A spectrum as the network sees it, and its code."""

    flux: NDArray[np.float32]
    """Normalised, NaN at bad pixels, shape (n_pixels,)."""
    z_mean: NDArray[np.float32]
    """Posterior mean, shape (n_latent,)."""


class Network:
    """
    The best model of a run, compiled.

    Parameters
    ----------
    run : Run
        The run.
    """

    def __init__(self, run: Run) -> None:
        config = run.read_config()
        self._grid, self._normalise = config.grid, config.dataset.normalise
        model = load_autoencoder(run)
        encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")

        # Eager calls of the layers take several times as long.
        self._encode = tf.function(
            lambda flux: encoder(flux, training=False)["z_mean"],
            input_signature=[_one(encoder.input_shape[-1])],
        )
        self._decode = tf.function(
            lambda z: crop_flux(decoder(z, training=False), self._grid),
            input_signature=[_one(decoder.input_shape[-1])],
        )

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelengths of the pixels, shape (n_pixels,) [Angstrom]."""
        return self._grid.wave

    def normalise(self, flux: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Divide a spectrum by its median or continuum as training did.

        Parameters
        ----------
        flux : ndarray of float32, shape (n_pixels,)
            On the grid, NaN at bad pixels.

        Returns
        -------
        normalised : ndarray of float32, shape (n_pixels,)
            NaN at bad pixels, and everywhere if the median is not positive.
        """
        return self._crop(self._normalise_padded(flux))

    def encode(self, flux: NDArray[np.float32]) -> Encoded:
        """
        Encode a spectrum.

        Parameters
        ----------
        flux : ndarray of float32, shape (n_pixels,)
            On the grid, not normalised, NaN at bad pixels.

        Returns
        -------
        encoded : Encoded
            Its normalised flux and its code.
        """
        padded = self._normalise_padded(flux)
        z_mean = np.asarray(self._encode(padded), np.float32)[0]
        return Encoded(self._crop(padded), z_mean)

    def decode(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Decode a code.

        Parameters
        ----------
        z : ndarray of float32, shape (n_latent,)
            Its place in the latent space.

        Returns
        -------
        flux : ndarray of float32, shape (n_pixels,)
            Normalised.
        """
        batch = self._decode(z[np.newaxis])
        return np.asarray(np.asarray(batch)[0], np.float32)

    def _crop(self, padded: tf.Tensor) -> NDArray[np.float32]:
        batch = crop_flux(padded, self._grid)
        return np.asarray(np.asarray(batch)[0], np.float32)

    def _normalise_padded(self, flux: NDArray[np.float32]) -> tf.Tensor:
        batch = tf.constant(flux[np.newaxis], tf.float32)
        return normalise_flux(batch, self._grid, self._normalise).flux


def _one(length: int) -> tf.TensorSpec:
    return tf.TensorSpec((1, length), tf.float32)
