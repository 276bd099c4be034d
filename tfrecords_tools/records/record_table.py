"""The records of a split by number, read from anywhere in its shards."""

from __future__ import annotations

import bisect
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from tfrecords_tools.records.layout import read_index, read_plan
from tfrecords_tools.records.manifest import Manifest
from tfrecords_tools.records.tfrecord import RecordError, read_record_at
from tfrecords_tools.split import Split


class RecordPlace(NamedTuple):
    """Where a record stands."""

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
        If the index of a shard is missing or does not fit the manifest.

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
        self._folder = manifest.folder
        self._shards = [s for s in manifest.shards if s.split == split and s.count]
        self._ends = list(accumulate(shard.count for shard in self._shards))
        self._offsets = [read_index(self._folder, shard) for shard in self._shards]

    def __len__(self) -> int:
        """Count the records."""
        return self._ends[-1] if self._ends else 0

    def place(self, number: int) -> RecordPlace:
        """
        Tell where a record stands.

        Parameters
        ----------
        number : int
            From 0, in the order of the shards.

        Returns
        -------
        place : RecordPlace
            Its shard, number there and data product.
        """
        shard, index = self._find(number)
        info = self._shards[shard]
        return RecordPlace(self._folder / info.file, index, info.dp_ids[index])

    def read(self, number: int) -> bytes:
        """
        Read a record and check its CRCs.

        Parameters
        ----------
        number : int
            From 0, in the order of the shards.

        Returns
        -------
        record : bytes
            A ``tf.train.Example``.

        Raises
        ------
        RecordError
            If the record is corrupt or cannot be read; the message names it.
        """
        shard, index = self._find(number)
        path = self._folder / self._shards[shard].file
        name = f"{path}: record {index}"
        try:
            with path.open("rb") as stream:
                return read_record_at(stream, int(self._offsets[shard][index]), name)
        except OSError as error:
            raise RecordError(f"{name} cannot be read: {error.strerror}") from None

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
