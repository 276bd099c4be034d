"""What a conversion under way has done, so that the same command can go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.folder_journal import FolderJournal
from tfrecords_tools.conversion.plan import Assumption, ShardPlan
from tfrecords_tools.conversion.scan import (
    PlannedSpectrum,
    Reject,
    Scan,
    has_changed,
    read_scan,
    write_scan,
)
from tfrecords_tools.conversion.shards import WrittenShard
from tfrecords_tools.durable import replacing
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.layout import read_index
from tfrecords_tools.records.manifest import (
    MANIFEST_NAME,
    ShardInfo,
    hash_file,
    read_manifest,
)
from tfrecords_tools.records.tfrecord import RecordError

_SCAN = "scan.jsonl"


class ConversionJournal(FolderJournal):
    """
    Notes of one conversion.

    Parameters
    ----------
    out : Path
        Folder of the data set to be.

    Notes
    -----
    A shard is done when its note is.
    """

    work = "conversion"
    summary = MANIFEST_NAME

    def holds_all(self) -> bool:
        """Tell whether OUT has all shards, and the inputs are as they were."""
        shards, scan = read_manifest(self._out).shards, self.read_scan()
        is_current = scan is not None and not has_changed(scan)
        return is_current and all(_is_whole(self._out, shard) for shard in shards)

    def read_scan(self) -> Scan | None:
        """
        Read what the headers said.

        Returns
        -------
        scan : Scan or None
            None if the scan is not complete. Its spectra are in the journal: they can
            be read until the conversion is finished.
        """
        path = self._folder / _SCAN
        return read_scan(path) if path.is_file() else None

    def write_scan(
        self,
        scanned: Iterable[PlannedSpectrum | Reject],
        config: ConvertConfig,
        n_in_a_shard: int,
    ) -> Scan:
        """
        Note what the headers of all inputs say.

        Parameters
        ----------
        scanned : iterable of PlannedSpectrum or Reject
            From `scan_file` of all inputs.
        config : ConvertConfig
            As for a scan's own `write_scan`.
        n_in_a_shard : int
            As for that.

        Returns
        -------
        scan : Scan
            As from `read_scan`.
        """
        path = self._folder / _SCAN
        with replacing(path, for_good=False) as partial:
            write_scan(scanned, partial, config, n_in_a_shard)
        return read_scan(path)

    def read_shard(self, plan: ShardPlan, folder: Path) -> WrittenShard | None:
        """
        Read the note of a shard.

        Parameters
        ----------
        plan : ShardPlan
            Of the shard.
        folder : Path
            Where it is: the staging folder or, once it is published, the data set.

        Returns
        -------
        written : WrittenShard or None
            None if the shard is not done by this plan, or has vanished since.
        """
        tree = self._read(f"{plan.file}.json")
        if tree is None or tree["plan"] != plan.digest:
            return None
        info = ShardInfo.model_validate(tree["info"])
        if not _is_whole(folder, info):
            return None
        assumptions = [
            Assumption(Path(path), *rest) for path, *rest in tree["assumptions"]
        ]
        rejects = _to_rejects(tree["rejects"])
        counts = tree["n_with_spikes"], tree["n_with_errors"]
        return WrittenShard(info, rejects, assumptions, *counts)

    def write_shard(self, plan: ShardPlan, written: WrittenShard) -> None:
        """
        Note that a shard is done.

        Parameters
        ----------
        plan : ShardPlan
            By which it was written.
        written : WrittenShard
            What became of its spectra.
        """
        tree = {
            "plan": plan.digest,
            "info": written.info.model_dump(mode="json"),
            "rejects": _to_rows(written.rejects),
            "assumptions": _to_rows(written.assumptions),
            "n_with_spikes": written.n_with_spikes,
            "n_with_errors": written.n_with_errors,
        }
        self._write(f"{written.info.file}.json", tree, for_good=False)


def describe_request(
    inputs: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    labels: Path | None,
) -> dict[str, Any]:
    """
    Say what a conversion is asked to do, such that equal requests give equal bytes.

    Parameters
    ----------
    inputs : sequence of Path
        Files and folders.
    grid : Grid
        The wavelengths.
    config : ConvertConfig
        What is taken.
    labels : Path or None
        Table of labels.

    Returns
    -------
    request : dict
        Of JSON's types.
    """
    return {
        "inputs": [str(path.absolute()) for path in inputs],
        "grid": grid.model_dump(mode="json"),
        "config": config.model_dump(mode="json"),
        "labels": None if labels is None else str(labels),
        "labels_sha256": None if labels is None else hash_file(labels),
    }


def _to_rows(items: Sequence[Reject] | Sequence[Assumption]) -> list[list[Any]]:
    return [[str(path), *rest] for path, *rest in items]


def _to_rejects(rows: list[list[Any]]) -> list[Reject]:
    return [Reject(Path(path), *rest) for path, *rest in rows]


def _is_whole(folder: Path, shard: ShardInfo) -> bool:
    """Tell whether a shard and its index are there, with their sizes."""
    try:
        read_index(folder, shard)
    except RecordError:
        return False
    return True
