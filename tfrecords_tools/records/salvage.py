"""What can still be used of a data set with corrupt records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfrecords_tools.errors import UserError
from tfrecords_tools.records.layout import PLAN_NAME, index_name, write_index
from tfrecords_tools.records.manifest import Manifest, ShardInfo, hash_file
from tfrecords_tools.records.tfrecord import RecordWriter, read_intact_records


class CorruptRecord(NamedTuple):
    """A record that does not fit its CRCs."""

    path: Path
    """The shard."""
    number: int
    """Of the record in it, from 0."""
    dp_id: str
    """What the manifest says it was."""

    def __str__(self) -> str:
        return f"{self.path}: record {self.number} ({self.dp_id}) is corrupt"


class SalvageError(UserError):
    """A shard is damaged such that its records cannot be told apart."""


class Salvage(NamedTuple):
    """A data set without its corrupt records."""

    manifest: Manifest
    """Of the intact records; its shards may be links to the original ones."""
    corrupt: list[CorruptRecord]
    """The records left out."""


def salvage(manifest: Manifest, folder: Path) -> Salvage:
    """
    Make a data set of the intact records.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    folder : Path
        Where the new one is put, if there are corrupt records: links to the whole
        shards, and copies of the others without them. It is replaced.

    Returns
    -------
    salvage : Salvage
        The same manifest if nothing is corrupt.

    Raises
    ------
    SalvageError
        If the index of a shard with corrupt records is damaged too.
    """
    corrupt = [c for shard in manifest.shards for c in _find_corrupt(manifest, shard)]
    if not corrupt:
        return Salvage(manifest, [])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    damaged = {record.path.name for record in corrupt}
    shards = tuple(
        _copy_intact(manifest, shard, folder)
        if shard.file in damaged
        else _link(manifest, shard, folder)
        for shard in manifest.shards
    )
    splits = {
        split: total.model_copy(
            update={"n_spectra": sum(s.count for s in shards if s.split == split)}
        )
        for split, total in manifest.splits.items()
    }
    (folder / PLAN_NAME).symlink_to((manifest.folder / PLAN_NAME).resolve())
    intact = replace(manifest, folder=folder, shards=shards, splits=splits)
    return Salvage(intact, corrupt)


def _find_corrupt(manifest: Manifest, shard: ShardInfo) -> Iterator[CorruptRecord]:
    path = manifest.folder / shard.file
    for index, record in read_intact_records(path, _read_index(manifest, shard)):
        if record is None:
            yield CorruptRecord(path, index, shard.dp_ids[index])


def _read_index(manifest: Manifest, shard: ShardInfo) -> list[int]:
    name = index_name(shard.file)
    path = manifest.folder / name
    if not path.is_file() or hash_file(path) != manifest.files.get(name):
        raise SalvageError(f"{path}: is missing or damaged; convert the spectra again")
    return [int(offset) for offset in np.load(path)]


def _copy_intact(manifest: Manifest, shard: ShardInfo, folder: Path) -> ShardInfo:
    offsets = _read_index(manifest, shard)
    dp_ids: list[str] = []
    with RecordWriter(folder / shard.file) as writer:
        for index, record in read_intact_records(manifest.folder / shard.file, offsets):
            if record is not None:
                writer.write(record)
                dp_ids.append(shard.dp_ids[index])
    write_index(writer.offsets, folder, shard.file)
    changes = {
        "count": len(dp_ids),
        "n_bytes": writer.offsets[-1],
        "sha256": writer.sha256,
        "dp_ids": tuple(dp_ids),
    }
    return shard.model_copy(update=changes)


def _link(manifest: Manifest, shard: ShardInfo, folder: Path) -> ShardInfo:
    for name in (shard.file, index_name(shard.file)):
        link = folder / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to((manifest.folder / name).resolve())
    return shard
