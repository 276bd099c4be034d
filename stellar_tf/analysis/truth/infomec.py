"""Modularity, explicitness and compactness in units of information."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stellar_tf.analysis.labels.mutual_information import normal_scores

N_BINS = 10
"""Classes of equal numbers of stars that a factor is cut into for explicitness."""
_MAX_STARS = 2_000
_ACTIVE_RANGE = 20.0


class InfoMEC(NamedTuple):
    """Three scores, 1 at best; NaN where one factor or dimension decides alone."""

    modularity: float
    """How far each active dimension serves one factor."""
    explicitness: float
    """How much of the factors a linear model reads out of all dimensions."""
    compactness: float
    """How far each factor is in one active dimension."""


def score_infomec(
    z: NDArray[np.float64],
    factors: NDArray[np.float64],
    shared: NDArray[np.float64],
    rng: np.random.Generator,
) -> InfoMEC:
    """
    Score a representation by InfoM, InfoE and InfoC.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    factors : ndarray of float, shape (n_stars, n_factors)
        The factors.
    shared : ndarray of float, shape (n_latent, n_factors)
        Their mutual information [nat].
    rng : numpy.random.Generator
        Draws stars where there are more than 2,000, and the order of ties.

    Returns
    -------
    scores : InfoMEC
        The three scores.

    Notes
    -----
    Hsu, Dorrell, Whittington, Wu and Finn 2023 (NeurIPS), "Disentanglement via latent
    quantization". Dimensions whose range is less than a twentieth of the largest are
    not active. Factors are continuous here: information is in bins of equal numbers of
    stars, in which all factors have the same entropy, and explicitness is the share of
    the logarithm of `N_BINS` that a multinomial regression on the factor's bins
    explains.
    """
    span = np.ptp(z, axis=0)
    active = shared[span > span.max() / _ACTIVE_RANGE]
    return InfoMEC(
        modularity=_concentration(active),
        explicitness=float(np.mean([_explain(z, factor, rng) for factor in factors.T])),
        compactness=_concentration(active.T),
    )


def _concentration(shared: NDArray[np.float64]) -> float:
    """Mean share of the largest value in a row, from 0 (even) to 1 (one only)."""
    n_columns = shared.shape[1]
    total = shared.sum(axis=1)
    rows = total > 0.0
    if n_columns < 2 or not rows.any():
        return float("nan")
    share = float(np.mean(shared[rows].max(axis=1) / total[rows]))
    return float((share - 1.0 / n_columns) / (1.0 - 1.0 / n_columns))


def _explain(
    z: NDArray[np.float64], factor: NDArray[np.float64], rng: np.random.Generator
) -> float:
    rows = rng.permutation(len(z))[:_MAX_STARS]
    rank = np.argsort(np.argsort(normal_scores(factor[rows], rng)))
    bins = rank * N_BINS // rank.size
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e4, max_iter=300))
    with warnings.catch_warnings():
        # Where bins are separable the likelihood rises for ever, ever more slowly.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(z[rows], bins)
    probability = model.predict_proba(z[rows])
    count = np.bincount(bins) / bins.size
    entropy = -float(xlogy(count, count).sum())
    missing = -float(np.log(probability[np.arange(bins.size), bins]).mean())
    return float(1.0 - missing / entropy)
