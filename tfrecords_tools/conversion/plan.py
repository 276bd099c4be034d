"""Which file goes to which shard, decided from the headers alone."""

from __future__ import annotations

import csv
import filecmp
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path
from sys import intern
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.lookup import Labels
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.readers import scan_file as list_spectra
from tfrecords_tools.readers.metadata import Identity
from tfrecords_tools.records.layout import (
    ASSUMPTIONS_NAME,
    DATASET_NAME,
    PLAN_NAME,
    REJECTS_NAME,
    UNLABELLED_NAME,
)
from tfrecords_tools.spectrum import SpectrumError
from tfrecords_tools.split import SPLITS, Split, order_key, split_of
from tfrecords_tools.star import star_of

_URI = "file://"
_N_LOOKED_INTO, _SHARE_LOOKED_INTO = 16, 1 / 64
"""Spectra at most, and of all: reading them twice must not show in the time."""
_NO_LABELS: dict[str, float | str] = {}
"""One for all spectra without."""
_PLAN_FIELDS = (
    *("split", "shard", "dp_id", "target", "star"),
    *("ra", "dec", "mjd", "path", "spectrum"),
)


class PlannedSpectrum(NamedTuple):
    """A spectrum of a file with what is said of where its record goes."""

    path: Path
    number: int
    """Number of the spectrum in the file, from 0."""
    dp_id: str
    target: str
    """As in the header."""
    star: str
    """Normalised name; of its own for a file without target."""
    ra: float
    """Right ascension [deg]."""
    dec: float
    """Declination [deg]."""
    mjd: float
    """Modified Julian date of the start [d]."""
    split: Split
    labels: dict[str, float | str]
    """What a catalogue of spectra has of this one beside its metadata, by name."""
    n_bytes: int
    """Size of the file when its headers were read."""
    mtime_ns: int
    """Time of its last change by then [ns]."""

    @property
    def is_current(self) -> bool:
        """Whether the file is as it was when its headers were read."""
        return _state_of(self.path) == (self.n_bytes, self.mtime_ns)


class Reject(NamedTuple):
    """A file, or a spectrum of it, that is not taken."""

    path: Path
    reason: str
    """One line."""
    number: int | None = None
    """Number of the spectrum in the file; None for the whole of it."""


class Assumption(NamedTuple):
    """Something taken for granted of a spectrum, since its file does not say it."""

    path: Path
    spectrum: int
    """Its number in the file, from 0."""
    dp_id: str
    assumption: str


class Scan(NamedTuple):
    """What the headers of all inputs say."""

    spectra: list[PlannedSpectrum]
    rejects: list[Reject]
    share_with_errors: float = 0.0
    """Of the spectra, about: by which the size of shards is planned."""


class ShardPlan(NamedTuple):
    """The files of one shard."""

    split: Split
    number: int
    """From 0."""
    n_shards: int
    """Of the split."""
    spectra: tuple[PlannedSpectrum, ...]
    """In the order of the records."""

    @property
    def file(self) -> str:
        """Name of the shard, by which TensorFlow Datasets finds it."""
        shard = f"{self.number:05d}-of-{self.n_shards:05d}"
        return f"{DATASET_NAME}-{self.split}.tfrecord-{shard}"


def scan_file(path: Path, config: ConvertConfig) -> list[PlannedSpectrum | Reject]:
    """
    List the spectra of one input.

    Parameters
    ----------
    path : Path
        The file.
    config : ConvertConfig
        Names and splits of the stars.

    Returns
    -------
    scanned : list of PlannedSpectrum or Reject
        What they are, or why the file is not taken.
    """
    state = _state_of(path)  # before it is read: what changes meanwhile is noticed
    try:
        identities = list_spectra(path)
    except SpectrumError as error:
        return [Reject(path, str(error))]
    return [
        _plan(path, i, identity, state, config) for i, identity in enumerate(identities)
    ]


def has_changed(scan: Scan) -> bool:
    """
    Tell whether files are others than when their headers were read.

    Parameters
    ----------
    scan : Scan
        What the headers said.

    Returns
    -------
    answer : bool
        A file that is gone does not count: whoever reads it will tell.
    """
    by_file = {spectrum.path: spectrum for spectrum in scan.spectra}
    return any(p.exists() and not s.is_current for p, s in by_file.items())


def _state_of(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _plan(
    path: Path,
    number: int,
    identity: Identity,
    state: tuple[int, int],
    config: ConvertConfig,
) -> PlannedSpectrum:
    star = star_of(identity.target, identity.dp_id, config.aliases)
    kept_together = star if config.split_by == "star" else identity.dp_id
    return PlannedSpectrum(
        path=path,
        number=number,
        dp_id=identity.dp_id,
        target=intern(identity.target),  # one text for all spectra of a star
        star=intern(star),
        ra=identity.ra,
        dec=identity.dec,
        mjd=identity.mjd,
        split=split_of(kept_together, config.split, config.split_salt),
        labels=dict(identity.labels) if identity.labels else _NO_LABELS,
        n_bytes=state[0],
        mtime_ns=state[1],
    )


def merge_scans(
    scanned: Iterable[PlannedSpectrum | Reject], config: ConvertConfig
) -> Scan:
    """
    Take each product once.

    Parameters
    ----------
    scanned : iterable of PlannedSpectrum or Reject
        From `scan_file` of all inputs; of those with the same dp_id the first that can
        be read is taken, since another may be a download that broke off.
    config : ConvertConfig
        Whether checksums count.

    Returns
    -------
    scan : Scan
        Each spectrum is in one of its lists.
    """
    copies: dict[str, list[PlannedSpectrum]] = {}
    rejects: list[Reject] = []
    for item in scanned:
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            copies.setdefault(item.dp_id, []).append(item)
    spectra = []
    for members in copies.values():
        taken = _choose_copy(members, config)
        spectra.append(taken)
        rejects += [_duplicate(m, taken) for m in members if m is not taken]
    return Scan(spectra, rejects)


def estimate_errors(spectra: Sequence[PlannedSpectrum], config: ConvertConfig) -> float:
    """
    Look into a few spectra for errors of the flux, which no header promises.

    Parameters
    ----------
    spectra : sequence of PlannedSpectrum
        From `merge_scans`.
    config : ConvertConfig
        Whether errors are stored at all.

    Returns
    -------
    share : float
        Of those looked into that can be read, the ones with errors; 0 without any.
    """
    if config.store_errors == "no":
        return 0.0
    n_enough = max(1.0, _SHARE_LOOKED_INTO * len(spectra))
    has_errors: list[bool] = []
    for spectrum in nsmallest(_N_LOOKED_INTO, spectra, lambda s: order_key(s.dp_id)):
        with suppress(SpectrumError):
            read = read_spectrum(
                spectrum.path, spectrum.number, verify_checksums=config.verify_checksums
            )
            has_errors.append(read.error is not None)
        if len(has_errors) >= n_enough:
            break
    return sum(has_errors) / len(has_errors) if has_errors else 0.0


def _choose_copy(
    members: Sequence[PlannedSpectrum], config: ConvertConfig
) -> PlannedSpectrum:
    if len(members) > 1:
        for member in members:
            with suppress(SpectrumError):
                read_spectrum(
                    member.path, member.number, verify_checksums=config.verify_checksums
                )
                return member
    return members[0]


def _duplicate(copy: PlannedSpectrum, taken: PlannedSpectrum) -> Reject:
    try:
        same = filecmp.cmp(copy.path, taken.path, shallow=False)
    except OSError:
        same = False
    reason = f"duplicate of {printable(taken.path)}"
    told = reason if same else f"{reason}, with other content"
    return Reject(copy.path, told, copy.number)


def plan_shards(
    spectra: Sequence[PlannedSpectrum], n_per_shard: int
) -> list[ShardPlan]:
    """
    Distribute spectra over shards.

    Parameters
    ----------
    spectra : sequence of PlannedSpectrum
        Their order does not matter.
    n_per_shard : int
        The most records a shard holds.

    Returns
    -------
    plans : list of ShardPlan
        Within a split ordered by hash of dp_id and of even size.
    """
    plans = []
    for split in SPLITS:
        members = [spectrum for spectrum in spectra if spectrum.split == split]
        members.sort(key=lambda spectrum: order_key(spectrum.dp_id))
        n_shards = -(-len(members) // n_per_shard)
        for number in range(n_shards):
            start = len(members) * number // n_shards
            stop = len(members) * (number + 1) // n_shards
            plans.append(ShardPlan(split, number, n_shards, tuple(members[start:stop])))
    return plans


def write_plan(plans: Iterable[ShardPlan], folder: Path) -> None:
    """
    Write plan.csv: what the header scan found, and the shard of each file.

    Parameters
    ----------
    plans : iterable of ShardPlan
        Of all splits.
    folder : Path
        The data set.
    """
    rows = (
        (
            *(p.split, p.number, s.dp_id, s.target, s.star, s.ra, s.dec, s.mjd, s.path),
            s.number,
        )
        for p in plans
        for s in p.spectra
    )
    _write_csv(folder / PLAN_NAME, _PLAN_FIELDS, rows)


def write_rejects(rejects: Iterable[Reject], folder: Path) -> None:
    """
    Write rejects.csv: path, reason and number of every spectrum that is not taken.

    Parameters
    ----------
    rejects : iterable of Reject
        In any order; they are sorted by path.
    folder : Path
        The data set.
    """
    rows = [(r.path, r.reason, "" if r.number is None else r.number) for r in rejects]
    rows.sort(key=lambda row: (row[0], str(row[2])))
    _write_csv(folder / REJECTS_NAME, ("path", "reason", "spectrum"), rows)


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


def printable(path: Path) -> str:
    """Write a path as valid Unicode."""
    return os.fsencode(path).decode(errors="backslashreplace")


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
