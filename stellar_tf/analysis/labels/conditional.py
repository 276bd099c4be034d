"""Mutual information of a dimension and a label when another label is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import digamma

from stellar_tf.analysis.columns import Label, is_category, is_known
from stellar_tf.analysis.descriptions import describe_columns
from stellar_tf.analysis.labels.associations import Associations, find_tracked
from stellar_tf.analysis.labels.mutual_information import normal_scores
from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.statistics import MIN_LABELLED_STARS, benjamini_hochberg
from stellar_tf.config import AnalysisConfig

MAX_STARS = 500
"""Most stars that enter: every permutation costs as much as the estimate."""
MAX_AS_LARGE = 10
"""Permutations stop when so many were as large: it is clear then."""
N_SHUFFLE_NEIGHBOURS = 10
"""Stars among which the null exchanges a label: alike in what is given."""


class ConditionalInformation(NamedTuple):
    """What a label says about a dimension beyond what others say."""

    value: float
    """Conditional mutual information [nat]; below zero where the truth is about 0."""
    p_value: float
    """Share of local permutations with at least as much."""


class ConditionalAssociation(NamedTuple):
    """One dimension, one label, and what is known beside it."""

    dimension: int
    """The latent dimension."""
    label: str
    """The label."""
    given: tuple[str, ...]
    """The labels that are known."""
    n_stars: int
    """Stars that entered: all of these labels known, at most `MAX_STARS`."""
    information: ConditionalInformation
    """What was found."""


def measure_conditional_associations(
    stars: Codes,
    draws: NDArray[np.floating],
    associations: Associations,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> list[ConditionalAssociation]:
    """
    Measure what each significant label says beyond the one its dimension tracks.

    Parameters
    ----------
    stars : Codes
        One spectrum per star, those of the associations.
    draws : ndarray of float, shape (n_stars, n_latent)
        Their draws of z.
    associations : Associations
        Informative dimensions against labels.
    config : AnalysisConfig
        `conditions`, the labels given instead of the tracked one, the false discovery
        rate, neighbours and permutations.
    rng : numpy.random.Generator
        Source of samples and permutations.

    Returns
    -------
    found : list of ConditionalAssociation
        One per dimension and significant label with numbers.
    """
    found = []
    for row, dimension in enumerate(associations.dimensions):
        tracked = find_tracked(associations, int(dimension), config.fdr)
        given = config.conditions or ((tracked.label,) if tracked else ())
        for column, label in enumerate(associations.labels):
            is_significant = associations.q_value[row, column] <= config.fdr
            if not (given and is_significant) or label in given:
                continue
            information = _condition_on(
                draws[:, dimension], stars.labels, (label, *given), config, rng
            )
            if information is not None:
                found.append(
                    ConditionalAssociation(int(dimension), label, given, *information)
                )
    return found


def _condition_on(
    z: NDArray[np.floating],
    labels: Mapping[str, Label],
    names: tuple[str, ...],
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> tuple[int, ConditionalInformation] | None:
    """Relate z to the first of the named labels, given the others."""
    if any(is_category(labels[name]) for name in names):
        return None
    known = np.logical_and.reduce([is_known(labels[name]) for name in names])
    rows = np.flatnonzero(known)
    if rows.size < MIN_LABELLED_STARS:
        return None
    if rows.size > MAX_STARS:
        rows = rng.choice(rows, MAX_STARS, replace=False)
    label, *given = (np.asarray(labels[name][rows], np.float64) for name in names)
    information = measure_conditional_information(
        z[rows],
        label,
        np.column_stack(given),
        n_neighbours=config.n_neighbours,
        n_permutations=config.n_local_permutations,
        rng=rng,
    )
    return rows.size, information


def measure_conditional_information(
    z: NDArray[np.floating],
    label: NDArray[np.floating],
    given: NDArray[np.floating],
    *,
    n_neighbours: int,
    n_permutations: int,
    rng: np.random.Generator,
) -> ConditionalInformation:
    """
    Measure and test what a label tells about a dimension when others are known.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars,)
        Draws of one dimension.
    label : ndarray of float, shape (n_stars,)
        The label.
    given : ndarray of float, shape (n_stars,) or (n_stars, n_given)
        What is known already.
    n_neighbours : int
        k of the estimator.
    n_permutations : int
        Local permutations behind the p-value, at most.
    rng : numpy.random.Generator
        Source of the permutations and of the order of ties.

    Returns
    -------
    information : ConditionalInformation
        Estimate and p-value.

    Notes
    -----
    The estimator is that of Frenzel and Pompe 2007, Phys. Rev. Lett. 99, 204101, on
    normal scores. A plain permutation would break the label's tie to what is given as
    well; the null therefore exchanges it among stars that are neighbours in that
    (Runge 2018, AISTATS). Permutations end early where the null is plainly not
    rejected (Besag and Clifford 1991), which keeps the p-value valid.
    """
    z_scores, label_scores = normal_scores(z, rng), normal_scores(label, rng)
    columns = given.reshape(z.size, -1).T
    given_scores = np.column_stack([normal_scores(column, rng) for column in columns])
    value = conditional_ksg(z_scores, label_scores, given_scores, n_neighbours)
    permute = _LocalPermutations(given_scores, rng)
    n_as_large = 0
    for n_drawn in range(1, n_permutations + 1):
        shuffled = label_scores[permute.draw()]
        null = conditional_ksg(z_scores, shuffled, given_scores, n_neighbours)
        n_as_large += null >= value
        if n_as_large == MAX_AS_LARGE:
            return ConditionalInformation(value, n_as_large / n_drawn)
    return ConditionalInformation(value, (1 + n_as_large) / (1 + n_permutations))


def conditional_ksg(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    given: NDArray[np.float64],
    n_neighbours: int,
) -> float:
    """
    Estimate conditional mutual information from nearest neighbours.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        First variable, without ties.
    y : ndarray of float, shape (n,)
        Second variable, without ties.
    given : ndarray of float, shape (n, n_given)
        The condition, without ties.
    n_neighbours : int
        k: more neighbours, less variance, more bias.

    Returns
    -------
    information : float
        I(x; y | given) [nat].
    """
    joint = np.column_stack((x, y, given))
    radius = KDTree(joint).query(joint, k=n_neighbours + 1, p=np.inf)[0][:, -1]
    # Strictly inside; more than rounding.
    radius = radius * (1.0 - 1e-10)
    counts = [
        KDTree(points).query_ball_point(points, radius, p=np.inf, return_length=True)
        for points in (
            np.column_stack((x, given)),
            np.column_stack((y, given)),
            given,
        )
    ]
    with_x, with_y, alone = (digamma(count) for count in counts)
    return float(digamma(n_neighbours) - np.mean(with_x + with_y - alone))


class _LocalPermutations:
    """Permutations that move a value to a star alike in what is given."""

    def __init__(self, given: NDArray[np.float64], rng: np.random.Generator) -> None:
        n_near = min(N_SHUFFLE_NEIGHBOURS, given.shape[0])
        near = KDTree(given).query(given, k=n_near)[1]
        self._near: NDArray[np.intp] = near.reshape(given.shape[0], n_near)
        self._rng = rng

    def draw(self) -> NDArray[np.intp]:
        """Give each star, in random order, a neighbour no other has taken if any."""
        near = self._rng.permuted(self._near, axis=1)
        taken = np.zeros(len(near), bool)
        source = near[:, 0].copy()
        for star in self._rng.permutation(len(near)):
            free = near[star][~taken[near[star]]]
            if free.size:
                source[star] = free[0]
            taken[source[star]] = True
        return source


def conditional_table(
    conditions: Sequence[ConditionalAssociation], config: AnalysisConfig
) -> Table:
    """
    List what labels say about dimensions beyond what other labels say.

    Parameters
    ----------
    conditions : sequence of ConditionalAssociation
        One per row.
    config : AnalysisConfig
        The false discovery rate.

    Returns
    -------
    table : astropy.table.Table
        One row per dimension and label.
    """
    information = [c.information for c in conditions]
    table = Table()
    table["dimension"] = np.array([c.dimension for c in conditions], np.int64)
    table["label"] = np.array([c.label for c in conditions], np.str_)
    table["given"] = np.array([", ".join(c.given) for c in conditions], np.str_)
    table["n_stars"] = np.array([c.n_stars for c in conditions], np.int64)
    table["conditional_mi"] = np.array([i.value for i in information], np.float64)
    table["p_value"] = np.array([i.p_value for i in information], np.float64)
    table["q_value"] = benjamini_hochberg(np.asarray(table["p_value"]))
    table["significant"] = table["q_value"] <= config.fdr
    return describe_columns(table, config)
