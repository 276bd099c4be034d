"""What the stars are like at a place along a latent dimension."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.categories import Label, is_category, is_known

SHARE = 0.05
"""Of the stars with a known label, those nearest that tell."""
MIN_STARS = 20
"""Fewer do not tell."""


def measure_typical(
    z: NDArray[np.floating], label: Label, positions: NDArray[np.floating]
) -> NDArray[np.float64]:
    """
    Measure a label among the stars nearest to some places along a dimension.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars,)
        Posterior means of the dimension.
    label : ndarray of float, shape (n_stars,)
        The label; NaN where unknown.
    positions : ndarray of float, shape (n,)
        Places along the dimension.

    Returns
    -------
    typical : ndarray of float, shape (n, 3)
        16th, 50th and 84th percentile of the label there; NaN for a category, or
        where too few stars have a known label.
    """
    typical = np.full((len(positions), 3), np.nan)
    if is_category(label):
        return typical
    known = is_known(label)
    n_near = max(MIN_STARS, round(SHARE * np.count_nonzero(known)))
    if np.count_nonzero(known) < n_near:
        return typical
    z, values = z[known], np.asarray(label[known], np.float64)
    for row, position in enumerate(positions):
        near = np.argpartition(np.abs(z - position), n_near - 1)[:n_near]
        typical[row] = np.percentile(values[near], [16.0, 50.0, 84.0])
    return typical
