"""The spectra in a file: how many, whose, and each of them read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.assembly import build_spectrum
from tfrecords_tools.readers.header import Cards, PlainCards
from tfrecords_tools.readers.layout import Layout
from tfrecords_tools.readers.metadata import (
    Identity,
    is_metadata,
    name_product,
    read_identity,
    refuse_other_sources,
)
from tfrecords_tools.readers.pipelines import Pipeline
from tfrecords_tools.spectrum import Spectrum, SpectrumError

Scalars = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Content:
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
        """
        Tell whose spectra they are.

        Yields
        ------
        identity : Identity
            In the order of their numbers.
        """
        for number, (layout, _) in enumerate(self.found):
            rows = layout.rows
            reads = layout.is_of_many_stars or len(rows) == 1
            scalars = layout.group.scalars(slice(None)) if reads else {}
            for row in rows:
                yield self._identify(number, row, _pick(scalars, row))

    def read(self, index: int) -> Spectrum:
        """
        Read one of them.

        Parameters
        ----------
        index : int
            Its number, from 0.

        Returns
        -------
        spectrum : Spectrum
            As the file has it.

        Raises
        ------
        SpectrumError
            If there is none of that number, or it is not a star's valid spectrum.
        """
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
            return (*self.cards, *row)
        return (*layout.group.cards, *self.cards[:1], *row)


def _pick(scalars: Scalars, row: int) -> dict[str, object]:
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
