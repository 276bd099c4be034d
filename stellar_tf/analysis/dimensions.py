"""What to call each latent dimension: by what it tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Row, Table

from stellar_tf.tables import TableError

_COLUMNS = (
    *("dimension", "informative", "independent", "repeats", "kind"),
    *("information", "information_low", "information_high"),
    *("tracks", "tracks_mi", "tracks_spearman", "width_scale"),
)


@dataclass(frozen=True)
class Dimension:
    """A latent dimension and what the verdict says of it."""

    index: int
    """Counted from 0."""
    informative: bool
    """Whether it carries information about the input."""
    independent: bool
    """Whether it adds information to those with more."""
    repeats: str
    """Where it is informative but adds none: the dimension it repeats; else ""."""
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
        if not self.informative:
            return f"{self.name}: uninformative"
        words = f"{self.name}: follows {self.tracks or 'no label given'}"
        return words if self.independent else f"{words}, repeats {self.repeats}"


def describe_dimensions(verdict: Table) -> tuple[Dimension, ...]:
    """
    Take the meaning of each dimension out of the verdict.

    Parameters
    ----------
    verdict : Table
        One row per latent dimension.

    Returns
    -------
    dimensions : tuple of Dimension
        In the same order.

    Raises
    ------
    TableError
        If another version of stellar-tf wrote the verdict.
    """
    check_verdict(verdict)
    return tuple(_read_row(row) for row in verdict)


def check_verdict(verdict: Table) -> None:
    """
    Refuse a verdict that lacks what is asked of it.

    Parameters
    ----------
    verdict : Table
        One row per latent dimension.

    Raises
    ------
    TableError
        If a column is missing.
    """
    for name in _COLUMNS:
        if name not in verdict.colnames:
            raise TableError(
                f"the verdict has no column {name}: another version of stellar-tf "
                f"wrote it; analyse the run again with overwrite=True"
            )


def _read_row(row: Row) -> Dimension:
    # An empty string comes back from ECSV masked.
    tracks, repeats = (
        "" if np.ma.is_masked(row[name]) else str(row[name])
        for name in ("tracks", "repeats")
    )
    numbers = {
        name: float(row[name])
        for name in ("information", "information_low", "information_high")
    }
    return Dimension(
        index=int(row["dimension"]),
        informative=bool(row["informative"]),
        independent=bool(row["independent"]),
        repeats=repeats,
        kind=str(row["kind"]),
        **numbers,
        tracks=tracks,
        tracks_mi=float(row["tracks_mi"]),
        tracks_spearman=float(row["tracks_spearman"]),
    )
