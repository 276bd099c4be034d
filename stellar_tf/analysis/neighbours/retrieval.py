"""The spectra most like a given one, as a table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.analysis.neighbours.space import InformativeSpace


class Similar(NamedTuple):
    """What is like a spectrum."""

    neighbours: Table
    """The nearest first: ``dp_id``, ``star``, ``distance`` in standard deviations of
    each informative dimension, and the labels that those dimensions follow."""
    outlier_score: float
    """Local outlier factor of the spectrum: about 1 within a crowd."""


def find_similar(
    latents: Table,
    verdict: Table,
    z_mean: NDArray[np.floating],
    n_neighbours: int,
    *,
    dp_id: str | None = None,
) -> Similar:
    """
    Find the spectra most like a given one.

    Parameters
    ----------
    latents : astropy.table.Table
        As `stellar-tf encode` writes it.
    verdict : astropy.table.Table
        Of the analysis: which dimensions count.
    z_mean : ndarray of float, shape (n_latent,)
        Posterior means of the spectrum.
    n_neighbours : int
        How many.
    dp_id : str, optional
        Its identifier, if it is one of the table: it is not its own neighbour.

    Returns
    -------
    similar : Similar
        Its neighbours, and its outlier score.

    Raises
    ------
    LatentsError
        If no dimension is informative.
    """
    informative = [d for d in describe_dimensions(verdict) if d.informative]
    if not informative:
        raise LatentsError("no dimension is informative: no spectrum is like another")
    others = latents if dp_id is None else latents[latents["dp_id"] != dp_id]
    dimensions = np.array([d.index for d in informative])
    space = InformativeSpace(np.asarray(others["z_mean"]), dimensions)
    found = space.find_neighbours(z_mean[np.newaxis], n_neighbours)
    labels = dict.fromkeys(
        d.tracks for d in informative if d.tracks in latents.colnames
    )
    neighbours = others[["dp_id", "star", *labels]][found.rows[0]]
    neighbours.add_column(found.distance[0], index=2, name="distance")
    neighbours["distance"].description = "in standard deviations of each dimension"
    return Similar(neighbours, float(space.score_others(z_mean[np.newaxis])[0]))
