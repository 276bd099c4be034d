"""Notes of work that fills a folder, so that the same command can go on with it."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfrecords_tools.durable import (
    discard,
    flush,
    make_folder,
    move,
    remove,
    write_whole,
)
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import locked
from tfrecords_tools.records.manifest import hash_file

_REQUEST = "request.json"
_COMPLETE = "complete.json"
"""SHA-256 of the summary, once the folder is complete."""
_LOCK = "lock"
_REPLACED = "replaced"
"""What was there before."""


class JournalError(UserError):
    """Other work is in the way; the message names it."""


class FolderJournal(ABC):
    """
    Notes of one piece of work, in a hidden folder beside its output.

    Parameters
    ----------
    out : Path
        The folder to be.

    Notes
    -----
    Every file here is written under another name, flushed to the disk and renamed:
    after a kill it is there whole or not at all. A power cut may take the names of
    notes and of what they are about: what lacks one is done again.
    """

    work: str
    """What is done, for messages."""
    summary: str
    """The file that is written last, by which a complete folder is known."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folder = out.with_name(f".{out.name}.journal")
        self._finished = out.with_name(f".{out.name}.finished")
        self.staging = out.with_name(f".{out.name}.partial")
        """The folder until it is complete."""

    def remove_leftovers(self) -> None:
        """Remove what finished work leaves: its notes, and what it replaced."""
        shutil.rmtree(self._finished, ignore_errors=True)

    @contextmanager
    def open(self, request: dict[str, Any], *, overwrite: bool) -> Iterator[None]:
        """
        Begin the work, or go on with it, and forget it when it is finished.

        Parameters
        ----------
        request : dict
            What is asked for, of JSON's types: equal ones give equal bytes.
        overwrite : bool
            Whether to forget unfinished work of another request.

        Yields
        ------
        None
            To be left without an error only when the folder is in place.

        Raises
        ------
        JournalError
            If another process writes the same output, work of another request is
            unfinished, or its folder is there without a journal.
        """
        if self.staging.exists() and not self._folder.exists():
            raise JournalError(
                f"{self.staging}: is there, but no {self.work} that wrote it; "
                f"move it away or remove it"
            )
        make_folder(self._folder)
        busy = JournalError(
            f"{self.staging}: another process is writing it; wait for its end"
        )
        with locked(self._folder / _LOCK, busy):
            self._restore()
            self._begin(request, overwrite=overwrite)
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
            As of `open`.

        Returns
        -------
        answer : bool
            Whether OUT holds all of it.
        """
        summary = self._out / self.summary
        return (
            not self.staging.exists()
            and self._read(_REQUEST) == request
            and summary.is_file()
            and self._read(_COMPLETE) == hash_file(summary)
            and self.holds_all()
        )

    def publish(self, check: Callable[[], None]) -> None:
        """
        Give the complete folder its name; what had it is kept until the end.

        Parameters
        ----------
        check : callable
            Raises an error if what has the name by then may not be replaced.
        """
        flush(self.staging)
        self._write(_COMPLETE, hash_file(self.staging / self.summary))
        replaced = self._folder / _REPLACED
        discard(replaced)
        check()
        # An empty folder makes room by itself, and nothing else does.
        is_empty = self._out.is_dir() and not any(self._out.iterdir())
        if self._out.exists() and not is_empty:
            move(self._out, replaced)
        move(self.staging, self._out)

    @abstractmethod
    def holds_all(self) -> bool:
        """Tell whether OUT, which has the summary, has all that it should."""

    def _restore(self) -> None:
        """Give back its name to what was to be replaced when the process ended."""
        replaced = self._folder / _REPLACED
        if replaced.exists() and not self._out.exists():
            move(replaced, self._out)

    def _begin(self, request: dict[str, Any], *, overwrite: bool) -> None:
        noted = self._read(_REQUEST)
        is_there = self.staging.exists() or self.is_published(request)
        if noted == request and is_there:
            return
        if noted not in (None, request) and not overwrite:
            raise JournalError(
                f"{self.staging}: is an unfinished {self.work} of other inputs or "
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
