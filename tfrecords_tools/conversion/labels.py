"""Labels: what is known about a star or an exposure, beside its spectrum."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.records.schema import LabelColumn

Match = Literal["matched", "missing", "ambiguous"]


@dataclass(frozen=True, eq=False)
class Labels:
    """A table of labels, found by exposure or by star."""

    path: Path
    key: Literal["dp_id", "star"]
    """By what a row is found."""
    columns: tuple[LabelColumn, ...]
    values: Mapping[str, NDArray[np.generic]]
    """Float64 or str by column name, shape (n_rows,); NaN or "" is unknown."""
    rows: Mapping[str, int]
    """Row by key."""
    ambiguous: frozenset[str]
    """Keys of several rows that differ: none of these rows is used."""

    def match(self, dp_id: str, star: str) -> Match:
        """
        Tell whether there are labels for an exposure.

        Parameters
        ----------
        dp_id : str
            Identifier of the data product.
        star : str
            Normalised name, from `star_name`.

        Returns
        -------
        match : {"matched", "missing", "ambiguous"}
            Ambiguous if rows of the same key differ.
        """
        key = dp_id if self.key == "dp_id" else star
        if key in self.ambiguous:
            return "ambiguous"
        return "matched" if key in self.rows else "missing"

    def lookup(self, dp_id: str, star: str) -> dict[str, float | str]:
        """
        Find the labels of an exposure.

        Parameters
        ----------
        dp_id : str
            Identifier of the data product.
        star : str
            Normalised name, from `star_name`.

        Returns
        -------
        labels : dict of str to float or str
            One value a column; NaN or "" where unknown, missing or ambiguous.
        """
        if self.match(dp_id, star) != "matched":
            return {
                c.name: "" if c.kind == "string" else math.nan for c in self.columns
            }
        row = self.rows[dp_id if self.key == "dp_id" else star]
        return {c.name: self.values[c.name][row].item() for c in self.columns}

    def without(self, names: Collection[str]) -> Labels:
        """
        Leave columns out.

        Parameters
        ----------
        names : collection of str
            Those to leave out, whether the table has them or not.

        Returns
        -------
        labels : Labels
            All others.
        """
        kept = tuple(column for column in self.columns if column.name not in names)
        return replace(self, columns=kept)
