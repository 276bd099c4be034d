"""Readers of stellar spectra: FITS, HDF5, Parquet, numpy's npz and text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers import with_specutils
from tfrecords_tools.readers.assembly import build_spectrum
from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.fits_forms import describe_content, find_in_fits
from tfrecords_tools.readers.header import Cards, Header, PlainCards
from tfrecords_tools.readers.layout import Group, Layout, find_layouts
from tfrecords_tools.readers.metadata import (
    FITS_ENDINGS,
    TEXT_ENDINGS,
    Identity,
    is_metadata,
    name_product,
    read_identity,
    refuse_other_sources,
)
from tfrecords_tools.readers.pipelines import Pipeline, Traits, find_pipeline
from tfrecords_tools.readers.text import read_text
from tfrecords_tools.spectrum import Spectrum, SpectrumError

_NO_SPECUTILS = "specutils is not installed; it may know this form"
_BEGINNINGS = ((b"\x89HDF", "HDF5"), (b"PAR1", "Parquet"), (b"PK\x03\x04", "npz"))
_Scalars = dict[str, NDArray[np.generic]]


def scan_file(path: Path) -> list[Identity]:
    """
    List the spectra in a file, without reading them.

    Parameters
    ----------
    path : Path
        A file of any form that `read_spectrum` knows.

    Returns
    -------
    identities : list of Identity
        The place in this list is the number by which `read_spectrum` reads one.

    Raises
    ------
    SpectrumError
        If the file cannot be read or holds no spectrum; the message is the reason,
        without the path.
    """
    kind = _find_kind(path)
    if kind != "FITS":
        with _open_other(path, kind) as content:
            return list(content.identities())
    with FitsFile(path, headers_only=True) as file:
        if _promises_one(file):
            identity = read_identity(name_product(path), (file.primary.header,))
            if identity.is_complete:  # the other headers have no more to say
                return [identity]
        content = _look_into(file)
        if content.found:
            return list(content.identities())
        _refuse_without_specutils(file)
        return [read_identity(name_product(path), content.cards)]


def read_spectrum(
    path: Path, index: int | None = None, *, verify_checksums: bool = True
) -> Spectrum:
    """
    Read a spectrum, of whichever form the file's content has.

    Parameters
    ----------
    path : Path
        FITS, plain, gzipped or compressed in tiles; HDF5, Parquet, npz; text.
    index : int, optional
        Number of the spectrum in the file, from 0, as `scan_file` lists them. It must
        be given for a file of several.
    verify_checksums : bool, default True
        Whether to refuse a FITS file that does not fit its CHECKSUM.

    Returns
    -------
    spectrum : Spectrum
        As the file has it, in Angstrom, with NaN for flagged pixels.

    Raises
    ------
    SpectrumError
        If the file cannot be read or holds no valid spectrum; the message is the
        reason, without the path.

    Examples
    --------
    >>> from tfrecords_tools.readers import read_spectrum
    >>> spectrum = read_spectrum(min(Path("fits").glob("*.fits")))
    >>> spectrum.medium, spectrum.metadata.specsys
    ('air', 'BARYCENT')
    """
    kind = _find_kind(path)
    if kind != "FITS":
        with _open_other(path, kind) as content:
            return _read(content, index)
    with FitsFile(path, verify_checksums=verify_checksums) as file:
        content = _look_into(file)
        if not content.found:
            return _read_as_anything(file, content)
        if content.n_spectra > 1:
            if _promises_one(file):
                raise SpectrumError(
                    f"holds {content.n_spectra} spectra, though its PRODCATG says one"
                )
            file.keep_unzipped()
        return _read(content, index)


def _read(content: _Content, index: int | None) -> Spectrum:
    if index is None and content.n_spectra > 1:
        names = [identity.dp_id for identity in content.identities()]
        raise SpectrumError(
            f"holds {len(names)} spectra, {names[0]} to {names[-1]}: read one by its "
            f"index, 0 to {len(names) - 1}"
        )
    return content.read(index or 0)


def _find_kind(path: Path) -> str:
    """Tell what a file is by its first bytes; a text, which has none, by its name."""
    name = path.name.lower()
    # A device or pipe is not opened, and a folder neither.
    if name.endswith(FITS_ENDINGS) or not path.is_file():
        return "FITS"
    try:
        with path.open("rb") as stream:
            begin = stream.read(8)
    except OSError:
        return "FITS"  # which tells the reason
    kind = next((k for mark, k in _BEGINNINGS if begin.startswith(mark)), "")
    if kind:
        return kind
    is_fits = begin.startswith((b"SIMPLE", b"\x1f\x8b"))
    return "text" if name.endswith(TEXT_ENDINGS) and not is_fits else "FITS"


@contextmanager
def _open_other(path: Path, kind: str) -> Iterator[_Content]:
    if kind == "text":
        group, cards = read_text(path)
        yield _collect(path, [group], (cards,))
        return
    # Not above: a worker that reads FITS needs none of it.
    from tfrecords_tools.readers import arrays

    with arrays.OPENERS[kind](path) as (groups, of_file):
        yield _collect(path, groups, of_file)


def _collect(path: Path, groups: Sequence[Group], cards: tuple[Cards, ...]) -> _Content:
    empty = Header("")
    found = [
        (layout, find_pipeline(Traits(empty, empty, group.names)))
        for group in groups
        for layout in find_layouts(group)
    ]
    if not found:
        names = ", ".join(sorted(name for group in groups for name in group.names))
        raise SpectrumError(
            f"no flux with wavelengths: the columns are {names or 'none'}"
        )
    return _Content(path, found, cards)


def _look_into(file: FitsFile) -> _Content:
    headers = tuple(hdu.header for hdu in file.hdus)
    return _Content(file.path, find_in_fits(file), headers)


def _promises_one(file: FitsFile) -> bool:
    """Tell whether it is a product of ESO's that by their standard has one spectrum."""
    return file.primary.header.text("PRODCATG") == "SCIENCE.SPECTRUM"


def _refuse_without_specutils(file: FitsFile) -> None:
    reason = describe_content(file)
    if not any(hdu.data_size for hdu in file.hdus):
        raise SpectrumError(reason)
    if not with_specutils.is_installed():
        raise SpectrumError(f"{reason} ({_NO_SPECUTILS})")


def _read_as_anything(file: FitsFile, content: _Content) -> Spectrum:
    _refuse_without_specutils(file)
    reason = describe_content(file)
    file.check_sizes()
    try:
        spectrum = with_specutils.read_with_specutils(file, content.cards)
    except SpectrumError as error:
        raise SpectrumError(f"{reason} ({error})") from None
    if spectrum is None:
        raise SpectrumError(reason)
    return spectrum


@dataclass(frozen=True)
class _Content:
    """What spectra an open file holds."""

    path: Path
    found: Sequence[tuple[Layout, Pipeline | None]]
    """One spectrum, or a row of them, each."""
    cards: tuple[Cards, ...]
    """Headers of the file: the first of all, then those of its units."""

    @cached_property
    def n_spectra(self) -> int:
        """How many there are."""
        return sum(len(layout.rows) for layout, _ in self.found)

    def identities(self) -> Iterator[Identity]:
        """Tell whose spectra they are, in the order of their numbers."""
        for number, (layout, _) in enumerate(self.found):
            rows = layout.rows
            reads = layout.is_of_many_stars or len(rows) == 1
            scalars = layout.group.scalars(slice(None)) if reads else {}
            for row in rows:
                yield self._identify(number, row, _pick(scalars, row))

    def read(self, index: int) -> Spectrum:
        """Read one of them, by its number from 0, as the file has it."""
        number, row = self._locate(index)
        layout, pipeline = self.found[number]
        one = slice(row, row + 1)
        scalars = layout.group.scalars(one) if not layout.row_keys else {}
        values = _pick(scalars, 0)
        cards = self._cards_of(layout, values)
        refuse_other_sources(cards, name_product(self.path))
        identity = self._identify(number, row, values)
        return build_spectrum(layout, row, identity, cards, pipeline)

    def _locate(self, index: int) -> tuple[int, int]:
        """Return the numbers of the layout and of the row in it."""
        left = index
        for number, (layout, _) in enumerate(self.found):
            rows = layout.rows
            if 0 <= left < len(rows):
                return number, rows[left]
            left -= len(rows)
        raise SpectrumError(f"has {self.n_spectra} spectra, none of number {index}")

    def _identify(self, number: int, row: int, values: dict[str, object]) -> Identity:
        layout, _ = self.found[number]
        dp_id = self._name(number, row)
        if not layout.is_of_many_stars:
            return read_identity(dp_id, self._cards_of(layout, values))
        names = [v for name, v in values.items() if name.upper() == "NAME"]
        cards = [_to_cards(values), PlainCards({"OBJECT": names[0] if names else ""})]
        identity = read_identity(dp_id, cards)
        if not layout.group.is_catalogue:
            return identity
        labels = {
            name: _to_label(value)
            for name, value in values.items()
            if not is_metadata(name)
        }
        return replace(identity, labels=labels)

    def _name(self, number: int, row: int) -> str:
        """Return the file's name, and behind it what tells its spectra apart."""
        layout, _ = self.found[number]
        if layout.group.ids is not None:
            return layout.group.ids()[row]
        name = name_product(self.path)
        if self.n_spectra == 1:
            return name
        parts = [self._layout_names[number]] if len(self.found) > 1 else []
        if layout.row_keys:
            parts.append(layout.row_keys[row])
        elif layout.n_rows > 1:
            parts.append(str(row))
        return f"{name}#{'.'.join(parts)}"

    @cached_property
    def _layout_names(self) -> list[str]:
        """Names of the units, with their numbers where these are not enough."""
        names = [
            " ".join(part for part in (layout.group.name, layout.key) if part)
            for layout, _ in self.found
        ]
        n_times = Counter(names)
        return [
            name if name and n_times[name] == 1 else f"{name}{i}"
            for i, name in enumerate(names)
        ]

    def _cards_of(self, layout: Layout, values: dict[str, object]) -> tuple[Cards, ...]:
        row = (_to_cards(values),) if values else ()
        if layout.is_of_many_stars:
            return (*row, *layout.group.cards, *self.cards)
        if self.n_spectra == 1:
            own = layout.group.cards  # of a folder of HDF5: those of FITS are in cards
            own = tuple(c for c in own if all(c is not one for one in self.cards))
            return (*own, *self.cards, *row)
        return (*layout.group.cards, *self.cards[:1], *row)


def _pick(scalars: _Scalars, row: int) -> dict[str, object]:
    return {name: _to_python(values[row]) for name, values in scalars.items()}


def _to_python(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    return value


def _to_cards(values: dict[str, object]) -> Cards:
    return PlainCards({name.upper(): value for name, value in values.items()})


def _to_label(value: object) -> float | str:
    if isinstance(value, bool | int | float):
        return float(value)
    return "" if value is None else str(value)
