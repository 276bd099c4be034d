"""How many directions the codes of the stars really spread over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import ndtri

from stellar_tf.analysis.statistics import MIN_STARS

MAX_STARS = 5_000
"""Stars that enter, at most, drawn at random."""


class IntrinsicDimension(NamedTuple):
    """Dimension of the set of points, whatever space it lies in."""

    value: float
    """The estimate; NaN with too few different points."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""


def estimate_intrinsic_dimension(
    z: NDArray[np.floating], *, confidence: float, rng: np.random.Generator
) -> IntrinsicDimension:
    """
    Estimate a dimension from the two nearest neighbours of each point.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_dimensions)
        The points.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Draws stars where there are more than `MAX_STARS`.

    Returns
    -------
    dimension : IntrinsicDimension
        With an interval: normal, standard error ``dimension / sqrt(n)``.

    Notes
    -----
    Facco et al. 2017, Scientific Reports 7, 12140: the ratio of the distances of the
    second and the first neighbour has the density ``d r^(-d - 1)``, whatever that
    of the points; maximum likelihood. It sees the scale of the nearest neighbours: of
    means, the manifold that the network draws; of draws from posteriors, what is left
    of it under their noise, and the noise, which fills all dimensions.

    Examples
    --------
    A circle in three dimensions:

    >>> from stellar_tf.analysis.evidence import intrinsic
    >>> rng = np.random.default_rng(0)
    >>> t = rng.uniform(0.0, 6.28, 2_000)
    >>> circle = np.column_stack([np.cos(t), np.sin(t), np.cos(t)])
    >>> found = intrinsic.estimate_intrinsic_dimension(circle, confidence=0.95, rng=rng)
    >>> round(found.value)
    1
    """
    unknown = IntrinsicDimension(np.nan, np.nan, np.nan)
    points = np.unique(np.asarray(z, np.float64), axis=0)
    if len(points) < MIN_STARS or not points.shape[1]:
        return unknown
    points = points[rng.permutation(len(points))[:MAX_STARS]]
    distance = KDTree(points).query(points, k=3)[0]
    log_ratio = np.log(distance[:, 2] / distance[:, 1])
    value = (log_ratio.size - 1) / float(log_ratio.sum())
    half = float(ndtri(0.5 + 0.5 * confidence)) * value / np.sqrt(log_ratio.size)
    return IntrinsicDimension(value, max(value - half, 0.0), value + half)
