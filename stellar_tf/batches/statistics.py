"""What the training set is like: its mean spectrum, and how far others are from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches.dataset import build_evaluation_dataset
from stellar_tf.config import Config
from tfrecords_tools.records.manifest import Manifest

N_SPECTRA = 4_096
"""Training spectra that are averaged at most: the mean's error is then 1/64 of the
spread between stars."""
_LARGEST = 10.0
"""Normalised flux counts as no more than this: a cosmic ray may be any number."""


class FluxStatistics(NamedTuple):
    """Of the normalised flux of the training set."""

    mean: NDArray[np.float32]
    """Shape (n_pixels,). Where no spectrum is valid it is interpolated, since the
    decoder may displace it."""
    scale: float
    """Mean absolute deviation from it at the median pixel; 1 if there is none."""


def measure_flux(
    manifest: Manifest,
    config: Config,
    *,
    max_spectra: int = N_SPECTRA,
) -> FluxStatistics:
    """
    Measure the first spectra of the training split.

    Records stand in the order of a hash, so that the first ones are a random sample.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    config : Config
        Normalisation, and spectra read at a time.
    max_spectra : int
        Spectra to read at most, rounded up to whole batches.

    Returns
    -------
    statistics : FluxStatistics
        Over the valid values of each pixel.
    """
    batch_size = config.training.batch_size
    batches = build_evaluation_dataset(manifest, "train", config, batch_size=batch_size)
    batches = batches.take(-(-max_spectra // batch_size))
    average = _average(batches, None)
    pixel, known = np.arange(average.size), np.flatnonzero(np.isfinite(average))
    mean = np.interp(pixel, known, average[known]).astype(np.float32)
    scale = float(np.nanmedian(_average(batches, mean)))
    return FluxStatistics(mean, scale if scale > 0.0 else 1.0)


def _average(
    batches: tf.data.Dataset, mean: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Average each pixel, or its absolute deviation from a mean; NaN without values."""
    total = n_valid = np.zeros(1)
    for batch in batches:
        values = np.clip(batch["flux"].numpy(), -_LARGEST, _LARGEST)
        if mean is not None:
            values = np.abs(values - mean)
        total = total + np.nansum(values, axis=0, dtype=np.float64)
        n_valid = n_valid + np.isfinite(values).sum(axis=0)
    average: NDArray[np.float64] = total / np.where(n_valid > 0.0, n_valid, np.nan)
    return average
