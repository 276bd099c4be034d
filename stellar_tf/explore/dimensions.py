"""The dimensions a person can move, named by what they track."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.dimensions import Dimension, describe_dimensions
from stellar_tf.analysis.files import VERDICT_NAME, read_unit_maps
from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.tables import read_table
from tfrecords_tools.errors import UserError

N_WITHOUT_VERDICT = 8
"""Dimensions that can be moved where none is informative."""


class ExploreError(UserError):
    """The page cannot be shown; the message says what to do."""


@dataclass(frozen=True)
class MovableDimension(Dimension):
    """A latent dimension that can be moved, with names short enough for its slider."""

    low: float
    """Smallest posterior mean of all spectra."""
    high: float
    """Largest posterior mean of all spectra."""
    # Arrays can be neither hashed nor compared as a whole.
    unit_map: UnitMap | None = field(default=None, compare=False)
    """What its values mean in the unit of the label, if it is tracked closely."""

    @property
    def name(self) -> str:
        """Short name, such as ``z3 teff``."""
        return f"z{self.index} {self.tracks}".strip()

    @property
    def title(self) -> str:
        """Name with the evidence for it."""
        if not self.informative:
            return f"{self.name} (not informative)"
        words = "" if self.independent else f"; repeats {self.repeats}"
        if self.tracks:
            return f"{self.name} (MI {self.tracks_mi:.2f} nat{words})"
        return f"{self.name} (no label; {self.information:.2f} nat{words})"


def read_dimensions(
    analysis: Path, z_mean: NDArray[np.floating]
) -> list[MovableDimension]:
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
    dimensions : list of MovableDimension
        The informative ones, those with most information first; if there are none,
        the `N_WITHOUT_VERDICT` that come nearest to it.

    Raises
    ------
    ExploreError
        If there is no verdict, or it is about another number of dimensions.
    """
    path = analysis / VERDICT_NAME
    if not path.is_file():
        raise ExploreError(
            f"{analysis.parent}: has no analysis; run stellar-tf analyze "
            f"{analysis.parent} first"
        )
    verdict = read_table(path)
    if len(verdict) != z_mean.shape[1]:
        raise ExploreError(
            f"{path}: is about {len(verdict)} dimensions, the latents have "
            f"{z_mean.shape[1]}; analyse it again with overwrite=True"
        )
    return _choose(verdict, z_mean, read_unit_maps(analysis))


def _choose(
    verdict: Table, z_mean: NDArray[np.floating], unit_maps: dict[int, UnitMap]
) -> list[MovableDimension]:
    dimensions = [
        MovableDimension(
            **vars(dimension),
            low=float(z_mean[:, dimension.index].min()),
            high=float(z_mean[:, dimension.index].max()),
            unit_map=unit_maps.get(dimension.index),
        )
        for dimension in describe_dimensions(verdict)
    ]
    dimensions.sort(key=lambda dimension: -dimension.information)
    informative = [d for d in dimensions if d.informative]
    return informative or dimensions[:N_WITHOUT_VERDICT]
