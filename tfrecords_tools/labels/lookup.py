"""Labels: what is known about a star or an exposure, beside its spectrum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.records.schema import LabelColumn

Match = Literal["matched", "missing", "ambiguous"]


class Exposure(NamedTuple):
    """What a spectrum says of itself, by which its labels are found."""

    dp_id: str
    target: str
    """As in the header."""
    star: str
    """Normalised name, from `star_name`."""
    ra: float
    """Right ascension [deg], NaN if unknown."""
    dec: float
    """Declination [deg], NaN if unknown."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The rows of a label table that are about some spectra."""

    path: Path
    """Of the table."""
    key: str
    """By what they were found: a column's name, or ``position``."""
    columns: tuple[LabelColumn, ...]
    values: Mapping[str, NDArray[np.generic]]
    """Float64 or str by column name, shape (n_rows,); NaN or "" is unknown."""
    ra: NDArray[np.float64]
    """Right ascension of the rows [deg], NaN where unknown, shape (n_rows,)."""
    dec: NDArray[np.float64]
    """Declination [deg], likewise."""
    rows: Mapping[str, int]
    """Row by dp_id."""
    ambiguous: frozenset[str]
    """Spectra with several rows that differ: none of these is used."""
    mismatch: str
    """Why no spectrum has a row; "" if one has."""
    notes: tuple[str, ...]
    """What the user should know of the table, a line each."""

    def match(self, dp_id: str) -> Match:
        """Tell whether there are labels for a spectrum."""
        if dp_id in self.ambiguous:
            return "ambiguous"
        return "matched" if dp_id in self.rows else "missing"

    def lookup(self, dp_id: str) -> dict[str, float | str]:
        """
        Find the labels of a spectrum.

        Parameters
        ----------
        dp_id : str
            Identifier of the data product.

        Returns
        -------
        labels : dict of str to float or str
            One value a column; NaN or "" where unknown, missing or ambiguous.
        """
        row = self.rows.get(dp_id)
        if row is None:
            return {
                c.name: "" if c.kind == "string" else math.nan for c in self.columns
            }
        return {c.name: self.values[c.name][row].item() for c in self.columns}

    def locate(self, dp_id: str) -> tuple[float, float]:
        """
        Find where the table says that a spectrum's star is.

        Parameters
        ----------
        dp_id : str
            Identifier of the data product.

        Returns
        -------
        ra, dec : float
            Right ascension and declination [deg]; NaN where unknown.
        """
        row = self.rows.get(dp_id)
        if row is None:
            return math.nan, math.nan
        return float(self.ra[row]), float(self.dec[row])

    def describe(self, stars: Mapping[str, str]) -> tuple[str, ...]:
        """
        Say how many spectra have labels, and what the user should know of the table.

        Parameters
        ----------
        stars : mapping of str to str
            Star of each spectrum, by dp_id.

        Returns
        -------
        lines : tuple of str
            The first has the counts.
        """
        found = {star for dp_id, star in stars.items() if dp_id in self.rows}
        n_found = sum(dp_id in self.rows for dp_id in stars)
        n_ambiguous = sum(dp_id in self.ambiguous for dp_id in stars)
        lines = [
            f"{n_found:,} of {len(stars):,} spectra, {len(found):,} of "
            f"{len(set(stars.values())):,} stars, have labels of {self.path}, found by "
            f"{self.key}"
        ]
        if n_ambiguous:
            lines.append(f"{n_ambiguous:,} spectra match rows that differ: no labels")
        notes = (self.mismatch, *self.notes) if self.mismatch else self.notes
        return (*lines, *(f"{self.path.name}: {note}" for note in notes))
