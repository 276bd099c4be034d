"""Which spectra make which part of a table, decided before any is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tfrecords_tools.conversion.scan import state_of
from tfrecords_tools.records.manifest import Manifest, ShardInfo
from tfrecords_tools.split import SPLITS

FILES_PER_PART = 64
"""A fixed number: parts must not depend on who works on them."""


class PlannedFile(NamedTuple):
    """A file with its state when the plan was made."""

    path: Path
    n_bytes: int
    mtime_ns: int
    """Time of its last change [ns]."""

    @property
    def is_current(self) -> bool:
        """Whether the file is as it was by then."""
        return state_of(self.path) == (self.n_bytes, self.mtime_ns)


class PartPlan(NamedTuple):
    """The spectra of one part: those of a shard of records, or of some files."""

    file: str
    """Name of the part."""
    shard: ShardInfo | None
    """None if it is of files."""
    files: tuple[PlannedFile, ...] = ()

    @property
    def n_planned(self) -> int:
        """Records, or files."""
        return len(self.files) if self.shard is None else self.shard.count


def plan_records(manifest: Manifest) -> list[PartPlan]:
    """
    Plan a part for each shard that has records.

    Parameters
    ----------
    manifest : Manifest
        The data set.

    Returns
    -------
    plans : list of PartPlan
        Split by split, so that the rows are in the order of a single table.
    """
    shards = [
        shard
        for split in SPLITS
        for shard in manifest.shards
        if shard.split == split and shard.count
    ]
    return [PartPlan(_name(i), shard) for i, shard in enumerate(shards)]


def plan_files(paths: Sequence[Path]) -> list[PartPlan]:
    """
    Plan a part for every `FILES_PER_PART` files.

    Parameters
    ----------
    paths : sequence of Path
        The files.

    Returns
    -------
    plans : list of PartPlan
        In their order.
    """
    files = [PlannedFile(path, *state_of(path)) for path in paths]
    firsts = range(0, len(files), FILES_PER_PART)
    return [
        PartPlan(_name(i), None, tuple(files[first : first + FILES_PER_PART]))
        for i, first in enumerate(firsts)
    ]


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"
