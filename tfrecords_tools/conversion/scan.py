"""What the headers of all inputs say: kept in a file, since there may be any number."""

from __future__ import annotations

import filecmp
import json
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.lookup import Labels
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.readers import scan_file as list_spectra
from tfrecords_tools.readers.metadata import Identity
from tfrecords_tools.spectrum import SpectrumError
from tfrecords_tools.split import SPLITS, Split, order_key, split_of
from tfrecords_tools.star import star_of

_N_LOOKED_INTO, _SHARE_LOOKED_INTO = 16, 1 / 64
"""Spectra at most, and of all: reading them twice must not show in the time."""
_KEY_BYTES = 16
"""Of the key by which records are ordered: no two products share as many."""


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
        return state_of(self.path) == (self.n_bytes, self.mtime_ns)

    @property
    def has_position(self) -> bool:
        """Whether right ascension and declination are known."""
        return math.isfinite(self.ra + self.dec)

    def placed(self, labels: Labels | None) -> PlannedSpectrum:
        """
        Take the position of a label table where the header lacks one.

        Parameters
        ----------
        labels : Labels or None
            What is known.

        Returns
        -------
        spectrum : PlannedSpectrum
            With a position if there is one.
        """
        if labels is None or self.has_position:
            return self
        ra, dec = labels.locate(self.dp_id)
        is_known = math.isfinite(ra + dec)
        return self._replace(ra=ra, dec=dec) if is_known else self


class Reject(NamedTuple):
    """A file, or a spectrum of it, that is not taken."""

    path: Path
    reason: str
    """One line."""
    number: int | None = None
    """Number of the spectrum in the file; None for the whole of it."""


@dataclass(frozen=True, eq=False)
class StoredSpectra:
    """Spectra in a file, read whenever they are asked for."""

    path: Path
    """Each is a line of JSON."""
    starts: NDArray[np.int64]
    """Byte at which each begins, shape (n_spectra,)."""

    def __len__(self) -> int:
        return self.starts.size

    def __iter__(self) -> Iterator[PlannedSpectrum]:
        for line in self.lines():
            path, *rest = json.loads(line)
            yield PlannedSpectrum(Path(path), *rest)

    def lines(self) -> Iterator[bytes]:
        """
        Read them as they are written.

        Yields
        ------
        line : bytes
            Of JSON; of equal spectra the same.
        """
        with self.path.open("rb") as stream:
            for start in self.starts:
                stream.seek(start)
                yield stream.readline()

    def take(self, places: NDArray[np.intp]) -> StoredSpectra:
        """Choose some by their places, in this order."""
        return StoredSpectra(self.path, self.starts[places])

    def read_order(self) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """
        Tell what the order of records depends on.

        Returns
        -------
        splits : ndarray of uint8
            Number of each one's split in `SPLITS`, shape (n_spectra,).
        order : ndarray of intp
            Places of the spectra, ordered by the hash of their dp_id, same shape.
        """
        keys, splits = bytearray(), bytearray()
        for spectrum in self:
            keys += order_key(spectrum.dp_id)[:_KEY_BYTES]
            splits.append(SPLITS.index(spectrum.split))
        return np.frombuffer(splits, np.uint8), np.lexsort(_to_numbers(keys)[::-1])


class Scan(NamedTuple):
    """What the headers of all inputs say."""

    spectra: StoredSpectra
    rejects: list[Reject]
    share_with_errors: float = 0.0
    """Of the spectra, about: by which the size of shards is planned."""


def scan_file(
    path: str | Path, config: ConvertConfig
) -> list[PlannedSpectrum | Reject]:
    """
    List the spectra of one input.

    Parameters
    ----------
    path : str or Path
        The file.
    config : ConvertConfig
        Names and splits of the stars.

    Returns
    -------
    scanned : list of PlannedSpectrum or Reject
        What they are, or why the file is not taken.
    """
    path = Path(path)
    state = state_of(path)  # before it is read: what changes meanwhile is noticed
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
    last = None
    for spectrum in scan.spectra:
        if spectrum.path != last and spectrum.path.exists() and not spectrum.is_current:
            return True
        last = spectrum.path
    return False


def state_of(path: Path) -> tuple[int, int]:
    """
    Tell by what a change of a file is seen.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    n_bytes, mtime_ns : int
        Its size and the time of its last change [ns]; -1 if it is not there.
    """
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
        target=identity.target,
        star=star,
        ra=identity.ra,
        dec=identity.dec,
        mjd=identity.mjd,
        split=split_of(kept_together, config.split, config.split_salt),
        labels={
            name: _unless_missing(value, config.missing_values)
            for name, value in identity.labels.items()
        },
        n_bytes=state[0],
        mtime_ns=state[1],
    )


def _unless_missing(value: float | str, missing: Iterable[float | str]) -> float | str:
    if isinstance(value, str):
        return "" if value in map(str, missing) else value
    numbers = (n for n in missing if not isinstance(n, str))
    # A column of float32 holds -99.99 to seven digits only.
    is_missing = any(math.isclose(value, number, rel_tol=1e-6) for number in numbers)
    return math.nan if is_missing else value


def write_scan(
    scanned: Iterable[PlannedSpectrum | Reject],
    path: Path,
    config: ConvertConfig,
    n_in_a_shard: int = 0,
) -> None:
    """
    Write what the headers of all inputs say, each product once.

    Parameters
    ----------
    scanned : iterable of PlannedSpectrum or Reject
        From `scan_file` of all inputs; of those with the same dp_id the first that can
        be read is taken, since another may be a download that broke off.
    path : Path
        The file, for `read_scan`: a line for each spectrum, one for the others.
    config : ConvertConfig
        Whether checksums count, and errors are stored.
    n_in_a_shard : int, default 0
        Spectra that fit into one shard even with errors: of so few none is looked into.
    """
    rejects: list[Reject] = []
    starts, end = array("q"), 0
    keys_so_far = bytearray()
    with path.open("wb") as stream:
        for item in scanned:
            if isinstance(item, Reject):
                rejects.append(item)
            else:
                starts.append(end)
                end += stream.write(_to_line([str(item.path), *item[1:]]))
                keys_so_far += order_key(item.dp_id)[:_KEY_BYTES]
    spectra = StoredSpectra(path, np.array(starts, np.int64))
    keys = _to_numbers(keys_so_far)
    order = np.lexsort(keys[::-1])  # stable: copies stay in their order
    copies = _find_copies(spectra, keys, order, config)
    with path.open("ab") as stream:
        rows = [[str(path), *rest] for path, *rest in (*rejects, *copies.values())]
        first = order[~np.isin(order, list(copies))][:_N_LOOKED_INTO]
        n_taken, share = len(spectra) - len(copies), 0.0
        if n_taken > n_in_a_shard:
            share = estimate_errors(spectra.take(first), n_taken, config)
        stream.write(_to_line([rows, list(copies), share]))


def read_scan(path: Path) -> Scan:
    """
    Read what the headers of all inputs say.

    Parameters
    ----------
    path : Path
        From `write_scan`.

    Returns
    -------
    scan : Scan
        Its spectra stay in the file.
    """
    starts, end, line = array("q"), 0, b""
    with path.open("rb") as stream:
        for line in stream:
            starts.append(end)
            end += len(line)
    rows, copies, share = json.loads(line)
    rejects = [Reject(Path(path), *rest) for path, *rest in rows]
    kept = np.delete(np.array(starts[:-1], np.int64), copies)
    return Scan(StoredSpectra(path, kept), rejects, share)


def _to_numbers(keys: bytearray) -> NDArray[np.uint64]:
    """
    Turn the keys of spectra into numbers that sort as they do.

    Shape (2, n_spectra), of equal columns if the dp_ids are equal: the first row counts
    before the second.
    """
    return np.frombuffer(keys, ">u8").astype(np.uint64).reshape(-1, 2).T


def _to_line(row: list[object]) -> bytes:
    return f"{json.dumps(row)}\n".encode("ascii")


def estimate_errors(
    spectra: Iterable[PlannedSpectrum], n_taken: int, config: ConvertConfig
) -> float:
    """
    Look into a few spectra for errors of the flux, which no header promises.

    Parameters
    ----------
    spectra : iterable of PlannedSpectrum
        A few, in the order of the records.
    n_taken : int
        Number of all.
    config : ConvertConfig
        Whether errors are stored at all.

    Returns
    -------
    share : float
        Of those looked into that can be read, the ones with errors; 0 without any.
    """
    if config.store_errors == "no":
        return 0.0
    n_enough = max(1.0, _SHARE_LOOKED_INTO * n_taken)
    has_errors: list[bool] = []
    for spectrum in spectra:
        with suppress(SpectrumError):
            read = read_spectrum(spectrum.path, spectrum.number, verify_checksums=False)
            has_errors.append(read.error is not None)
        if len(has_errors) >= n_enough:
            break
    return sum(has_errors) / len(has_errors) if has_errors else 0.0


def _find_copies(
    spectra: StoredSpectra,
    keys: NDArray[np.uint64],
    order: NDArray[np.intp],
    config: ConvertConfig,
) -> dict[int, Reject]:
    """Find, by their places, the spectra of which another is taken."""
    follows = np.zeros(order.size + 1, bool)  # a copy of itself; none behind the last
    follows[1:-1] = (keys[:, order[1:]] == keys[:, order[:-1]]).all(axis=0)
    is_copied = follows[:-1] | follows[1:]
    places, begins = order[is_copied], np.flatnonzero(~follows[:-1][is_copied])
    copies: dict[int, Reject] = {}
    for begin, end in pairwise((*begins, places.size)):
        group = places[begin:end]
        members = list(spectra.take(group))
        taken = _choose_copy(members, config)
        for place, member in zip(group.tolist(), members, strict=True):
            if member is not taken:
                copies[place] = _duplicate(member, taken)
    return copies


def _choose_copy(
    members: Sequence[PlannedSpectrum], config: ConvertConfig
) -> PlannedSpectrum:
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


def printable(path: Path) -> str:
    """Write a path as valid Unicode."""
    return os.fsencode(path).decode(errors="backslashreplace")
