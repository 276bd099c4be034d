"""Informative dimensions that follow no label: what a person would look at."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.labels.associations import Associations
from stellar_tf.analysis.latents import Codes

N_EXTREMES = 5
"""Spectra listed at either end of a dimension."""


def find_unexplained(associations: Associations, *, fdr: float) -> NDArray[np.intp]:
    """
    Choose the dimensions that follow no label.

    Parameters
    ----------
    associations : Associations
        Informative dimensions against labels and nuisances.
    fdr : float
        False discovery rate at which a cell is significant.

    Returns
    -------
    dimensions : ndarray of int
        Latent dimensions, ascending; none if there are no labels to follow.
    """
    if not associations.labels:
        return np.empty(0, np.intp)
    follows = associations.find_followed(fdr).any(axis=1)
    return np.sort(associations.dimensions[~follows])


def list_extremes(stars: Codes, dimensions: NDArray[np.integer]) -> Table:
    """
    List the spectra at both ends of some dimensions.

    Parameters
    ----------
    stars : Codes
        One spectrum per star.
    dimensions : ndarray of int
        The dimensions.

    Returns
    -------
    table : astropy.table.Table
        `N_EXTREMES` rows from the lowest up, then as many from the highest down, for
        each dimension.
    """
    rows: list[tuple[int, str, int, str, str, float]] = []
    for dimension in dimensions:
        order = np.argsort(stars.z_mean[:, dimension], kind="stable")
        for end, spectra in (("low", order), ("high", order[::-1])):
            rows += [
                (
                    int(dimension), end, rank, str(stars.dp_id[row]),
                    str(stars.star[row]), float(stars.z_mean[row, dimension]),
                )
                for rank, row in enumerate(spectra[:N_EXTREMES], start=1)
            ]  # fmt: skip
    table = Table(
        rows=rows or None,
        names=("dimension", "end", "rank", "dp_id", "star", "z"),
        dtype=(np.int64, "U4", np.int64, np.str_, np.str_, np.float64),
    )
    table["end"].description = "the end of the dimension at which the spectrum lies"
    table["rank"].description = "1: the outermost"
    table["z"].description = "its posterior mean there"
    return table
