"""Batches of normalised spectra from a folder of records, with `tf.data`."""

from __future__ import annotations

from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.autograph.experimental import do_not_convert

from stellar_tf.batches import sampling
from stellar_tf.batches.augmentation import add_noise, shift_velocity
from stellar_tf.batches.reading import Pair, SplitReader, call
from stellar_tf.batches.sampling import Sampler, VisitSampler, balanced_weights
from stellar_tf.config import Config
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.record_table import RecordLocation
from tfrecords_tools.split import Split


class TrainingStream:
    """
    The training split for ever, in another order each pass.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    config : Config
        Normalisation, sampling, augmentation, batches of all replicas together, and
        the seed, which decides the order of every pass and the augmentation.

    Raises
    ------
    EmptySplitError
        If the training split has no spectra.
    RecordError
        If an index of its shards is missing or damaged.

    Notes
    -----
    The record at each position, and what is done to it, depend on the seed and the
    position alone: reading can start anywhere, and any number of workers take
    the same batches. Only the spectra of the next batches are in memory.
    """

    def __init__(self, manifest: Manifest, config: Config) -> None:
        self._reader = SplitReader(manifest, "train", config)
        self._grid, self._config = manifest.grid, config.dataset
        training, table = config.training, self._reader.table
        self._batch_size, self._seed = training.batch_size, training.seed
        in_pairs, balance = config.objective.visits > 0, self._config.balance_stars
        stars = table.stars() if balance or in_pairs else []
        weights = balanced_weights(stars) if balance else None
        self._pairs = VisitSampler(stars, self._seed, weights) if in_pairs else None
        self._sampler = self._pairs or Sampler(len(table), self._seed, weights)

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
            Infinite; elements are dicts with ``flux``, float32 (spectra of a replica,
            n_pixels), NaN at bad pixels, and ``error`` alike if the objective weighs
            by it; if it is of visits ``paired``, bool (spectra,): whether the spectra
            of rows 2 i and 2 i + 1 are two of one star. The replicas' elements follow
            each other.
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
                do_not_convert(partial(self._load, size=size)),
                self._config.n_parallel_reads,
                deterministic=True,
            )
            .prefetch(tf.data.AUTOTUNE)
        )

    def locate_batch(self, step: int) -> list[RecordLocation]:
        """List the records of a batch, after `step` others, in its order."""
        first = step * self._batch_size
        numbers = (self._sampler.record_at(first + i) for i in range(self._batch_size))
        return [self._reader.table.locate(number) for number in numbers]

    def _load(self, first: tf.Tensor, size: int) -> dict[str, tf.Tensor]:
        """Read the spectra at some positions in a row."""
        dtypes = [tf.float32 for _ in self._reader.names]
        arrays = call(partial(self._read, size=size), first, dtypes)
        spectra = self._reader.finish(arrays, size)
        if self._pairs is not None:
            find = partial(_find_pairs, self._pairs, size=size)
            (paired,) = call(find, first, [tf.bool])
            spectra["paired"] = tf.ensure_shape(paired, (size,))
        return spectra

    def _read(
        self, first: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.float32], ...]:
        positions = range(int(first), int(first) + size)
        numbers = np.array(
            [self._sampler.record_at(position) for position in positions]
        )

        def augment(i: int, pair: Pair, median: float) -> Pair:
            return self._augment(pair, median, positions[i])

        return self._reader.read(numbers, change=augment)[0]

    def _augment(self, pair: Pair, median: float, position: int) -> Pair:
        flux, error = pair
        largest, noise = self._config.max_velocity_shift, self._config.noise
        rng = np.random.Generator(np.random.Philox(key=(self._seed, position)))
        if largest > 0.0:
            velocity = rng.uniform(-largest, largest)
            if self._pairs is not None and position % 2 == 0:
                # A pair moves as one: a velocity stays the star's if it is.
                partner = np.random.Philox(key=(self._seed, position + 1))
                velocity = np.random.Generator(partner).uniform(-largest, largest)
            flux = shift_velocity(flux, self._grid, velocity)
            if error is not None:
                error = shift_velocity(error, self._grid, velocity)
        if noise > 0.0:
            flux = add_noise(flux, noise * abs(median), rng)
            if error is not None:
                error = np.hypot(error, np.float32(noise * abs(median)))
        return flux, error


def _find_pairs(
    sampler: VisitSampler, first: NDArray[np.int64], size: int
) -> NDArray[np.bool_]:
    """Tell which of the spectra at some positions in a row are two of one star."""
    positions = range(int(first), int(first) + size)
    return np.array([sampler.is_paired(position) for position in positions])


def build_evaluation_dataset(
    manifest: Manifest,
    split: Split,
    config: Config,
    *,
    batch_size: int,
    with_metadata: bool = False,
    one_per_star: bool = False,
) -> tf.data.Dataset:
    """
    Read a split once, normalised, in the order of its records.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.
    config : Config
        Normalisation.
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
        n_pixels) with NaN at bad pixels, ``error`` alike if the objective weighs by
        it, and the metadata, (batch,) each.

    Raises
    ------
    EmptySplitError
        If the split has no spectra.
    """
    reader = SplitReader(manifest, split, config)
    numbers = np.arange(len(reader.table))
    if one_per_star:
        numbers = numbers[sampling.one_per_star(reader.table.stars(), seed=0)]
    features = manifest.record_schema.values if with_metadata else ()
    kinds = {f.name: f.kind for f in features}
    dtypes = [tf.float32 if k == "float" else tf.string for k in kinds.values()]

    def read(numbers: NDArray[np.int64]) -> tuple[NDArray[np.generic], ...]:
        arrays, rows = reader.read(numbers, tuple(kinds))
        return *arrays, *(
            np.array([row[n] for row in rows], np.float32 if k == "float" else object)
            for n, k in kinds.items()
        )

    def load(numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        n = len(reader.names)
        loaded = call(read, numbers, [*(n * [tf.float32]), *dtypes])
        values = (tf.ensure_shape(column, (None,)) for column in loaded[n:])
        named = dict(zip(kinds, values, strict=True))
        return {**reader.finish(loaded[:n], None), **named}

    return (
        tf.data.Dataset.from_tensor_slices(numbers)
        .batch(batch_size)
        .map(
            do_not_convert(load),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )
