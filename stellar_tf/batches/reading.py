"""Records of a split as batches of arrays, read and decoded in numpy.

By the code that all other readers use; TensorFlow calls it. Its own parser takes 1.3 to
1.8 times as much processor time for spectra of full size, and 0.03 ms a spectrum less
for those of configs/demo.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches.continuum import flatten
from stellar_tf.batches.normalisation import divide_by_median
from stellar_tf.config import Config
from stellar_tf.run import check_split
from tfrecords_tools.errors import UserError
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.record_table import RecordTable
from tfrecords_tools.records.schema import Value
from tfrecords_tools.split import Split

Pair = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Raw flux, and its errors where pixels count by them."""
Change = Callable[[int, Pair, float], Pair]
"""From the row in the batch, a raw spectrum and its median to another spectrum."""

_BEGIN, _END = "\x02", "\x03"
"""Around the message that TensorFlow hides in one of its own."""


class CorruptRecordsError(UserError):
    """A record cannot be read; the message names the shard and the record."""


@contextmanager
def name_corrupt_records(advice: str) -> Iterator[None]:
    """
    Say which record it is when TensorFlow meets one that cannot be read.

    Parameters
    ----------
    advice : str
        What to do about it.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    CorruptRecordsError
        If a record cannot be read.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(f"{_BEGIN}(.*?){_END}", error.message, re.DOTALL)
        if found is None:
            raise
        raise CorruptRecordsError(f"{found[1]}; {advice}") from None


class SplitReader:
    """
    Records of a split by number, as normalised spectra.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.
    config : Config
        Normalisation, and the network that spectra are for.

    Raises
    ------
    EmptySplitError
        If the split has no spectra.
    RecordError
        If an index of its shards is missing or damaged.
    """

    def __init__(self, manifest: Manifest, split: Split, config: Config) -> None:
        check_split(manifest, split)
        self.table = RecordTable(manifest, split)
        self._grid, self._kind = manifest.grid, config.dataset.normalise
        self._n_zeros = sum(config.model.padding(manifest.grid.n_pixels))
        by_errors = config.objective.weight_by_errors == "auto"
        has_errors = by_errors and manifest.counts.get("with errors", 0) > 0
        self.names = ("flux", "error") if has_errors else ("flux",)
        """Of the arrays that are read."""

    def read(
        self,
        numbers: NDArray[np.integer],
        features: tuple[str, ...] = (),
        change: Change | None = None,
    ) -> tuple[tuple[NDArray[np.float32], ...], list[dict[str, Value]]]:
        """
        Read records into a batch.

        Parameters
        ----------
        numbers : ndarray of int, shape (n,)
            In the order of the shards.
        features : tuple of str
            What to read beside the flux.
        change : callable, optional
            Done to the raw spectra.

        Returns
        -------
        arrays : tuple of ndarray of float32, shape (n, n_pixels)
            As of `names`, for `finish`. Errors are NaN where they are unknown.
        rows : list of dict
            The features of each record.

        Raises
        ------
        RecordError
            If a record cannot be read; the message names it.
        """
        shape = (len(numbers), self._grid.n_pixels)
        arrays = tuple(np.full(shape, np.nan, np.float32) for _ in self.names)
        rows = []
        for i, number in enumerate(map(int, numbers)):
            flux, values = self.table.read(number, {"median_flux", *features})
            median = np.float32(values["median_flux"])
            has_error = "error" in self.names
            pair: Pair = (flux, self.table.read_error(number) if has_error else None)
            if change is not None:
                pair = change(i, pair, float(median))
            for array, raw in zip(arrays, pair, strict=False):
                if raw is not None:
                    # Divided on the way into the batch: no further pass over memory.
                    np.divide(raw, self._unit(median), out=array[i])
            rows.append(values)
        return arrays, rows

    def finish(
        self, arrays: Sequence[tf.Tensor], size: int | None
    ) -> dict[str, tf.Tensor]:
        """
        Normalise in TensorFlow what is not yet.

        Parameters
        ----------
        arrays : sequence of Tensor of float32, shape (n, n_pixels)
            From `read`, by way of `call`.
        size : int or None
            Spectra, where it is known.

        Returns
        -------
        spectra : dict of str to Tensor of float32, shape (size, n_pixels)
            ``flux``, normalised, NaN at bad pixels; if pixels count by it ``error``, in
            the same unit, NaN where it is unknown.
        """
        shape = (size, self._grid.n_pixels)
        flux, *errors = (tf.ensure_shape(array, shape) for array in arrays)
        unit: tf.Tensor = tf.ones((1, 1))
        if self._kind == "paper":
            flux, median = divide_by_median(flux, "paper", n_zeros=self._n_zeros)
            unit = median[:, tf.newaxis]
        if self._kind == "continuum":
            flux, unit = flatten(flux, self._grid)
        return dict(zip(self.names, (flux, *(e / unit for e in errors)), strict=True))

    def _unit(self, median: np.float32) -> np.float32:
        """Return what the flux is divided by; NaN marks all of it as bad."""
        if self._kind == "paper":  # by a median over the bad pixels, too
            return np.float32(1.0)
        return median if median > 0.0 else np.float32(np.nan)


def read_split(
    manifest: Manifest, split: Split, batch_size: int, *, with_errors: bool = False
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """
    Read the records of a split as they are stored, one batch ahead.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.
    batch_size : int
        Spectra a batch; the last batch may be smaller.
    with_errors : bool, default False
        Whether to deliver ``error``, too.

    Yields
    ------
    batch : dict of str to ndarray
        ``flux``, float32 (batch, n_pixels) with NaN at bad pixels, in its unit, and
        every other feature, float32 or str (batch,), in the order of the records. If
        wanted, ``error``, like ``flux``: standard deviations, NaN where unknown.

    Raises
    ------
    RecordError
        If a record cannot be read; the message names it.
    """
    table = RecordTable(manifest, split)
    kinds = {feature.name: feature.kind for feature in manifest.record_schema.values}

    def read_error(number: int) -> NDArray[np.float32]:
        error = table.read_error(number)
        unknown = np.full(manifest.record_schema.n_pixels, np.nan, np.float32)
        return unknown if error is None else error

    def read(first: int) -> dict[str, NDArray[np.generic]]:
        numbers = range(first, min(first + batch_size, len(table)))
        fluxes, rows = zip(*(table.read(number) for number in numbers), strict=True)
        columns = {
            name: np.array(
                [row[name] for row in rows], np.float32 if kind == "float" else np.str_
            )
            for name, kind in kinds.items()
        }
        arrays = {"flux": np.stack(fluxes)}
        if with_errors:
            arrays["error"] = np.stack([read_error(number) for number in numbers])
        return {**arrays, **columns}

    with ThreadPoolExecutor(1) as reader:
        ahead: Future[dict[str, NDArray[np.generic]]] | None = None
        for first in range(0, len(table), batch_size):
            batch, ahead = ahead, reader.submit(read, first)
            if batch is not None:
                yield batch.result()
        if ahead is not None:
            yield ahead.result()


def call(
    read: Callable[[NDArray[np.int64]], object],
    numbers: tf.Tensor,
    dtypes: Sequence[tf.DType],
) -> list[tf.Tensor]:
    """
    Call a reading function in a graph; `name_corrupt_records` finds its errors.

    Parameters
    ----------
    read : callable
        From numbers to one array, or a tuple of arrays.
    numbers : Tensor of int64
        Its argument.
    dtypes : sequence of tf.DType
        Of the arrays.

    Returns
    -------
    tensors : list of Tensor
        The arrays, of unknown shape.
    """

    def guarded(numbers: NDArray[np.int64]) -> object:
        try:
            return read(numbers)
        except UserError as error:  # of which TensorFlow keeps the text alone
            raise ValueError(f"{_BEGIN}{error}{_END}") from None

    tensors: list[tf.Tensor] = tf.numpy_function(
        guarded, [numbers], dtypes, stateful=False
    )
    return tensors
