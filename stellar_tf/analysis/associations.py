"""Every informative dimension against every label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stellar_tf.analysis.false_discovery import benjamini_hochberg
from stellar_tf.analysis.mutual_information import relate
from stellar_tf.analysis.stars import percentile_interval
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
    """Rank correlation."""
    spearman_low: NDArray[np.float64]
    """Lower end of its interval."""
    spearman_high: NDArray[np.float64]
    """Upper end of its interval."""


def associate(
    z_mean: NDArray[np.floating],
    dimensions: NDArray[np.intp],
    labels: Mapping[str, NDArray[np.float64]],
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
    labels : mapping of str to ndarray of float, shape (n_stars,)
        Labels, NaN where unknown; each known for at least `MIN_STARS` stars and not
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
        known = np.isfinite(label)
        n_stars[column] = known.sum()
        if not dimensions.size:
            continue
        z, value = z_mean[known][:, dimensions], label[known]
        information = relate(
            z,
            value,
            n_neighbours=config.n_neighbours,
            n_subsamples=config.n_subsamples,
            n_permutations=config.n_permutations,
            confidence=config.confidence,
            rng=rng,
        )
        cells[:4, :, column] = information
        cells[5:8, :, column] = _correlate(z, value, config, rng)
    cells[4] = benjamini_hochberg(cells[3])
    return Associations(dimensions, tuple(labels), n_stars, *cells[:8])


def select_labels(
    labels: Mapping[str, NDArray[np.float64]],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """
    Set aside labels that cannot be related to anything.

    Parameters
    ----------
    labels : mapping of str to ndarray of float, shape (n_stars,)
        Labels, NaN where unknown.

    Returns
    -------
    usable : dict of str to ndarray of float
        Labels known for enough stars, and not the same for all of them.
    unusable : dict of str to str
        The reason for each of the others.
    """
    usable: dict[str, NDArray[np.float64]] = {}
    unusable: dict[str, str] = {}
    for name, label in labels.items():
        known = label[np.isfinite(label)]
        if known.size < MIN_STARS:
            unusable[name] = f"known for {known.size} stars, fewer than {MIN_STARS}"
        elif np.ptp(known) == 0.0:
            unusable[name] = f"the same ({known[0]:g}) for all {known.size} stars"
        else:
            usable[name] = label
    return usable, unusable


def spearman(
    z: NDArray[np.floating], label: NDArray[np.floating]
) -> NDArray[np.float64]:
    """
    Correlate ranks, ties sharing their mean rank.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars, n_latent)
        Latent means.
    label : ndarray of float, shape (n_stars,)
        The label.

    Returns
    -------
    correlation : ndarray of float, shape (n_latent,)
        Spearman's correlation, NaN where either side is constant.
    """
    rank = stats.rankdata(z, axis=0)
    label_rank = stats.rankdata(label)
    rank -= rank.mean(axis=0)
    label_rank -= label_rank.mean()
    norm = np.sqrt((rank**2).sum(axis=0) * (label_rank**2).sum())
    correlation = np.full(rank.shape[1], np.nan)
    np.divide(label_rank @ rank, norm, out=correlation, where=norm > 0.0)
    return correlation


def _correlate(
    z: NDArray[np.floating],
    label: NDArray[np.floating],
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    resampled = np.empty((config.n_resamples, z.shape[1]))
    for row in resampled:
        drawn = rng.integers(label.size, size=label.size)
        row[:] = spearman(z[drawn], label[drawn])
    low, high = percentile_interval(resampled, config.confidence)
    return np.stack((spearman(z, label), low, high))
