"""Mutual information of a latent dimension and a label without order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.feature_selection import mutual_info_classif

from stellar_tf.analysis.labels.contingency import (
    choose_n_bins,
    count_stars,
    table_p_value,
)
from stellar_tf.analysis.labels.mutual_information import (
    MutualInformation,
    choose_subsample,
    normal_scores,
)

MAX_CATEGORIES = 50
"""A label with more of them is an identifier, not a category."""
MIN_IN_CATEGORY = 5
"""Rarer categories are put together as one: a nearest neighbour needs company."""
OTHER = "other"
"""Its name."""


def measure_category_information(
    z: NDArray[np.floating],
    category: NDArray[np.str_],
    *,
    n_neighbours: int,
    n_subsamples: int,
    n_permutations: int,
    confidence: float,
    rng: np.random.Generator,
) -> MutualInformation:
    """
    Measure and test the mutual information of each dimension with a category.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent codes, one spectrum per star.
    category : ndarray of str, shape (n_stars,)
        Spectral type or the like, known for every star.
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
    The estimator is that of Ross 2014, PLoS ONE 9, e87357, as scikit-learn has it, on
    normal scores; interval and test are made as for labels that are numbers.
    """
    codes = number_categories(category)
    scores = np.column_stack([normal_scores(column, rng) for column in z.T])

    def estimate(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        return estimate_category_information(
            scores[rows], codes[rows], n_neighbours=n_neighbours, rng=rng
        )

    n_stars, size, factor = codes.size, *choose_subsample(codes.size)
    value = estimate(np.arange(n_stars))
    drawn = [
        estimate(rng.choice(n_stars, size, replace=False)) for _ in range(n_subsamples)
    ]
    half = factor * np.std(drawn, axis=0, ddof=1) * ndtri(0.5 + 0.5 * confidence)
    n_columns = int(codes.max()) + 1
    tables = count_stars(scores, codes, choose_n_bins(n_stars), n_columns)
    return MutualInformation(
        value=value,
        low=np.maximum(value - half, 0.0),
        high=value + half,
        p_value=table_p_value(tables, n_permutations, rng),
    )


def estimate_category_information(
    z: NDArray[np.float64],
    codes: NDArray[np.intp],
    *,
    n_neighbours: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """
    Estimate the mutual information of each dimension with a category.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Normal scores.
    codes : ndarray of int, shape (n_stars,)
        The category of each star, as `number_categories` numbers them.
    n_neighbours : int
        k of the estimator.
    rng : numpy.random.Generator
        Seeds the noise of 1e-10 that scikit-learn adds.

    Returns
    -------
    information : ndarray of float, shape (n_latent,)
        scikit-learn's estimate [nat], cut at zero.
    """
    value = mutual_info_classif(
        z,
        codes,
        discrete_features=False,
        n_neighbors=n_neighbours,
        random_state=int(rng.integers(2**31)),
    )
    return np.asarray(value, np.float64)


def number_categories(category: NDArray[np.str_]) -> NDArray[np.intp]:
    """Give each category a number from 0, and all rare ones the same."""
    _, owner, size = np.unique(category, return_inverse=True, return_counts=True)
    common = np.where(size[owner] >= MIN_IN_CATEGORY, category, OTHER)
    return np.asarray(np.unique(common, return_inverse=True)[1], np.intp)
