"""Which spectrum goes to which shard, and the tables that tell it."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tfrecords_tools.conversion.scan import PlannedSpectrum, Reject, StoredSpectra
from tfrecords_tools.labels.lookup import Labels
from tfrecords_tools.records.layout import (
    ASSUMPTIONS_NAME,
    DATASET_NAME,
    PLAN_NAME,
    REJECTS_NAME,
    UNLABELLED_NAME,
)
from tfrecords_tools.split import SPLITS, Split

_URI = "file://"
_PLAN_FIELDS = (
    *("split", "shard", "dp_id", "target", "star"),
    *("ra", "dec", "mjd", "path", "spectrum"),
)


class Assumption(NamedTuple):
    """Something taken for granted of a spectrum, since its file does not say it."""

    path: Path
    spectrum: int
    """Its number in the file, from 0."""
    dp_id: str
    assumption: str


class ShardPlan(NamedTuple):
    """The files of one shard."""

    split: Split
    number: int
    """From 0."""
    n_shards: int
    """Of the split."""
    spectra: StoredSpectra
    """In the order of the records."""

    @property
    def file(self) -> str:
        """Name of the shard, by which TensorFlow Datasets finds it."""
        shard = f"{self.number:05d}-of-{self.n_shards:05d}"
        return f"{DATASET_NAME}-{self.split}.tfrecord-{shard}"

    @property
    def digest(self) -> str:
        """What tells plans apart, also by the state of their files."""
        digest = hashlib.sha256(repr(self[:3]).encode())
        for line in self.spectra.lines():
            digest.update(line)
        return digest.hexdigest()


def plan_shards(spectra: StoredSpectra, n_per_shard: int) -> list[ShardPlan]:
    """
    Distribute spectra over shards.

    Parameters
    ----------
    spectra : StoredSpectra
        Their order does not matter.
    n_per_shard : int
        The most records a shard holds.

    Returns
    -------
    plans : list of ShardPlan
        Within a split ordered by hash of dp_id and of even size.
    """
    split_numbers, order = spectra.read_order()
    plans = []
    for split_number, split in enumerate(SPLITS):
        members = order[split_numbers[order] == split_number]
        n_shards = -(-members.size // n_per_shard)
        for number in range(n_shards):
            start = members.size * number // n_shards
            stop = members.size * (number + 1) // n_shards
            chosen = spectra.take(members[start:stop])
            plans.append(ShardPlan(split, number, n_shards, chosen))
    return plans


def write_plan(plans: Iterable[ShardPlan], labels: Labels | None, folder: Path) -> None:
    """
    Write plan.csv: what the header scan found, and the shard of each file.

    Parameters
    ----------
    plans : iterable of ShardPlan
        Of all splits.
    labels : Labels or None
        What is known of positions beside the headers.
    folder : Path
        The data set.
    """
    rows = (
        (
            *(p.split, p.number, s.dp_id, s.target, s.star, s.ra, s.dec, s.mjd, s.path),
            s.number,
        )
        for p in plans
        for s in (spectrum.placed(labels) for spectrum in p.spectra)
    )
    _write_csv(folder / PLAN_NAME, _PLAN_FIELDS, rows)


def write_rejects(
    rejects: Iterable[Reject], folder: Path, name: str = REJECTS_NAME
) -> None:
    """
    Write path, reason and number of every spectrum that is not taken as CSV.

    Parameters
    ----------
    rejects : iterable of Reject
        In any order; they are sorted by path.
    folder : Path
        The data set.
    name : str
        The file in it.
    """
    rows = [(r.path, r.reason, "" if r.number is None else r.number) for r in rejects]
    rows.sort(key=lambda row: (row[0], str(row[2])))
    _write_csv(folder / name, ("path", "reason", "spectrum"), rows)


def write_assumptions(assumptions: Iterable[Assumption], folder: Path) -> None:
    """
    Write assumptions.csv: what is taken for granted of the wavelengths of spectra.

    Parameters
    ----------
    assumptions : iterable of Assumption
        In any order; they are sorted by path.
    folder : Path
        The data set.
    """
    _write_csv(folder / ASSUMPTIONS_NAME, Assumption._fields, sorted(assumptions))


def write_unlabelled(
    spectra: Iterable[PlannedSpectrum], labels: Labels, folder: Path
) -> None:
    """
    Write unlabelled.csv: the spectra that lack labels, and which.

    Parameters
    ----------
    spectra : iterable of PlannedSpectrum
        Those that were taken.
    labels : Labels
        What is known.
    folder : Path
        The data set.
    """
    rows = []
    for spectrum in spectra:
        values = labels.lookup(spectrum.dp_id)
        # NaN is not equal to itself.
        lacking = [n for n, value in values.items() if value == "" or value != value]
        if lacking:
            match = labels.match(spectrum.dp_id)
            row = (spectrum.dp_id, spectrum.target, spectrum.star, match)
            rows.append((*row, " ".join(sorted(lacking))))
    fields = ("dp_id", "target", "star", "match", "lacking")
    _write_csv(folder / UNLABELLED_NAME, fields, rows)


def path_to_text(path: Path) -> str:
    """Write a path such that `path_from_text` gives it back."""
    is_text = os.fsencode(path) == str(path).encode(errors="replace")
    return str(path) if is_text else path.absolute().as_uri()


def path_from_text(text: str) -> Path:
    """Undo `path_to_text`."""
    if text.startswith(_URI):  # str(Path) has no two slashes
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_URI))))
    return Path(text)


def _write_csv(
    path: Path, fields: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    # Row by row: an archive has hundreds of thousands. The folder is flushed later.
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(fields)
        for row in rows:
            writer.writerow(path_to_text(v) if isinstance(v, Path) else v for v in row)
