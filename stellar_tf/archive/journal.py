"""What of a download is done: a table beside the files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

import numpy as np
from astropy.table import Table

from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.products import Product
from stellar_tf.tables import TableError, read_table, write_table
from tfrecords_tools.lock import locked

TABLE_NAME = "downloads.ecsv"
_NOTES_NAME = ".downloads.jsonl"

State = Literal["done", "failed", "private", "waiting"]

_UNITS = {"ra": "deg", "dec": "deg", "mjd": "d", "exptime": "s", "size": "byte"}
_NOT_KEPT = ("access_url", "access_format")


class Entry(NamedTuple):
    """What became of one product."""

    dp_id: str
    target: str
    ra: float
    """Right ascension, ICRS [deg]."""
    dec: float
    """Declination, ICRS [deg]."""
    snr: float
    mjd: float
    """Modified Julian date of the beginning [d]."""
    exptime: float
    """[s]"""
    instrument: str
    program: str
    released: str
    """When it is or becomes public."""
    url: str
    """Where the file came from; where its links are, as long as it has not come."""
    file: str
    """Name of the file; empty if there is none."""
    size: int
    """[byte]; the archive's estimate, as long as the file has not come."""
    sha256: str
    """Of the file; empty if there is none."""
    state: State
    reason: str
    """Why it failed."""


def waiting_entry(product: Product) -> Entry:
    """
    Begin the notes of a product.

    Parameters
    ----------
    product : Product
        As the archive describes it.

    Returns
    -------
    entry : Entry
        In the state "waiting".
    """
    kept = {k: v for k, v in product._asdict().items() if k not in _NOT_KEPT}
    return Entry(
        **kept, url=product.access_url, file="", sha256="", state="waiting", reason=""
    )


class DownloadJournal:
    """
    The notes of all downloads into a folder.

    Parameters
    ----------
    folder : Path
        Where the files are.

    Raises
    ------
    ArchiveError
        If there is a table of the name that is not such notes.

    Notes
    -----
    While a download is under way each news is a line in a hidden file, since writing
    the whole table every time would take longer the more there is; at the end they
    are in the table. After a kill the next download begins with both.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table, self._notes = folder / TABLE_NAME, folder / _NOTES_NAME
        self.entries: dict[str, Entry] = {}
        self._read()

    @contextmanager
    def open(self) -> Iterator[None]:
        """
        Take the folder for oneself, and write the table in the end.

        Yields
        ------
        None
            Whatever ends the block, the table has what was noted.

        Raises
        ------
        ArchiveError
            If another process downloads into it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = ArchiveError(
            f"{self.folder}: another process downloads into it; wait for its end"
        )
        with locked(self.folder, busy):
            # What another process has noted meanwhile.
            self._read()
            try:
                yield
            finally:
                self._write_table()

    def note(self, *entries: Entry) -> None:
        """
        Note news of products, such that a kill does not lose them.

        Parameters
        ----------
        *entries : Entry
            They replace those of the same product.
        """
        with self._notes.open("a", encoding="utf-8") as stream:
            for entry in entries:
                self.entries[entry.dp_id] = entry
                stream.write(json.dumps(entry._asdict()) + "\n")

    def has(self, dp_id: str) -> bool:
        """
        Tell whether a product's file is there.

        Parameters
        ----------
        dp_id : str
            The product.

        Returns
        -------
        answer : bool
            True if it came, and is still as long as it was.
        """
        entry = self.entries.get(dp_id)
        if entry is None or entry.state != "done":
            return False
        path = self.folder / entry.file
        return path.is_file() and path.stat().st_size == entry.size

    def _read(self) -> None:
        self.entries.update((e.dp_id, e) for e in self._read_table())
        self.entries.update((e.dp_id, e) for e in self._read_notes())

    def _write_table(self) -> None:
        if not self.entries:
            return
        rows = [self.entries[dp_id] for dp_id in sorted(self.entries)]
        write_table(tabulate(rows), self._table, overwrite=True)
        self._notes.unlink(missing_ok=True)

    def _read_table(self) -> Iterator[Entry]:
        if not self._table.exists():
            return
        try:
            table = read_table(self._table)
            for row in table:
                yield _to_entry({name: row[name] for name in Entry._fields})
        except (TableError, KeyError, ValueError, TypeError):
            raise ArchiveError(
                f"{self._table}: is no table of downloads; choose another folder"
            ) from None

    def _read_notes(self) -> Iterator[Entry]:
        if not self._notes.exists():
            return
        for line in self._notes.read_bytes().splitlines():
            try:
                yield _to_entry(json.loads(line))
            # Cut off by a kill, or damaged: that file is asked for again.
            except (ValueError, KeyError, TypeError, RecursionError):
                continue


def tabulate(entries: list[Entry]) -> Table:
    """
    Make a table of notes.

    Parameters
    ----------
    entries : list of Entry
        The rows.

    Returns
    -------
    table : Table
        With a column for each field of `Entry`, and units.
    """
    table = Table(rows=entries, names=Entry._fields)
    for name, unit in _UNITS.items():
        table[name].unit = unit
    return table


def _to_entry(values: Mapping[str, Any]) -> Entry:
    kinds = get_type_hints(Entry)
    plain: dict[str, Any] = {}
    for name in Entry._fields:
        value, kind = values[name], kinds[name]
        if kind is float or kind is int:
            plain[name] = kind(value)
        else:
            plain[name] = "" if np.ma.is_masked(value) else str(value)
    if plain["state"] not in get_args(State):
        raise ValueError(plain["state"])
    return Entry(**plain)
