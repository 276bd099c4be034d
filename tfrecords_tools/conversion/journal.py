"""What a conversion under way has done, so that the same command can go on."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.plan import Assumption, PlannedSpectrum, Reject, Scan
from tfrecords_tools.conversion.shards import WrittenShard
from tfrecords_tools.durable import replacing, write_whole
from tfrecords_tools.errors import UserError
from tfrecords_tools.grid import Grid
from tfrecords_tools.records.manifest import ShardInfo, hash_file

_REQUEST = "request.json"
_SCAN = "scan.jsonl"
_LOCK = "lock"


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
    after a kill it is there whole or not at all. A shard is done when its note is.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folder = out.with_name(f".{out.name}.journal")
        self._old = out.with_name(f".{out.name}.old")
        self._finished = out.with_name(f".{out.name}.finished")
        self.staging = out.with_name(f".{out.name}.partial")
        """Folder of the data set until it is complete."""

    def remove_leftovers(self) -> None:
        """Remove what a finished conversion leaves: its notes, and what it replaced."""
        shutil.rmtree(self._finished, ignore_errors=True)
        if self._out.exists():
            shutil.rmtree(self._old, ignore_errors=True)

    def is_unfinished(self, request: dict[str, Any]) -> bool:
        """Tell whether a conversion of this request has begun and not ended."""
        return bool(self._read(_REQUEST) == request)

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
            If another process converts to the same output, or one of another
            request is unfinished.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JournalError(
                    f"{self.staging}: another process is writing it; wait for its end"
                ) from None
            self._begin(request, discard=discard)
            yield
            # Renamed first, so that a kill leaves all notes or none.
            self._folder.rename(self._finished)
        self.remove_leftovers()

    def is_published(self) -> bool:
        """Tell whether `publish` was called: nothing is left but the notes."""
        return not self.staging.exists()

    def publish(self) -> None:
        """Give the complete data set its name; what had it is kept until the end."""
        if self._out.exists():
            self._out.rename(self._old)
        self.staging.rename(self._out)

    def read_scan(self) -> Scan | None:
        """
        Read what the headers said.

        Returns
        -------
        scan : Scan or None
            None if the scan is not complete.
        """
        path = self._folder / _SCAN
        if not path.is_file():
            return None
        with path.open(encoding="ascii") as lines:
            rejects, share = json.loads(next(lines))
            rows = map(json.loads, lines)
            spectra = [PlannedSpectrum(Path(path), *rest) for path, *rest in rows]
        return Scan(spectra, _to_rejects(rejects), share)

    def write_scan(self, scan: Scan) -> None:
        """
        Note what the headers of all inputs said.

        Parameters
        ----------
        scan : Scan
            What `read_scan` gives again.
        """
        head = _to_rows(scan.rejects), scan.share_with_errors
        rows = ([str(s.path), *s[1:]] for s in scan.spectra)
        with (
            replacing(self._folder / _SCAN) as partial,
            partial.open("w", encoding="ascii") as stream,
        ):
            for row in chain([head], rows):  # a line each
                stream.write(f"{json.dumps(row)}\n")

    def read_shard(self, file: str) -> WrittenShard | None:
        """
        Read the note of a shard.

        Parameters
        ----------
        file : str
            Name of the shard.

        Returns
        -------
        written : WrittenShard or None
            None if the shard is not done.
        """
        tree = self._read(f"{file}.json")
        if tree is None:
            return None
        info = ShardInfo.model_validate(tree["info"])
        assumptions = [
            Assumption(Path(path), *rest) for path, *rest in tree["assumptions"]
        ]
        rejects = _to_rejects(tree["rejects"])
        counts = tree["n_with_spikes"], tree["n_with_errors"]
        return WrittenShard(info, rejects, assumptions, *counts)

    def write_shard(self, written: WrittenShard) -> None:
        """
        Note that a shard is done.

        Parameters
        ----------
        written : WrittenShard
            What became of its spectra.
        """
        tree = {
            "info": written.info.model_dump(mode="json"),
            "rejects": _to_rows(written.rejects),
            "assumptions": _to_rows(written.assumptions),
            "n_with_spikes": written.n_with_spikes,
            "n_with_errors": written.n_with_errors,
        }
        self._write(f"{written.info.file}.json", tree)

    def _begin(self, request: dict[str, Any], *, discard: bool) -> None:
        if self.is_unfinished(request):
            return
        if (self._folder / _REQUEST).exists() and not discard:
            raise JournalError(
                f"{self.staging}: is an unfinished conversion of other inputs or "
                f"settings; finish it with its own command, or pass overwrite=True"
            )
        shutil.rmtree(self.staging, ignore_errors=True)
        for path in self._folder.iterdir():
            if path.name != _LOCK:
                path.unlink()
        # Before the request is noted: without a folder the data set is in place.
        self.staging.mkdir()
        self._write(_REQUEST, request)

    def _read(self, name: str) -> Any:
        path = self._folder / name
        if not path.is_file():
            return None
        return json.loads(path.read_text(encoding="ascii"))

    def _write(self, name: str, tree: object) -> None:
        write_whole(self._folder / name, json.dumps(tree))


def describe_request(
    inputs: Sequence[Path],
    grid: Grid,
    config: ConvertConfig,
    labels: Path | None,
    *,
    overwrite: bool,
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
    overwrite : bool
        Whether a data set that is there may be replaced.

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
        "overwrite": overwrite,
    }


def _to_rows(items: Sequence[Reject] | Sequence[Assumption]) -> list[list[Any]]:
    return [[str(path), *rest] for path, *rest in items]


def _to_rejects(rows: list[list[Any]]) -> list[Reject]:
    return [Reject(Path(path), *rest) for path, *rest in rows]
