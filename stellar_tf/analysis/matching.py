"""Which dimension of one run is which of another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment


class Matching(NamedTuple):
    """Informative dimensions of two runs, paired."""

    first: NDArray[np.intp]
    """Dimension of the first run of each pair, shape (n_pairs,)."""
    second: NDArray[np.intp]
    """Dimension of the second run, same shape."""
    correlation: NDArray[np.float64]
    """Spearman's correlation of the pair, same shape: its sign is arbitrary."""
    stability: float
    """Sum of the pairs' ``|correlation|`` over the larger number of informative
    dimensions: 1 if both runs found the same, lower also for every dimension that only
    one of them has; NaN if neither has any."""


def match_dimensions(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    first_dimensions: NDArray[np.integer],
    second_dimensions: NDArray[np.integer],
) -> Matching:
    """
    Pair the dimensions of two runs so that they agree as well as they can.

    Parameters
    ----------
    first : ndarray of float, shape (n_stars, n_latent)
        Posterior means of the first run, one spectrum per star.
    second : ndarray of float, shape (n_stars, n_latent_of_second)
        Those of the second run for the same spectra.
    first_dimensions : ndarray of int
        Informative dimensions of the first run.
    second_dimensions : ndarray of int
        Informative dimensions of the second run.

    Returns
    -------
    matching : Matching
        As many pairs as the run with fewer informative dimensions has.

    Raises
    ------
    ValueError
        If the runs do not have the same number of spectra.

    Notes
    -----
    The assignment that maximises the sum of ``|Spearman|`` (Kuhn 1955): dimensions have
    neither order nor sign.

    Examples
    --------
    >>> from stellar_tf.analysis.matching import match_dimensions
    >>> first = np.random.default_rng(0).normal(size=(200, 3))
    >>> second = np.column_stack([-first[:, 2], first[:, 0]])
    >>> matching = match_dimensions(first, second, np.array([0, 2]), np.array([0, 1]))
    >>> matching.first, matching.second, matching.correlation
    (array([0, 2]), array([1, 0]), array([ 1., -1.]))
    """
    if len(first) != len(second):
        raise ValueError(
            f"both runs must have the same spectra, got {len(first)} and {len(second)}"
        )
    n_first, n_second = len(first_dimensions), len(second_dimensions)
    if not (n_first and n_second):
        nothing = np.empty(0, np.intp)
        stability = np.nan if n_first == n_second else 0.0
        return Matching(nothing, nothing, np.empty(0), stability)
    chosen = np.hstack((first[:, first_dimensions], second[:, second_dimensions]))
    ranks = stats.rankdata(chosen, axis=0)
    correlation = np.corrcoef(ranks, rowvar=False)[:n_first, n_first:]
    rows, columns = linear_sum_assignment(-np.abs(correlation))
    paired = correlation[rows, columns]
    return Matching(
        np.asarray(first_dimensions)[rows],
        np.asarray(second_dimensions)[columns],
        paired,
        float(np.abs(paired).sum() / max(n_first, n_second)),
    )
