"""Batches of normalised spectra from a folder of records, with `tf.data`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches import sampling
from stellar_tf.batches.augmentation import add_noise, shift_velocity
from stellar_tf.batches.continuum import flatten
from stellar_tf.batches.normalisation import (
    crop_flux,
    normalise_flux,
    normalise_padded,
    pad_flux,
)
from stellar_tf.batches.sampling import Sampler, balance
from stellar_tf.config import DatasetConfig
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.record_table import RecordPlace, RecordTable
from tfrecords_tools.records.salvage import find_corrupt
from tfrecords_tools.split import Split


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


class TrainingStream:
    """
    The training split for ever, in another order each pass.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    config : DatasetConfig
        Normalisation, sampling and augmentation.
    batch_size : int
        Spectra a batch, over all replicas.
    seed : int
        Decides the order of every pass and the augmentation.

    Raises
    ------
    EmptySplitError
        If the training split has no spectra.
    RecordError
        If an index of its shards is missing or damaged.

    Notes
    -----
    What stands at each place, and what is done to it, depends on the seed and the
    place alone: a stream can be entered anywhere, and any number of workers take
    the same batches. Only the spectra of the next batches are in memory.
    """

    def __init__(
        self, manifest: Manifest, config: DatasetConfig, *, batch_size: int, seed: int
    ) -> None:
        _count(manifest, "train")
        self._manifest, self._config = manifest, config
        self._batch_size, self._seed = batch_size, seed
        self._table = RecordTable(manifest, "train")
        weights = balance(self._table.stars()) if config.balance_stars else None
        self._sampler = Sampler(len(self._table), seed, weights)
        self.failure: UserError | None = None
        """Why a spectrum could not be read."""

    def build(
        self,
        first_step: int = 0,
        context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """
        Build the batches of one worker.

        Parameters
        ----------
        first_step : int, default 0
            Batches an interrupted run has seen.
        context : tf.distribute.InputContext, optional
            Which worker; by default all of the batch is read.

        Returns
        -------
        dataset : tf.data.Dataset
            Infinite; elements are float32 (spectra of a replica, padded_length), NaN
            at bad pixels. The replicas' elements follow each other.
        """
        n_replicas = context.num_replicas_in_sync if context else 1
        n_workers = context.num_input_pipelines if context else 1
        worker = context.input_pipeline_id if context else 0
        n_here = n_replicas // n_workers
        size = self._batch_size // n_replicas

        def parts(step: tf.Tensor) -> tf.data.Dataset:
            first = step * self._batch_size + worker * n_here * size
            return tf.data.Dataset.range(n_here).map(lambda i: first + i * size)

        return (
            tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
            .flat_map(parts)
            .apply(
                tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            )
            .map(
                partial(self._load, size=size),
                self._config.n_parallel_reads,
                deterministic=True,
            )
            .prefetch(tf.data.AUTOTUNE)
        )

    def places_of(self, step: int) -> list[RecordPlace]:
        """
        List the records of a batch.

        Parameters
        ----------
        step : int
            Batches before it.

        Returns
        -------
        places : list of RecordPlace
            In the order of the batch.
        """
        first = step * self._batch_size
        numbers = (self._sampler.record_at(first + i) for i in range(self._batch_size))
        return [self._table.place(number) for number in numbers]

    def _load(self, first: tf.Tensor, size: int) -> tf.Tensor:
        """Read the spectra at some places in a row."""
        flux = tf.numpy_function(
            partial(self._read, size=size), [first], tf.float32, stateful=False
        )
        flux = tf.ensure_shape(flux, (size, self._manifest.grid.padded_length))
        if self._config.normalise == "paper":
            return normalise_padded(flux, "paper")[0]
        if self._config.normalise == "continuum":
            grid = self._manifest.grid
            return pad_flux(flatten(crop_flux(flux, grid), grid)[0], grid)
        return flux

    def _read(self, first: np.int64, size: int) -> NDArray[np.float32]:
        grid, schema = self._manifest.grid, self._manifest.record_schema
        padded = np.empty((size, grid.padded_length), np.float32)
        inside = slice(grid.pad_left, grid.pad_left + grid.n_pixels)
        padded[:, : inside.start] = padded[:, inside.stop :] = np.nan
        try:
            for i in range(size):
                place = int(first) + i
                record = self._table.read(self._sampler.record_at(place))
                flux, values = schema.decode(record, ("median_flux",))
                median = np.float32(values["median_flux"])
                flux = self._augment(flux, float(median), place)
                # Divided on the way into the batch: no further pass over memory.
                np.divide(flux, self._unit(median), out=padded[i, inside])
        except UserError as error:  # which TensorFlow would bury in its own
            self.failure = error
            raise
        return padded

    def _unit(self, median: np.float32) -> np.float32:
        """Return what the flux is divided by; NaN marks all of it as bad."""
        if self._config.normalise == "paper":  # by a median over the padding, too
            return np.float32(1.0)
        return median if median > 0.0 else np.float32(np.nan)

    def _augment(
        self, flux: NDArray[np.float32], median: float, place: int
    ) -> NDArray[np.float32]:
        largest, noise = self._config.max_velocity_shift, self._config.noise
        rng = np.random.Generator(np.random.Philox(key=(self._seed, place)))
        if largest > 0.0:
            velocity = rng.uniform(-largest, largest)
            flux = shift_velocity(flux, self._manifest.grid, velocity)
        if noise > 0.0:
            flux = add_noise(flux, noise * abs(median), rng)
        return flux


def build_evaluation_dataset(
    manifest: Manifest,
    split: Split,
    config: DatasetConfig,
    *,
    batch_size: int,
    with_metadata: bool = False,
    one_per_star: bool = False,
) -> tf.data.Dataset:
    """
    Read a split once, in the order of its records, which is that of the results.

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
    one_per_star : bool, default False
        Whether to take one spectrum of each star, always the same.

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
    n_spectra = _count(manifest, split)
    records = _read_records(manifest, split)
    if one_per_star:
        stars = RecordTable(manifest, split).stars()
        chosen = sampling.one_per_star(stars, seed=0)
        records, n_spectra = _keep(records, chosen), int(chosen.sum())
    n_batches = -(-n_spectra // batch_size)
    read = _Parser(manifest, with_metadata=with_metadata)

    def parse(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
        features = read(serialised)
        features["flux"] = normalise_flux(
            features["flux"], manifest.grid, config.normalise, features["median_flux"]
        ).flux
        return features

    return (
        records.batch(batch_size)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


class _Parser:
    """Parses a batch of serialised records; the flux is raw."""

    def __init__(self, manifest: Manifest, with_metadata: bool = False) -> None:
        self._n_pixels = manifest.grid.n_pixels
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
        flux = tf.ensure_shape(flux, (None, self._n_pixels))
        if self._stored_dtype != tf.float32:
            flux = tf.cast(flux, tf.float32) * features["flux_scale"][:, tf.newaxis]
        features["flux"] = flux
        return features


def _read_records(manifest: Manifest, split: Split) -> tf.data.Dataset:
    paths = [str(path) for path in manifest.shard_paths(split)]
    return tf.data.TFRecordDataset(tf.data.Dataset.from_tensor_slices(paths))


def _keep(records: tf.data.Dataset, chosen: NDArray[np.bool_]) -> tf.data.Dataset:
    is_chosen = tf.constant(chosen)
    kept = records.enumerate().filter(lambda number, _: is_chosen[number])
    return kept.map(lambda _, record: record)


def _count(manifest: Manifest, split: Split) -> int:
    n_spectra = manifest.n_spectra(split)
    if n_spectra == 0:
        raise EmptySplitError(
            f"{manifest.folder}: the {split} split has no spectra; convert more "
            f"stars or change convert.split"
        )
    return n_spectra
