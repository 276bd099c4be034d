"""Scores of disentanglement, for stars whose factors of variation are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.ensemble import RandomForestRegressor

from stellar_tf.analysis.labels.contingency import (
    binned_information,
    choose_n_bins,
    contingency_tables,
)
from stellar_tf.analysis.labels.mutual_information import normal_scores
from stellar_tf.analysis.truth.infomec import InfoMEC, score_infomec

_N_TREES = 50
_MAX_STARS = 2_000


class Disentanglement(NamedTuple):
    """Scores between 0 and 1: the higher, the better each factor has its node."""

    factors: tuple[str, ...]
    """The factors, in the order of the arrays below."""
    n_stars: int
    """Stars whose factors are all known."""
    mig: NDArray[np.float64]
    """Mutual information gap of each factor, shape (n_factors,)."""
    sap: NDArray[np.float64]
    """Separated attribute predictability of each factor, shape (n_factors,)."""
    modularity: float
    """How far each dimension shares information with one factor only, mean over the
    dimensions weighted by what they share."""
    importance: NDArray[np.float64]
    """Of dimension for factor, columns sum to 1, shape (n_latent, n_factors)."""
    dci_disentanglement: float
    """How far each dimension serves one factor only."""
    dci_completeness: NDArray[np.float64]
    """How far each factor is served by one dimension only, shape (n_factors,)."""
    dci_informativeness: NDArray[np.float64]
    """Share of each factor's variance predicted out of bag, shape (n_factors,)."""
    infomec: InfoMEC
    """Modularity, explicitness and compactness in units of information."""


def score_disentanglement(
    z_mean: NDArray[np.floating],
    factors: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
) -> Disentanglement:
    """
    Score a representation against known factors of variation.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means of at least two dimensions, one spectrum per star.
    factors : mapping of str to ndarray of float, shape (n_stars,)
        Factors that vary; stars with an unknown one are left out.
    rng : numpy.random.Generator
        Source of the forests' randomness and of the order of ties.

    Returns
    -------
    scores : Disentanglement
        MIG, SAP, modularity, DCI and InfoMEC.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions or no factors.
    """
    if z_mean.shape[1] < 2:
        raise ValueError(f"z_mean must have two dimensions, got {z_mean.shape[1]}")
    if not factors:
        raise ValueError("factors must name at least one factor, got none")
    values = np.column_stack(list(factors.values()))  # (n_stars, n_factors)
    known = np.isfinite(values).all(axis=1)
    z, values = np.asarray(z_mean[known], np.float64), values[known]
    importance, informativeness = _fit_forests(z, values, rng)
    shared = _factor_information(z, values, rng)
    return Disentanglement(
        factors=tuple(factors),
        n_stars=int(known.sum()),
        mig=mutual_information_gap(z, values, rng),
        sap=attribute_predictability(z, values),
        modularity=modularity(shared),
        importance=importance,
        dci_disentanglement=_disentanglement(importance),
        dci_completeness=1.0 - _entropy(importance, axis=0),
        dci_informativeness=informativeness,
        infomec=score_infomec(z, values, shared, rng),
    )


def mutual_information_gap(
    z: NDArray[np.float64], factors: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """
    Compare the two dimensions that know most about each factor.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    factors : ndarray of float, shape (n_stars, n_factors)
        The factors.
    rng : numpy.random.Generator
        Decides the order of ties.

    Returns
    -------
    gap : ndarray of float, shape (n_factors,)
        Difference of their mutual information, over the factor's entropy.

    Notes
    -----
    Chen et al. 2018 (NeurIPS), with bins of equal numbers of stars, in which a
    factor's entropy is the logarithm of the number of bins.
    """
    shared = _factor_information(z, factors, rng)
    second, first = np.sort(shared, axis=0)[-2:]
    return np.asarray((first - second) / np.log(choose_n_bins(z.shape[0])))


def _factor_information(
    z: NDArray[np.float64], factors: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Measure MI of dimensions and factors in bins, not below zero [nat]."""
    n_bins = choose_n_bins(z.shape[0])
    scores = np.column_stack([normal_scores(column, rng) for column in z.T])
    shared = [
        binned_information(
            contingency_tables(scores, normal_scores(factor, rng), n_bins)
        )
        for factor in factors.T
    ]
    return np.maximum(np.column_stack(shared), 0.0)


def modularity(shared: NDArray[np.float64]) -> float:
    """
    Ask of each dimension whether it shares information with one factor only.

    Parameters
    ----------
    shared : ndarray of float, shape (n_latent, n_factors)
        Mutual information [nat].

    Returns
    -------
    modularity : float
        1 if every dimension serves one factor; NaN with fewer than two factors or
        without any information.

    Notes
    -----
    Ridgeway and Mozer 2018 (NeurIPS), but for the mean: theirs counts all dimensions
    alike, so that the noise of those that carry nothing decides; here each counts by
    its largest mutual information.
    """
    n_factors = shared.shape[1]
    largest = shared.max(axis=1)
    if n_factors < 2 or not largest.any():
        return float("nan")
    rows = shared[largest > 0.0]
    largest = largest[largest > 0.0]
    beside = (rows**2).sum(axis=1) - largest**2
    each = 1.0 - beside / (largest**2 * (n_factors - 1))
    return float(np.average(each, weights=largest))


def attribute_predictability(
    z: NDArray[np.float64], factors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Compare the two dimensions that predict each factor best linearly.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    factors : ndarray of float, shape (n_stars, n_factors)
        The factors.

    Returns
    -------
    gap : ndarray of float, shape (n_factors,)
        Difference of their squared correlations.

    Notes
    -----
    Kumar, Sattigeri and Balakrishnan 2018 (ICLR), SAP for continuous factors.
    """
    z = z - z.mean(axis=0)
    factors = factors - factors.mean(axis=0)
    norm = (z**2).sum(axis=0)[:, None] * (factors**2).sum(axis=0)
    explained = np.zeros(norm.shape)  # (n_latent, n_factors)
    np.divide((z.T @ factors) ** 2, norm, out=explained, where=norm > 0.0)
    ordered = np.sort(explained, axis=0)
    gap: NDArray[np.float64] = ordered[-1] - ordered[-2]
    return gap


def _fit_forests(
    z: NDArray[np.float64], factors: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Eastwood and Williams 2018 (ICLR): DCI with random forests.
    if z.shape[0] > _MAX_STARS:
        drawn = rng.choice(z.shape[0], _MAX_STARS, replace=False)
        z, factors = z[drawn], factors[drawn]
    importance = np.empty((z.shape[1], factors.shape[1]))
    predicted = np.empty(factors.shape[1])
    for index, factor in enumerate(factors.T):
        forest = RandomForestRegressor(
            _N_TREES,
            min_samples_leaf=5,
            oob_score=True,
            random_state=int(rng.integers(2**31)),
        ).fit(z, factor)
        importance[:, index] = forest.feature_importances_
        predicted[index] = max(forest.oob_score_, 0.0)
    return importance, predicted


def _disentanglement(importance: NDArray[np.float64]) -> float:
    if importance.shape[1] < 2:
        return float("nan")
    total = importance.sum()
    if total == 0.0:
        return 0.0
    share = importance.sum(axis=1) / total
    return float(share @ (1.0 - _entropy(importance, axis=1)))


def _entropy(importance: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    # Where nothing matters, all matter the same: the entropy is at its largest.
    n = importance.shape[axis]
    total = importance.sum(axis=axis, keepdims=True)
    share = np.full(importance.shape, 1.0 / n)
    np.divide(importance, total, out=share, where=total > 0.0)
    return np.asarray(-xlogy(share, share).sum(axis=axis) / np.log(n), np.float64)


def disentanglement_table(scores: Disentanglement) -> Table:
    """
    List the scores of each factor.

    Parameters
    ----------
    scores : Disentanglement
        MIG, SAP and DCI.

    Returns
    -------
    table : astropy.table.Table
        One row per factor; the metadata hold the means and the number of stars.
    """
    table = Table()
    table["factor"] = np.array(scores.factors, dtype=np.str_)
    table["mig"] = scores.mig
    table["sap"] = scores.sap
    table["dci_completeness"] = scores.dci_completeness
    table["dci_informativeness"] = scores.dci_informativeness
    table["mig"].description = "mutual information gap (Chen et al. 2018)"
    table["sap"].description = "separated attribute predictability (Kumar et al. 2018)"
    table["dci_completeness"].description = "Eastwood and Williams 2018"
    table["dci_informativeness"].description = "R squared of a forest, out of bag"
    table.meta.update(
        n_stars=scores.n_stars,
        mig=float(scores.mig.mean()),
        sap=float(scores.sap.mean()),
        modularity=scores.modularity,
        dci_disentanglement=scores.dci_disentanglement,
        dci_completeness=float(scores.dci_completeness.mean()),
        dci_informativeness=float(scores.dci_informativeness.mean()),
        infom=scores.infomec.modularity,
        infoe=scores.infomec.explicitness,
        infoc=scores.infomec.compactness,
    )
    return table
