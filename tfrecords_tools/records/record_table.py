"""The records of a split by number, read from anywhere in its shards."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.records.example import ExampleError, decode_example
from tfrecords_tools.records.layout import read_index, read_plan
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.schema import SchemaError, Value
from tfrecords_tools.records.tfrecord import RecordError, read_record_at
from tfrecords_tools.split import Split

_Decoded = TypeVar("_Decoded")


class RecordLocation(NamedTuple):
    """Where a record is."""

    path: Path
    """Its shard."""
    row: int
    """Its row in the shard."""
    dp_id: str
    """Its data product."""


class RecordTable:
    """
    Records of a split, each read when it is asked for.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    split : {"train", "validation", "test"}
        The split.

    Raises
    ------
    RecordError
        If a shard or its index is missing or does not fit the manifest.

    Examples
    --------
    >>> from tfrecords_tools.records.manifest import read_manifest
    >>> from tfrecords_tools.records.record_table import RecordTable
    >>> manifest = read_manifest(Path("records"))
    >>> table = RecordTable(manifest, "test")
    >>> len(table) == len(table.stars()) == manifest.n_spectra("test")
    True
    """

    def __init__(self, manifest: Manifest, split: Split) -> None:
        self._folder, self._schema = manifest.folder, manifest.record_schema
        self._shards = [s for s in manifest.shards if s.split == split and s.count]
        self._ends = list(accumulate(shard.count for shard in self._shards))
        self._offsets = [read_index(self._folder, shard) for shard in self._shards]

    def __len__(self) -> int:
        """Count the records."""
        return self._ends[-1] if self._ends else 0

    def locate(self, number: int) -> RecordLocation:
        """Tell where a record is, by its number in the order of the shards."""
        shard, index = self._find(number)
        info = self._shards[shard]
        return RecordLocation(self._folder / info.file, index, info.dp_ids[index])

    def read(
        self, number: int, names: Collection[str] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Value]]:
        """
        Read a record and check its CRCs.

        Parameters
        ----------
        number : int
            From 0, in the order of the shards.
        names : collection of str, optional
            Features to read beside the flux and its scale; by default all.

        Returns
        -------
        flux : ndarray of float32
            Shape (n_pixels,), read-only.
        values : dict of str to float or str
            The other features by name, but for the errors: see `read_error`.

        Raises
        ------
        RecordError
            If the record is corrupt, cannot be read, does not fit the schema or is
            another than the manifest says; the message names it.
        """
        return self._decode(number, lambda record: self._schema.decode(record, names))

    def read_error(self, number: int) -> NDArray[np.float32] | None:
        """
        Read the errors of the flux of a record.

        Parameters
        ----------
        number : int
            From 0, in the order of the shards.

        Returns
        -------
        error : ndarray of float32 or None
            Standard deviation in the unit of the flux, shape (n_pixels,), NaN where it
            is unknown; None if the record has none.

        Raises
        ------
        RecordError
            As of `read`.
        """
        return self._decode(number, self._schema.decode_error)

    def _decode(self, number: int, decode: Callable[[bytes], _Decoded]) -> _Decoded:
        """Read a record, and name it if that fails."""
        place = self.locate(number)
        shard, index = self._find(number)
        name = f"{place.path}: record {place.row} ({place.dp_id})"
        try:
            with place.path.open("rb") as stream:
                start = int(self._offsets[shard][index])
                record = read_record_at(stream, start, name)
            stated = decode_example(record, {"dp_id"}).get("dp_id")
            if stated != [memoryview(place.dp_id.encode())]:
                raise RecordError(
                    f"{name} is the record of another spectrum (try stellar-tf verify)"
                )
            return decode(record)
        except OSError as error:
            raise RecordError(f"{name} cannot be read: {error.strerror}") from None
        except (ExampleError, SchemaError) as error:
            raise RecordError(f"{name}: {error}") from None

    def stars(self) -> list[str]:
        """
        List the star of each record.

        Returns
        -------
        stars : list of str
            Normalised names, by number.

        Raises
        ------
        RecordError
            If the plan of the data set does not tell.
        """
        stars = {row["dp_id"]: row["star"] for row in read_plan(self._folder)}
        try:
            return [stars[dp_id] for shard in self._shards for dp_id in shard.dp_ids]
        except KeyError as error:
            raise RecordError(
                f"{self._folder}: no star of {error} in its plan"
            ) from None

    def _find(self, number: int) -> tuple[int, int]:
        shard = bisect.bisect_right(self._ends, number)
        return shard, number - (self._ends[shard - 1] if shard else 0)
