"""Reading tables of labels, and finding the rows of spectra."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import angular_separation

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.labels.files import LabelError
from tfrecords_tools.labels.keys import (
    AUTO,
    GAIA_COLUMNS,
    POSITION,
    STAR_COLUMNS,
    Key,
    has_lost_digits,
    list_keys,
)
from tfrecords_tools.labels.lookup import Exposure, Labels
from tfrecords_tools.labels.positions import Positions, read_positions
from tfrecords_tools.labels.table import LabelTable, read_label_table
from tfrecords_tools.labels.values import list_names
from tfrecords_tools.records.schema import SPECTRUM_NAMES

_FAR = 1.0
"""A star stands this far from the table's position only by mistake [deg]."""


def read_catalog(path: Path, config: ConvertConfig) -> Catalog:
    """
    Read a table of labels that can be looked up.

    Parameters
    ----------
    path : Path
        As for `read_label_table`. It needs a column ``dp_id``, or one with names of
        stars (``target``, ``star``, ``object``, ``name``, ``main_id``, ... in any
        case), identifiers of Gaia (``source_id``), or two with positions (``ra`` and
        ``dec``, ...). A table without header has names in its first column.
    config : ConvertConfig
        What is missing, and how rows are found.

    Returns
    -------
    catalog : Catalog
        All columns but those that every record has of its own, and the positions.

    Raises
    ------
    LabelError
        If the file cannot be read as a table, has nothing by which rows are found, or
        nothing else.
    """
    table = read_label_table(path, config)
    positions = read_positions(table.cells)
    keys = list_keys(table.cells, positions, config)
    if not keys:
        raise LabelError(f"{path}: {_describe_lack(table, config.label_key)}")
    not_labels = {*SPECTRUM_NAMES, *(positions.names if positions else ())}
    catalog = Catalog(path, table, positions, tuple(keys), frozenset(not_labels))
    if positions is None and not catalog.label_names(keys[0]):
        raise LabelError(f"{path}: has no column of labels beside {keys[0].name!r}")
    return catalog


@dataclass(frozen=True, eq=False)
class Catalog:
    """A table of labels that can be looked up."""

    path: Path
    table: LabelTable
    positions: Positions | None
    keys: tuple[Key, ...]
    """By what rows are found, in the order in which it is tried; at least one."""
    not_labels: frozenset[str]
    """Columns that are known of every spectrum."""

    def label_names(self, key: Key) -> list[str]:
        """List the columns that are labels."""
        return [n for n in self.table.readings if n not in {*self.not_labels, key.name}]

    def find(self, exposures: Sequence[Exposure]) -> Labels:
        """
        Find the rows of spectra.

        Parameters
        ----------
        exposures : sequence of Exposure
            The spectra.

        Returns
        -------
        labels : Labels
            Found by the first key that finds any.
        """
        key, found = self.keys[0], [list[int]() for _ in exposures]
        for tried in self.keys:
            rows_of = tried.find(exposures)
            if any(rows_of):
                key, found = tried, rows_of
                break
        names = self.label_names(key)
        rows, ambiguous = self._choose_rows(exposures, found, names)
        used, places = np.unique(
            np.array([*rows.values()], np.intp), return_inverse=True
        )
        unknown = np.full(used.size, np.nan)
        at, readings = self.positions, self.table.readings
        return Labels(
            path=self.path,
            key=key.name,
            columns=tuple(c for c in self.table.columns if c.name in names),
            values={name: readings[name].values[used] for name in names},
            ra=unknown if at is None else at.ra[used],
            dec=unknown if at is None else at.dec[used],
            rows=dict(zip(rows, places.tolist(), strict=True)),
            ambiguous=ambiguous,
            mismatch="" if rows else self._describe_mismatch(exposures, ambiguous),
            notes=(*self._describe(key, names), *self._describe_far(exposures, rows)),
        )

    def _choose_rows(
        self,
        exposures: Sequence[Exposure],
        found: Sequence[Sequence[int]],
        names: Sequence[str],
    ) -> tuple[dict[str, int], frozenset[str]]:
        """Return a row by dp_id, and the spectra whose rows differ."""
        values = [self.table.readings[name].values for name in names]
        rows: dict[str, int] = {}
        ambiguous: set[str] = set()
        for exposure, candidates in zip(exposures, found, strict=True):
            first, *others = candidates or [-1]
            if not all(_same(v[first], v[row]) for row in others for v in values):
                ambiguous.add(exposure.dp_id)
            elif candidates:
                rows[exposure.dp_id] = first
        return rows, frozenset(ambiguous)

    def _describe(self, key: Key, labels: Sequence[str]) -> Iterator[str]:
        yield from self.table.describe(labels)
        if self.positions is not None:
            yield from self.positions.notes
        left_out = [n for n in self.table.readings if n in self.not_labels - {key.name}]
        if left_out:
            names = list_names(left_out)
            yield f"not taken as labels, for records hold them anyway: {names}"
        for cells in self.table.cells:
            if cells.name.lower() in GAIA_COLUMNS and has_lost_digits(cells):
                yield (
                    f"{cells.name} has lost digits, for it was written as floats; "
                    "write it as integers, and spectra can be found by it"
                )

    def _describe_mismatch(
        self, exposures: Sequence[Exposure], ambiguous: Collection[str]
    ) -> str:
        if not exposures:
            return ""
        if ambiguous:
            return (
                f"every row about one of the {len(exposures):,} spectra has another "
                "that differs: keep one of them"
            )
        reasons = "; ".join(key.compare(exposures) for key in self.keys)
        return (
            f"no row is about any of the {len(exposures):,} spectra: {reasons}; "
            "correct them, or set convert.label_key to another column or to position"
        )

    def _describe_far(
        self, exposures: Sequence[Exposure], rows: Mapping[str, int]
    ) -> Iterator[str]:
        """Say which spectra are elsewhere on the sky than their rows."""
        if self.positions is None:
            return
        matched = [e for e in exposures if e.dp_id in rows]
        row = np.array([rows[e.dp_id] for e in matched], np.intp)
        here = np.array([(e.ra, e.dec) for e in matched]).reshape(-1, 2)
        there = np.stack([self.positions.ra[row], self.positions.dec[row]], axis=1)
        distance = angular_separation(*np.radians(here.T), *np.radians(there.T))
        far = np.flatnonzero(np.degrees(distance) > _FAR)
        if far.size:
            first = far[0]
            places = [f"{ra:.3f} {dec:+.3f}" for ra, dec in (here[first], there[first])]
            yield (
                f"{far.size:,} spectra are more than {_FAR:g} deg from their rows; "
                f"{matched[first].dp_id} is at {places[0]} by its header and at "
                f"{places[1]} by the table"
            )


def _describe_lack(table: LabelTable, label_key: str) -> str:
    names = ", ".join(cells.name for cells in table.cells)
    if label_key == AUTO:
        return (
            f"no key column; it needs dp_id, one of {', '.join(STAR_COLUMNS)}, "
            f"source_id, or ra and dec, but its columns are {names}"
        )
    lack = "ra and dec" if label_key == POSITION else f"column {label_key!r}"
    return f"has no {lack}, which convert.label_key asks for; its columns are {names}"


def _same(a: np.generic, b: np.generic) -> bool:
    return bool(a == b) or (a != a and b != b)
