"""How much of the observation, rather than the star, is in the latents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.associations import Associations
from stellar_tf.analysis.latents import NUISANCES


class Leakage(NamedTuple):
    """What the informative dimensions know about the exposure."""

    dimensions: NDArray[np.intp]
    """The informative dimensions, shape (n_dimensions,)."""
    nuisances: tuple[str, ...]
    """The columns that were known and varied."""
    mi: NDArray[np.float64]
    """Mutual information, shape (n_dimensions, n_nuisances) [nat]."""
    significant: NDArray[np.bool_]
    """Whether it is, after Benjamini-Hochberg, same shape."""
    largest: NDArray[np.float64]
    """Largest significant one of each dimension, or 0, shape (n_dimensions,) [nat]."""
    total: float
    """Sum of `largest` over the dimensions [nat]."""


def measure_leakage(associations: Associations, *, fdr: float) -> Leakage:
    """
    Take the exposure's columns out of the table of associations.

    Parameters
    ----------
    associations : Associations
        Dimensions against labels and nuisances.
    fdr : float
        False discovery rate at which a cell is significant.

    Returns
    -------
    leakage : Leakage
        Mutual information with each nuisance, and its total.
    """
    columns = [
        index for index, name in enumerate(associations.labels) if name in NUISANCES
    ]
    mi = associations.mi[:, columns]
    significant = associations.q_value[:, columns] <= fdr
    largest = np.where(significant, mi, 0.0).max(axis=1, initial=0.0)
    return Leakage(
        dimensions=associations.dimensions,
        nuisances=tuple(associations.labels[index] for index in columns),
        mi=mi,
        significant=significant,
        largest=largest,
        total=float(largest.sum()),
    )
