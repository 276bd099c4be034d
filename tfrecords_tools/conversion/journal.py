"""What a conversion under way has done, so that the same command can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfrecords_tools.config import ConvertConfig
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
from tfrecords_tools.durable import (
    flush,
    make_folder,
    move,
    remove,
    replacing,
    write_whole,
)
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.lock import locked
from tfrecords_tools.records.layout import read_index
from tfrecords_tools.records.manifest import (
    MANIFEST_NAME,
    ShardInfo,
    hash_file,
    read_manifest,
)
from tfrecords_tools.records.tfrecord import RecordError

_REQUEST = "request.json"
_SCAN = "scan.jsonl"
_COMPLETE = "complete.json"
"""SHA-256 of the manifest of the complete data set."""
_LOCK = "lock"
_REPLACED = "replaced"
"""Folder of the data set that was there before."""


class JournalError(UserError):
    """Another conversion is in the way; the message names it."""


class ConversionJournal:
    """
    Notes of one conversion, in a hidden folder beside its output.

    Parameters
    ----------
    out : Path
        Folder of the data set to be.

    Notes
    -----
    Every file here is written under another name, flushed to the disk and renamed:
    after a kill it is there whole or not at all. A shard is done when its note is. A
    power cut may take the names of notes and shards: what lacks one is done again.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folder = out.with_name(f".{out.name}.journal")
        self._finished = out.with_name(f".{out.name}.finished")
        self.staging = out.with_name(f".{out.name}.partial")
        """Folder of the data set until it is complete."""

    def remove_leftovers(self) -> None:
        """Remove what a finished conversion leaves: its notes, and what it replaced."""
        shutil.rmtree(self._finished, ignore_errors=True)

    @contextmanager
    def open(self, request: dict[str, Any], *, discard: bool) -> Iterator[None]:
        """
        Begin a conversion, or go on with one, and forget it when it is finished.

        Parameters
        ----------
        request : dict
            From `describe_request`.
        discard : bool
            Whether to forget an unfinished conversion of another request.

        Yields
        ------
        None
            To be left without an error only when the data set is in place.

        Raises
        ------
        JournalError
            If another process converts to the same output, one of another request is
            unfinished, or its folder is there without a journal.
        """
        if self.staging.exists() and not self._folder.exists():
            raise JournalError(
                f"{self.staging}: is there, but no conversion that wrote it; "
                f"move it away or remove it"
            )
        make_folder(self._folder)
        busy = JournalError(
            f"{self.staging}: another process is writing it; wait for its end"
        )
        with locked(self._folder / _LOCK, busy):
            self._restore()
            self._begin(request, discard=discard)
            yield
            # Renamed first, so that a kill leaves all notes or none.
            move(self._folder, self._finished)
        self.remove_leftovers()

    def is_published(self, request: dict[str, Any]) -> bool:
        """
        Tell whether `publish` was done for a request: only the notes are left.

        Parameters
        ----------
        request : dict
            As of `describe_request`.

        Returns
        -------
        answer : bool
            Whether OUT holds all of it, and the inputs are as they were.
        """
        manifest = self._out / MANIFEST_NAME
        if (
            self.staging.exists()
            or self._read(_REQUEST) != request
            or not manifest.is_file()
            or self._read(_COMPLETE) != hash_file(manifest)
        ):
            return False
        shards, scan = read_manifest(self._out).shards, self.read_scan()
        is_current = scan is not None and not has_changed(scan)
        return is_current and all(_is_whole(self._out, shard) for shard in shards)

    def publish(self, check: Callable[[], None]) -> None:
        """
        Give the complete data set its name; what had it is kept until the end.

        Parameters
        ----------
        check : callable
            Raises an error if what has the name by then may not be replaced.
        """
        flush(self.staging)
        self._write(_COMPLETE, hash_file(self.staging / MANIFEST_NAME))
        replaced = self._folder / _REPLACED
        shutil.rmtree(replaced, ignore_errors=True)
        check()
        # An empty folder makes room by itself, and nothing else does.
        if self._out.is_dir() and any(self._out.iterdir()):
            move(self._out, replaced)
        move(self.staging, self._out)

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
        self, scanned: Iterable[PlannedSpectrum | Reject], config: ConvertConfig
    ) -> Scan:
        """
        Note what the headers of all inputs say.

        Parameters
        ----------
        scanned : iterable of PlannedSpectrum or Reject
            From `scan_file` of all inputs.
        config : ConvertConfig
            As for a scan's own `write_scan`.

        Returns
        -------
        scan : Scan
            As from `read_scan`.
        """
        path = self._folder / _SCAN
        with replacing(path, for_good=False) as partial:
            write_scan(scanned, partial, config)
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

    def _restore(self) -> None:
        """Give back its name to what was to be replaced when the process ended."""
        replaced = self._folder / _REPLACED
        if replaced.exists() and not self._out.exists():
            move(replaced, self._out)

    def _begin(self, request: dict[str, Any], *, discard: bool) -> None:
        noted = self._read(_REQUEST)
        is_there = self.staging.exists() or self.is_published(request)
        if noted == request and is_there:
            return
        if noted not in (None, request) and not discard:
            raise JournalError(
                f"{self.staging}: is an unfinished conversion of other inputs or "
                f"settings; finish it with its own command, or pass overwrite=True"
            )
        # Disowned first: whatever ends this, nobody goes on with half of it.
        if noted is not None:
            remove(self._folder / _REQUEST)
        kept = _LOCK, _REPLACED
        notes = [path for path in self._folder.iterdir() if path.name not in kept]
        for path in notes:
            path.unlink()
        if notes:
            flush(self._folder)
        if self.staging.exists():
            shutil.rmtree(self.staging)
        make_folder(self.staging)
        self._write(_REQUEST, request)

    def _read(self, name: str) -> Any:
        path = self._folder / name
        if not path.is_file():
            return None
        return json.loads(path.read_text(encoding="ascii"))

    def _write(self, name: str, tree: object, *, for_good: bool = True) -> None:
        write_whole(self._folder / name, json.dumps(tree), for_good=for_good)


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
