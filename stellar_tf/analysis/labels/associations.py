"""Every informative dimension against every label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import NUISANCES, Label, is_category, is_known
from stellar_tf.analysis.descriptions import describe_columns
from stellar_tf.analysis.labels.categories import (
    MAX_CATEGORIES,
    estimate_category_information,
    measure_category_information,
    number_categories,
)
from stellar_tf.analysis.labels.mutual_information import (
    MutualInformation,
    estimate_mutual_information,
    measure_mutual_information,
    normal_scores,
)
from stellar_tf.analysis.labels.rank_correlation import spearman_interval
from stellar_tf.analysis.statistics import (
    MIN_LABELLED_STARS,
    Estimate,
    benjamini_hochberg,
)
from stellar_tf.config import AnalysisConfig

MIN_SHARE = 0.1
"""A dimension follows a label that tells this share of what it carries, at least."""


class Associations(NamedTuple):
    """Mutual information and rank correlation, arrays of (n_dimensions, n_labels)."""

    dimensions: NDArray[np.intp]
    """Latent dimension of each row."""
    labels: tuple[str, ...]
    """Label of each column."""
    n_stars: NDArray[np.intp]
    """Stars with a known label, shape (n_labels,)."""
    mi: NDArray[np.float64]
    """Mutual information of a draw of z and the label [nat]."""
    mi_low: NDArray[np.float64]
    """Lower end of its interval [nat]."""
    mi_high: NDArray[np.float64]
    """Upper end of its interval [nat]."""
    p_value: NDArray[np.float64]
    """Of independence, by permutation."""
    q_value: NDArray[np.float64]
    """`p_value` adjusted over the whole table (Benjamini-Hochberg)."""
    spearman: NDArray[np.float64]
    """Rank correlation; NaN for categories."""
    spearman_low: NDArray[np.float64]
    """Lower end of its interval."""
    spearman_high: NDArray[np.float64]
    """Upper end of its interval."""
    mi_mean: NDArray[np.float64]
    """Mutual information of z_mean and the label [nat]; `mi` without posteriors."""
    carried: NDArray[np.float64] | float = 0.0
    """What each dimension carries [nat], shape (n_dimensions,); 0 if it is unknown."""

    def find_followed(self, fdr: float) -> NDArray[np.bool_]:
        """
        Tell which labels each dimension follows.

        Parameters
        ----------
        fdr : float
            False discovery rate at which a cell is significant.

        Returns
        -------
        followed : ndarray of bool, shape (n_dimensions, n_labels)
            Whether the cell is significant and has at least `MIN_SHARE` of what the
            dimension carries.
        """
        least = MIN_SHARE * np.reshape(self.carried, (-1, 1))
        return np.asarray((self.q_value <= fdr) & (self.mi >= least), np.bool_)


def measure_associations(
    z_mean: NDArray[np.floating],
    dimensions: NDArray[np.intp],
    labels: Mapping[str, Label],
    config: AnalysisConfig,
    rng: np.random.Generator,
    *,
    draws: NDArray[np.floating] | None = None,
    carried: NDArray[np.float64] | float = 0.0,
) -> Associations:
    """
    Measure what dimensions share with labels.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    dimensions : ndarray of int, shape (n_dimensions,)
        The latent dimensions.
    labels : mapping of str to ndarray of float or str, shape (n_stars,)
        Numbers or categories; each known for at least `MIN_LABELLED_STARS` stars
        and not constant (`select_labels`).
    config : AnalysisConfig
        Numbers of neighbours, subsamples, permutations and resamples, and the level.
    rng : numpy.random.Generator
        Source of randomness.
    draws : ndarray of float, shape (n_stars, n_latent), optional
        One draw of z from each posterior: information is measured and tested on them.
        Without them, on `z_mean`.
    carried : ndarray of float, shape (n_dimensions,), or 0
        What each of the dimensions carries [nat], if it is known.

    Returns
    -------
    associations : Associations
        One row per dimension, one column per label.

    Notes
    -----
    A label can tell no more about a draw of z than the spectrum does: I(z; label) <=
    I(x; z), the data-processing inequality. The posterior's mean, a number without
    noise, has no such bound.
    """
    n_stars = np.array([is_known(label).sum() for label in labels.values()], np.intp)
    if not (dimensions.size and labels):
        nothing = np.empty((dimensions.size, len(labels)))
        cells = [nothing] * 9
        return Associations(dimensions, tuple(labels), n_stars, *cells)
    z = z_mean if draws is None else draws
    found = [
        _measure_label(z[:, dimensions], z_mean[:, dimensions], label, config, rng)
        for label in labels.values()
    ]
    informations, correlations = zip(*found, strict=True)
    information = MutualInformation(
        *(np.column_stack(columns) for columns in zip(*informations, strict=True))
    )
    correlation = Estimate(
        *(np.column_stack(columns) for columns in zip(*correlations, strict=True))
    )
    return Associations(
        dimensions=dimensions,
        labels=tuple(labels),
        n_stars=n_stars,
        mi=information.value,
        mi_low=information.low,
        mi_high=information.high,
        p_value=information.p_value,
        q_value=benjamini_hochberg(information.p_value),
        spearman=correlation.value,
        spearman_low=correlation.low,
        spearman_high=correlation.high,
        mi_mean=information.value
        if draws is None
        else np.column_stack(
            [
                _estimate_label(z_mean[:, dimensions], label, config, rng)
                for label in labels.values()
            ]
        ),
        carried=carried,
    )


def _measure_label(
    z: NDArray[np.floating],
    z_mean: NDArray[np.floating],
    label: Label,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> tuple[MutualInformation, Estimate]:
    """Return what each dimension shares with one label, shapes (n_dimensions,)."""
    known = is_known(label)
    values = label[known]
    measure = (
        measure_category_information
        if is_category(label)
        else measure_mutual_information
    )
    information = measure(
        z[known],
        values,
        n_neighbours=config.n_neighbours,
        n_subsamples=config.n_subsamples,
        n_permutations=config.n_permutations,
        confidence=config.confidence,
        rng=rng,
    )
    if is_category(label):  # it has no order to correlate ranks with
        unknown = np.full(z.shape[1], np.nan)
        return information, Estimate(unknown, unknown, unknown)
    correlation = spearman_interval(
        z_mean[known],
        values,
        n_resamples=config.n_resamples,
        confidence=config.confidence,
        rng=rng,
    )
    return information, correlation


def _estimate_label(
    z: NDArray[np.floating],
    label: Label,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    known = is_known(label)
    scores = np.column_stack([normal_scores(column, rng) for column in z[known].T])
    if is_category(label):
        return estimate_category_information(
            scores,
            number_categories(label[known]),
            n_neighbours=config.n_neighbours,
            rng=rng,
        )
    return estimate_mutual_information(
        scores,
        normal_scores(label[known], rng),
        n_neighbours=config.n_neighbours,
        rng=rng,
    )


class Tracked(NamedTuple):
    """The label a dimension shares most with."""

    label: str
    """Its name."""
    mi: float
    """Mutual information [nat]."""
    spearman: float
    """Rank correlation; NaN for categories."""


def find_tracked(
    associations: Associations, dimension: int, fdr: float
) -> Tracked | None:
    """
    Find the label that a dimension shares most with.

    Parameters
    ----------
    associations : Associations
        Informative dimensions against labels.
    dimension : int
        The latent dimension.
    fdr : float
        False discovery rate at which a cell is significant.

    Returns
    -------
    tracked : Tracked or None
        None if the dimension follows no label, or is not informative.
    """
    rows = np.flatnonzero(associations.dimensions == dimension)
    if not (rows.size and associations.labels):
        return None
    row = int(rows[0])
    followed = associations.find_followed(fdr)[row]
    if not followed.any():
        return None
    column = int(np.argmax(np.where(followed, associations.mi[row], -1.0)))
    return Tracked(
        associations.labels[column],
        float(associations.mi[row, column]),
        float(associations.spearman[row, column]),
    )


def select_labels(
    labels: Mapping[str, Label],
) -> tuple[dict[str, Label], dict[str, str]]:
    """
    Set aside labels that cannot be related to anything.

    Parameters
    ----------
    labels : mapping of str to ndarray of float or str, shape (n_stars,)
        Numbers or categories.

    Returns
    -------
    usable : dict of str to ndarray of float or str
        Labels known for enough stars, and not the same for all of them.
    unusable : dict of str to str
        The reason for each of the others.
    """
    usable: dict[str, Label] = {}
    unusable: dict[str, str] = {}
    for name, label in labels.items():
        known = label[is_known(label)]
        n_values = np.unique(known).size
        if known.size < MIN_LABELLED_STARS:
            unusable[name] = (
                f"known for {known.size} stars, fewer than {MIN_LABELLED_STARS}"
            )
        elif n_values == 1:
            value = known[0] if is_category(label) else f"{known[0]:g}"
            unusable[name] = f"the same ({value}) for all {known.size} stars"
        elif is_category(label) and n_values > MAX_CATEGORIES:
            unusable[name] = f"{n_values} categories, more than {MAX_CATEGORIES}"
        else:
            usable[name] = label
    return usable, unusable


def association_table(associations: Associations, config: AnalysisConfig) -> Table:
    """
    List every cell of the table of dimensions against labels.

    Parameters
    ----------
    associations : Associations
        Informative dimensions against labels.
    config : AnalysisConfig
        The false discovery rate.

    Returns
    -------
    table : astropy.table.Table
        One row per dimension and label.
    """
    n_dimensions, n_labels = associations.mi.shape
    names = np.array(associations.labels, dtype=np.str_)
    table = Table()
    table["dimension"] = np.repeat(associations.dimensions, n_labels)
    table["label"] = np.tile(names, n_dimensions)
    table["nuisance"] = np.isin(table["label"], NUISANCES)
    table["n_stars"] = np.tile(associations.n_stars, n_dimensions)
    for name in ("mi", "mi_low", "mi_high", "p_value", "q_value"):
        table[name] = getattr(associations, name).ravel()
    table["significant"] = table["q_value"] <= config.fdr
    for name in ("mi_mean", "spearman", "spearman_low", "spearman_high"):
        table[name] = getattr(associations, name).ravel()
    return describe_columns(table, config)


def add_tracked_labels(table: Table, associations: Associations, fdr: float) -> None:
    """
    Add to a table of dimensions the label that each one tracks.

    Parameters
    ----------
    table : astropy.table.Table
        One row per latent dimension; changed in place.
    associations : Associations
        Dimensions against labels.
    fdr : float
        False discovery rate at which a cell is significant.
    """
    nothing = Tracked("", np.nan, np.nan)
    tracked = [
        find_tracked(associations, int(dimension), fdr) or nothing
        for dimension in table["dimension"]
    ]
    table["tracks"] = np.array([t.label for t in tracked], np.str_)
    table["tracks_mi"] = np.array([t.mi for t in tracked])
    table["tracks_spearman"] = np.array([t.spearman for t in tracked])
