"""Mutual information of a latent dimension and a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import digamma, ndtri
from sklearn.feature_selection import mutual_info_regression

from stellar_tf.analysis.labels.contingency import permutation_p_value

MAX_SUBSAMPLE = 1_000
"""Most stars a subsample holds."""


class MutualInformation(NamedTuple):
    """Mutual information of each dimension with one label, shapes (n_latent,)."""

    value: NDArray[np.float64]
    """Estimate of Kraskov et al. [nat]; never negative."""
    low: NDArray[np.float64]
    """Lower end of its interval [nat]."""
    high: NDArray[np.float64]
    """Upper end of its interval [nat]."""
    p_value: NDArray[np.float64]
    """Share of permutations with at least the binned information observed."""


def measure_mutual_information(
    z: NDArray[np.floating],
    label: NDArray[np.floating],
    *,
    n_neighbours: int,
    n_subsamples: int,
    n_permutations: int,
    confidence: float,
    rng: np.random.Generator,
) -> MutualInformation:
    """
    Measure and test the mutual information of each dimension with a label.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent codes, one spectrum per star.
    label : ndarray of float, shape (n_stars,)
        A label, finite everywhere.
    n_neighbours : int
        k of the nearest-neighbour estimator.
    n_subsamples : int
        Subsamples behind the interval.
    n_permutations : int
        Permutations behind the p-value.
    confidence : float
        Level of the interval.
    rng : numpy.random.Generator
        Source of subsamples, permutations and the order of ties.

    Returns
    -------
    information : MutualInformation
        Estimates, intervals and p-values.

    Notes
    -----
    Both variables are first replaced by normal scores of their ranks, which leaves
    mutual information as it is and makes the estimator indifferent to units, heavy
    tails and saturation. Ties are put in random order: noise that depends on
    nothing else neither adds nor removes information.

    Examples
    --------
    A fold, which no correlation sees, and a dimension that knows nothing:

    >>> from stellar_tf.analysis.labels import mutual_information
    >>> rng = np.random.default_rng(0)
    >>> label, nothing = rng.normal(size=(2, 1000))
    >>> z = np.column_stack([label**2, nothing])
    >>> information = mutual_information.measure_mutual_information(
    ...     z, label, n_neighbours=3, n_subsamples=20, n_permutations=200,
    ...     confidence=0.95, rng=rng)
    >>> information.value > 0.1, information.p_value < 0.01
    (array([ True, False]), array([ True, False]))
    """
    scores = np.column_stack([normal_scores(column, rng) for column in z.T])
    label_scores = normal_scores(label, rng)
    value = estimate_mutual_information(
        scores, label_scores, n_neighbours=n_neighbours, rng=rng
    )
    error = subsampling_error(
        scores,
        label_scores,
        n_neighbours=n_neighbours,
        n_subsamples=n_subsamples,
        rng=rng,
    )
    half = error * ndtri(0.5 + 0.5 * confidence)
    return MutualInformation(
        value=value,
        low=np.maximum(value - half, 0.0),
        high=value + half,
        p_value=permutation_p_value(scores, label_scores, n_permutations, rng),
    )


def estimate_mutual_information(
    z: NDArray[np.float64],
    label: NDArray[np.float64],
    *,
    n_neighbours: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """
    Estimate mutual information: the figure of record.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Normal scores of the latent codes.
    label : ndarray of float, shape (n_stars,)
        Normal scores of the label.
    n_neighbours : int
        k of the estimator.
    rng : numpy.random.Generator
        Seeds the noise of 1e-10 that scikit-learn adds.

    Returns
    -------
    information : ndarray of float, shape (n_latent,)
        scikit-learn's estimate [nat], cut at zero.
    """
    value = mutual_info_regression(
        z,
        label,
        discrete_features=False,
        n_neighbors=n_neighbours,
        random_state=int(rng.integers(2**31)),
    )
    return np.asarray(value, np.float64)


def normal_scores(
    values: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.float64]:
    """
    Replace values by the normal quantiles of their ranks.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Finite values.
    rng : numpy.random.Generator
        Decides the order of equal values.

    Returns
    -------
    scores : ndarray of float, shape (n,)
        Quantiles of the unit normal at (rank - 1/2) / n.
    """
    n = values.size
    order = np.lexsort((rng.permutation(n), values))
    scores = np.empty(n)
    scores[order] = ndtri((np.arange(n) + 0.5) / n)
    return scores


def ksg(x: NDArray[np.float64], y: NDArray[np.float64], n_neighbours: int) -> float:
    """
    Estimate mutual information from nearest neighbours.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        First variable, without ties.
    y : ndarray of float, shape (n,)
        Second variable, without ties.
    n_neighbours : int
        k: more neighbours, less variance, more bias.

    Returns
    -------
    information : float
        Estimate [nat]; below zero where the truth is about zero.

    Notes
    -----
    The first estimator of Kraskov, Stögbauer and Grassberger 2004, Phys. Rev. E 69,
    066138, as scikit-learn has it, but several times faster (one-dimensional counts
    by bisection) and not cut at zero, which would spoil its spread under
    resampling. Both variables must have about the same scale.
    """
    points = np.column_stack((x, y))
    radius = KDTree(points).query(points, k=n_neighbours + 1, p=np.inf)[0][:, -1]
    # Strictly inside; more than rounding, since x + radius rounds too.
    radius = radius * (1.0 - 1e-10)
    information = digamma(x.size) + digamma(n_neighbours)
    for values in (x, y):
        ordered = np.sort(values)
        inside = np.searchsorted(ordered, values + radius, "right")
        inside -= np.searchsorted(ordered, values - radius, "left")
        information -= digamma(inside).mean()
    return float(information)


def subsampling_error(
    z: NDArray[np.float64],
    label: NDArray[np.float64],
    *,
    n_neighbours: int,
    n_subsamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """
    Estimate the standard error of `ksg` from subsamples without replacement.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Normal scores of the latent means.
    label : ndarray of float, shape (n_stars,)
        Normal scores of the label.
    n_neighbours : int
        k of the estimator.
    n_subsamples : int
        Number of subsamples.
    rng : numpy.random.Generator
        Source of the subsamples.

    Returns
    -------
    error : ndarray of float, shape (n_latent,)
        Standard errors at the full sample's size [nat].

    Notes
    -----
    Politis and Romano 1994; with the factor b / (n - b) for the finite population
    the variance is Shao and Wu's (1989) delete-d jackknife. A bootstrap would
    duplicate points, which nearest neighbours take for information.
    """
    n_stars, n_latent = z.shape
    size, factor = choose_subsample(n_stars)
    values = np.empty((n_subsamples, n_latent))
    for row in values:
        drawn = rng.choice(n_stars, size, replace=False)
        for index in range(n_latent):
            row[index] = ksg(z[drawn, index], label[drawn], n_neighbours)
    error: NDArray[np.float64] = factor * values.std(axis=0, ddof=1)
    return error


def choose_subsample(n_stars: int) -> tuple[int, float]:
    """Choose the size of subsamples, and what their scatter is to be multiplied by."""
    size = min(n_stars // 2, MAX_SUBSAMPLE)
    return size, float(np.sqrt(size / (n_stars - size)))
