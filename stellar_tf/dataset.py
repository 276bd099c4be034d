"""Batches of normalised spectra from a folder of records, with `tf.data`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.config import DatasetConfig
from stellar_tf.normalisation import normalise_flux
from tfrecords_tools.errors import UserError
from tfrecords_tools.manifest import Manifest
from tfrecords_tools.salvage import find_corrupt
from tfrecords_tools.split import Split

# Splits are not shuffled while they are evaluated or encoded, so that the order of
# the results is the order of the records.


class EmptySplitError(UserError):
    """A split that is needed has no spectra."""


class CorruptRecordsError(UserError):
    """A record does not fit its CRCs; the message names the shard and the record."""


@contextmanager
def name_corrupt_records(manifest: Manifest, advice: str) -> Iterator[None]:
    """
    Say which record it is when TensorFlow meets a corrupt one.

    Parameters
    ----------
    manifest : Manifest
        The data set that is read inside.
    advice : str
        What to do about it.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    CorruptRecordsError
        If a record is corrupt.
    """
    try:
        yield
    except tf.errors.DataLossError as error:
        # TensorFlow tells neither the file nor the record.
        first = next(find_corrupt(manifest), error)
        raise CorruptRecordsError(f"{first}; {advice}") from None


def build_training_dataset(
    manifest: Manifest,
    config: DatasetConfig,
    *,
    batch_size: int,
    seed: int,
    first_spectrum: int = 0,
) -> tf.data.Dataset:
    """
    Stream the training split for ever, in another order each pass.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    config : DatasetConfig
        Normalisation and reading.
    batch_size : int
        Spectra a batch, over all replicas.
    seed : int
        Decides the order of every pass.
    first_spectrum : int, default 0
        Position in the stream to start from: batches times batch size of what an
        interrupted run has seen.

    Returns
    -------
    dataset : tf.data.Dataset
        Infinite; elements are float32 (batch_size, padded_length), NaN at bad
        pixels.

    Raises
    ------
    EmptySplitError
        If the training split has no spectra.
    """
    n_spectra = _count(manifest, "train")
    first_pass, offset = divmod(first_spectrum, n_spectra)

    def read_pass(number: tf.Tensor) -> tf.data.Dataset:
        # Both shuffles depend on nothing but the seed and the number of the pass,
        # so that a stream can be entered anywhere.
        key = seed * 1_000_003 + number
        records = _read_records(manifest, "train", config, shuffle_seed=key)
        return records.shuffle(config.shuffle_buffer, seed=key)

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    records = passes.flat_map(read_pass).skip(offset)
    batches = records.batch(batch_size, drop_remainder=True)
    batches = batches.apply(
        tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    )
    parse = _FluxParser(manifest, config)
    return batches.map(
        lambda records: parse(records)["flux"], num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)


def build_evaluation_dataset(
    manifest: Manifest,
    split: Split,
    config: DatasetConfig,
    *,
    batch_size: int,
    with_metadata: bool = False,
) -> tf.data.Dataset:
    """
    Read a split once, in the order of its records.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.
    config : DatasetConfig
        Normalisation and reading.
    batch_size : int
        Spectra a batch; the last batch may be smaller.
    with_metadata : bool, default False
        Whether to keep every feature of the records.

    Returns
    -------
    dataset : tf.data.Dataset
        Of known cardinality. Elements are dicts with ``flux``, float32 (batch,
        padded_length) with NaN at bad pixels, and the metadata, (batch,) each.

    Raises
    ------
    EmptySplitError
        If the split has no spectra.
    """
    n_batches = -(-_count(manifest, split) // batch_size)
    parse = _FluxParser(manifest, config, with_metadata=with_metadata)
    return (
        _read_records(manifest, split, config)
        .batch(batch_size)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def mean_spectrum(
    manifest: Manifest, config: DatasetConfig, *, max_spectra: int, batch_size: int
) -> NDArray[np.float32]:
    """
    Average the first spectra of the training split.

    Records stand in the order of a hash, so that the first ones are a random sample.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    config : DatasetConfig
        Normalisation and reading.
    max_spectra : int
        Spectra to average at most, rounded up to whole batches.
    batch_size : int
        Spectra read at a time.

    Returns
    -------
    mean : ndarray of float32, shape (padded_length,)
        Mean normalised flux over the valid values of each pixel. Where no spectrum
        is valid it is interpolated, since the decoder may displace it.
    """
    total = np.zeros(manifest.grid.padded_length)
    n_valid = np.zeros(manifest.grid.padded_length)
    batches = build_evaluation_dataset(manifest, "train", config, batch_size=batch_size)
    for batch in batches.take(-(-max_spectra // batch_size)):
        flux = batch["flux"].numpy()
        total += np.nansum(flux, axis=0)
        n_valid += np.isfinite(flux).sum(axis=0)
    pixel, known = np.arange(total.size), np.flatnonzero(n_valid)
    mean = np.interp(pixel, known, total[known] / n_valid[known])
    return mean.astype(np.float32)


class _FluxParser:
    """Parses a batch of serialised records and normalises their flux."""

    def __init__(
        self, manifest: Manifest, config: DatasetConfig, with_metadata: bool = False
    ) -> None:
        self._grid = manifest.grid
        self._kind = config.normalise
        self._stored_dtype = tf.as_dtype(manifest.record_schema.flux_dtype)
        self._spec: dict[str, Any] = {
            "flux": tf.io.FixedLenFeature((), tf.string),
            "flux_scale": tf.io.FixedLenFeature((), tf.float32),
            "median_flux": tf.io.FixedLenFeature((), tf.float32),
        }
        if with_metadata:
            for feature in manifest.record_schema.features:
                dtype = tf.string if feature.kind != "float" else tf.float32
                self._spec[feature.name] = tf.io.FixedLenFeature((), dtype)

    def __call__(self, records: tf.Tensor) -> dict[str, tf.Tensor]:
        features: dict[str, tf.Tensor] = tf.io.parse_example(records, self._spec)
        flux = tf.io.decode_raw(
            features["flux"], self._stored_dtype, little_endian=True
        )
        flux = tf.ensure_shape(flux, (None, self._grid.n_pixels))
        if self._stored_dtype != tf.float32:
            flux = tf.cast(flux, tf.float32) * features["flux_scale"][:, tf.newaxis]
        features["flux"] = normalise_flux(
            flux, self._grid, self._kind, features["median_flux"]
        ).flux
        return features


def _read_records(
    manifest: Manifest,
    split: Split,
    config: DatasetConfig,
    shuffle_seed: tf.Tensor | None = None,
) -> tf.data.Dataset:
    paths = [str(path) for path in manifest.shard_paths(split)]
    shards = tf.data.Dataset.from_tensor_slices(paths)
    if shuffle_seed is None:
        return tf.data.TFRecordDataset(shards)
    return shards.shuffle(len(paths), seed=shuffle_seed).interleave(
        tf.data.TFRecordDataset,
        cycle_length=config.n_parallel_reads,
        num_parallel_calls=config.n_parallel_reads,
        deterministic=True,
    )


def _count(manifest: Manifest, split: Split) -> int:
    n_spectra = manifest.n_spectra(split)
    if n_spectra == 0:
        raise EmptySplitError(
            f"{manifest.folder}: the {split} split has no spectra; convert more "
            f"stars or change convert.split"
        )
    return n_spectra
