"""The spectra that are like no other."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.neighbours.space import InformativeSpace

N_UNUSUAL = 20
"""Spectra listed."""


def list_unusual(spectra: Codes, dimensions: NDArray[np.integer]) -> Table:
    """
    List the spectra with the largest outlier scores in the informative dimensions.

    Parameters
    ----------
    spectra : Codes
        All spectra.
    dimensions : ndarray of int
        The informative dimensions; without any nothing is unusual.

    Returns
    -------
    table : astropy.table.Table
        At most `N_UNUSUAL` rows, the most unusual first: the score, the dimension in
        which the spectrum lies farthest from the median, and its nearest neighbour.
    """
    rows: list[tuple[str, str, float, int, float, str]] = []
    if len(dimensions) and spectra.dp_id.size > 1:
        space = InformativeSpace(spectra.z_mean, dimensions)
        score = space.score_outliers()
        most = np.argsort(-score, kind="stable")[:N_UNUSUAL]
        nearest = space.find_neighbours(spectra.z_mean[most], 2).rows
        chosen = spectra.z_mean[:, dimensions]
        spread = chosen.std(axis=0)
        offset = (chosen[most] - np.median(chosen, axis=0)) / np.where(
            spread, spread, 1
        )
        farthest = np.argmax(np.abs(offset), axis=1)
        rows = [
            (
                str(spectra.dp_id[row]), str(spectra.star[row]), float(score[row]),
                int(dimensions[column]), float(offset[i, column]),
                # Spectra with the same code may come in either order.
                str(spectra.dp_id[next(other for other in nearest[i] if other != row)]),
            )
            for i, (row, column) in enumerate(zip(most, farthest, strict=True))
        ]  # fmt: skip
    table = Table(
        rows=rows or None,
        names=("dp_id", "star", "score", "dimension", "offset", "nearest"),
        dtype=(np.str_, np.str_, np.float64, np.int64, np.float64, np.str_),
    )
    table["score"].description = "local outlier factor: 1 within a crowd"
    table["dimension"].description = "dimension in which it lies farthest out"
    table["offset"].description = "from the median there, in standard deviations"
    table["nearest"].description = "dp_id of the spectrum most like it"
    return table
