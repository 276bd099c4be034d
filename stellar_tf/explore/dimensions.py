"""The dimensions a person can move, named by what they track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Row, Table
from numpy.typing import NDArray

from stellar_tf.tables import read_table
from tfrecords_tools.errors import UserError

N_WITHOUT_VERDICT = 8
"""Dimensions that can be moved where none is informative."""


class ExploreError(UserError):
    """There is nothing to look at yet; the message names the command to run first."""


@dataclass(frozen=True)
class Dimension:
    """A latent dimension that can be moved."""

    index: int
    """Counted from 0."""
    informative: bool
    """Whether the analysis found it to be."""
    kind: str
    """``stellar``, ``observational``, ``undecided`` or ``uninformative``."""
    information: float
    """What it carries about the spectrum [nat]."""
    tracks: str
    """The label it follows best, or ``""``."""
    tracks_mi: float
    """Mutual information with that label [nat]."""
    low: float
    """Smallest posterior mean of all spectra."""
    high: float
    """Largest posterior mean of all spectra."""

    @property
    def name(self) -> str:
        """Short name, such as ``z3 teff``."""
        return f"z{self.index} {self.tracks}".strip()

    @property
    def title(self) -> str:
        """Name with the evidence for it."""
        if self.tracks:
            return f"{self.name} (MI {self.tracks_mi:.2f} nat)"
        if self.informative:
            return f"{self.name} (no label; {self.information:.2f} nat)"
        return f"{self.name} (not informative)"


def read_dimensions(analysis: Path, z_mean: NDArray[np.floating]) -> list[Dimension]:
    """
    Read which dimensions are worth moving.

    Parameters
    ----------
    analysis : Path
        Folder that `stellar-tf analyze` wrote.
    z_mean : ndarray of float, shape (n_spectra, n_latent)
        Posterior means of the spectra.

    Returns
    -------
    dimensions : list of Dimension
        The informative ones, those with most information first; if there are none,
        the `N_WITHOUT_VERDICT` that come nearest to it.

    Raises
    ------
    ExploreError
        If there is no verdict, or it is about another number of dimensions.
    """
    path = analysis / "verdict.ecsv"
    if not path.is_file():
        raise ExploreError(
            f"{analysis.parent}: has no analysis; run stellar-tf analyze "
            f"{analysis.parent} first"
        )
    verdict = read_table(path)
    if len(verdict) != z_mean.shape[1]:
        raise ExploreError(
            f"{path}: is about {len(verdict)} dimensions, the latents have "
            f"{z_mean.shape[1]}; run stellar-tf analyze {analysis.parent} --overwrite"
        )
    return _choose(verdict, z_mean)


def _choose(verdict: Table, z_mean: NDArray[np.floating]) -> list[Dimension]:
    dimensions = [_read_row(row, z_mean[:, row["dimension"]]) for row in verdict]
    dimensions.sort(key=lambda dimension: -dimension.information)
    informative = [d for d in dimensions if d.informative]
    return informative or dimensions[:N_WITHOUT_VERDICT]


def _read_row(row: Row, z: NDArray[np.floating]) -> Dimension:
    # A column without any label is read back as masked.
    tracks = "" if np.ma.is_masked(row["tracks"]) else str(row["tracks"])
    return Dimension(
        index=int(row["dimension"]),
        informative=bool(row["informative"]),
        kind=str(row["kind"]),
        information=float(row["information"]),
        tracks=tracks,
        tracks_mi=float(row["tracks_mi"]),
        low=float(z.min()),
        high=float(z.max()),
    )
