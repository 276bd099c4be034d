"""From latents back to spectra: what the report and its traversals show."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches.dataset import build_evaluation_dataset
from stellar_tf.batches.normalisation import crop_flux
from stellar_tf.network.model import load_autoencoder
from stellar_tf.run import Run
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.split import Split

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From z, (m, n_latent), to normalised flux on the grid, (m, n_pixels)."""


class Examples(NamedTuple):
    """Some spectra beside their reconstructions."""

    names: tuple[str, ...]
    """Target and identifier of each."""
    flux: NDArray[np.float32]
    """Normalised, NaN at bad pixels, shape (n, n_pixels)."""
    reconstruction: NDArray[np.float32]
    """Decoded from the posterior's mean, shape (n, n_pixels)."""


def build_decode(run: Run) -> Decode:
    """
    Load the decoder of a run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    decode : callable
        From z, float32 (m, n_latent), to normalised flux, float32 (m, n_pixels).
    """
    grid = run.read_config().grid
    decoder = load_autoencoder(run).get_layer("decoder")

    def decode(z: NDArray[np.float32]) -> NDArray[np.float32]:
        flux = decoder(tf.constant(z, tf.float32), training=False)
        return np.asarray(crop_flux(flux, grid))

    return decode


def reconstruct_examples(run: Run, manifest: Manifest, n_examples: int) -> Examples:
    """
    Reconstruct the first spectra of a split that training has not seen.

    Parameters
    ----------
    run : Run
        The run.
    manifest : Manifest
        Records on the run's grid.
    n_examples : int
        Spectra wanted.

    Returns
    -------
    examples : Examples
        As many as the split has, at most `n_examples`.
    """
    config = run.read_config()
    split: Split = "test" if manifest.n_spectra("test") else "validation"
    batches = build_evaluation_dataset(
        manifest, split, config.dataset, batch_size=n_examples, with_metadata=True
    )
    batch = next(iter(batches))
    outputs = load_autoencoder(run)(batch["flux"], training=False)
    names = [
        f"{target.decode()} ({dp_id.decode()})"
        for target, dp_id in zip(
            batch["target"].numpy(), batch["dp_id"].numpy(), strict=True
        )
    ]
    return Examples(
        tuple(names),
        np.asarray(crop_flux(batch["flux"], config.grid)),
        np.asarray(crop_flux(outputs["reconstruction"], config.grid)),
    )
