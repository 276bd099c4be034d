"""Every informative dimension against every label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.categories import (
    MAX_CATEGORIES,
    Label,
    is_category,
    is_known,
    relate_category,
)
from stellar_tf.analysis.false_discovery import benjamini_hochberg
from stellar_tf.analysis.mutual_information import relate
from stellar_tf.analysis.rank_correlation import spearman_interval
from stellar_tf.config import AnalysisConfig

MIN_STARS = 30
"""A label known for fewer stars is not related to anything."""


class Associations(NamedTuple):
    """Mutual information and rank correlation, arrays of (n_dimensions, n_labels)."""

    dimensions: NDArray[np.intp]
    """Latent dimension of each row."""
    labels: tuple[str, ...]
    """Label of each column."""
    n_stars: NDArray[np.intp]
    """Stars with a known label, shape (n_labels,)."""
    mi: NDArray[np.float64]
    """Mutual information [nat]."""
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


def associate(
    z_mean: NDArray[np.floating],
    dimensions: NDArray[np.intp],
    labels: Mapping[str, Label],
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> Associations:
    """
    Relate dimensions to labels.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    dimensions : ndarray of int, shape (n_dimensions,)
        The latent dimensions to relate.
    labels : mapping of str to ndarray of float or str, shape (n_stars,)
        Numbers or categories; each known for at least `MIN_STARS` stars and not
        constant (`select_labels`).
    config : AnalysisConfig
        Numbers of neighbours, subsamples, permutations and resamples, and the level.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    associations : Associations
        One row per dimension, one column per label.
    """
    shape = (9, dimensions.size, len(labels))
    cells = np.full(shape, np.nan)
    n_stars = np.zeros(len(labels), np.intp)
    for column, label in enumerate(labels.values()):
        known = is_known(label)
        n_stars[column] = known.sum()
        if not dimensions.size:
            continue
        z, value = z_mean[known][:, dimensions], label[known]
        measure = relate_category if is_category(label) else relate
        cells[:4, :, column] = measure(
            z,
            value,
            n_neighbours=config.n_neighbours,
            n_subsamples=config.n_subsamples,
            n_permutations=config.n_permutations,
            confidence=config.confidence,
            rng=rng,
        )
        if not is_category(label):  # which has no order to correlate ranks with
            cells[5:8, :, column] = spearman_interval(
                z,
                value,
                n_resamples=config.n_resamples,
                confidence=config.confidence,
                rng=rng,
            )
    cells[4] = benjamini_hochberg(cells[3])
    return Associations(dimensions, tuple(labels), n_stars, *cells[:8])


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
    Find the label with the largest significant mutual information.

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
        None if no cell is significant, or the dimension is not informative.
    """
    rows = np.flatnonzero(associations.dimensions == dimension)
    if not (rows.size and associations.labels):
        return None
    row = int(rows[0])
    significant = associations.q_value[row] <= fdr
    if not significant.any():
        return None
    column = int(np.argmax(np.where(significant, associations.mi[row], -1.0)))
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
        if known.size < MIN_STARS:
            unusable[name] = f"known for {known.size} stars, fewer than {MIN_STARS}"
        elif n_values == 1:
            value = known[0] if is_category(label) else f"{known[0]:g}"
            unusable[name] = f"the same ({value}) for all {known.size} stars"
        elif is_category(label) and n_values > MAX_CATEGORIES:
            unusable[name] = f"{n_values} categories, more than {MAX_CATEGORIES}"
        else:
            usable[name] = label
    return usable, unusable
