"""What to call each latent dimension: by what it tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Row, Table


@dataclass(frozen=True)
class Dimension:
    """A latent dimension and what the verdict says of it."""

    index: int
    """Counted from 0."""
    informative: bool
    """Whether it carries information about the input."""
    kind: str
    """``stellar``, ``observational``, ``undecided`` or ``uninformative``."""
    information: float
    """I(x; z_d) [nat]."""
    information_low: float
    """Lower end of its interval [nat]."""
    information_high: float
    """Upper end of its interval [nat]."""
    tracks: str
    """Label with the largest significant mutual information; "" if there is none."""
    tracks_mi: float
    """That mutual information [nat]; NaN if there is none."""
    tracks_spearman: float
    """Rank correlation with that label; NaN for categories, or if there is none."""

    @property
    def name(self) -> str:
        """Its short name, such as z3."""
        return f"z{self.index}"

    @property
    def title(self) -> str:
        """Its name and what it follows, such as "z3: follows teff"."""
        if self.tracks:
            return f"{self.name}: follows {self.tracks}"
        if self.informative:
            return f"{self.name}: follows no label given"
        return f"{self.name}: uninformative"


def describe_dimensions(verdict: Table) -> tuple[Dimension, ...]:
    """Take the meaning of each dimension out of the verdict."""
    return tuple(_read_row(row) for row in verdict)


def _read_row(row: Row) -> Dimension:
    # An empty string comes back from ECSV masked.
    tracks = "" if np.ma.is_masked(row["tracks"]) else str(row["tracks"])
    numbers = {
        name: float(row[name])
        for name in ("information", "information_low", "information_high")
    }
    return Dimension(
        index=int(row["dimension"]),
        informative=bool(row["informative"]),
        kind=str(row["kind"]),
        **numbers,
        tracks=tracks,
        tracks_mi=float(row["tracks_mi"]),
        tracks_spearman=float(row["tracks_spearman"]),
    )
