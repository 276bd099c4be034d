"""What each label's best dimension is worth on stars the fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import NUISANCES, is_category, is_known
from stellar_tf.analysis.descriptions import describe_columns
from stellar_tf.analysis.labels.associations import Associations
from stellar_tf.analysis.labels.mutual_information import (
    estimate_mutual_information,
    normal_scores,
)
from stellar_tf.analysis.labels.rank_correlation import spearman, spearman_interval
from stellar_tf.analysis.latents import HELD_OUT, Codes
from stellar_tf.analysis.statistics import MIN_HELD_OUT_STARS
from stellar_tf.config import AnalysisConfig

_OF_BEST = ("mi", "mi_low", "mi_high", "q_value", "mi_mean")


class BestDimension(NamedTuple):
    """The informative dimension that follows a label best by rank."""

    label: str
    """The label."""
    dimension: int
    """The dimension, chosen without the held-out stars; -1 without any, or if the
    label has categories."""
    spearman: float
    """Its rank correlation with the label, all analysed stars."""
    spearman_held_out: float
    """The same on held-out stars; NaN with fewer than `MIN_HELD_OUT_STARS` of them."""
    low: float
    """Lower end of the interval of `spearman_held_out`."""
    high: float
    """Upper end of it."""
    mi_held_out: float
    """Mutual information of draws of z on the held-out stars [nat]; NaN likewise."""
    n_held_out: int
    """Held-out stars with a known label."""


def find_best_dimensions(
    stars: Codes,
    associations: Associations,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> list[BestDimension]:
    """
    Choose each label's best dimension and test the choice on held-out stars.

    Parameters
    ----------
    stars : Codes
        One spectrum per star, all stars.
    associations : Associations
        Informative dimensions against labels.
    config : AnalysisConfig
        Number of resamples and neighbours, and the level.
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    best : list of BestDimension
        One per label of `associations`.
    """
    held_out = stars.take(stars.split == HELD_OUT)
    seen = stars.take(stars.split != HELD_OUT)
    best = []
    for column, label in enumerate(associations.labels):
        row = _choose(seen, label, associations.dimensions)
        if row is None:
            best.append(BestDimension(label, -1, np.nan, *_untested(0)))
            continue
        dimension = int(associations.dimensions[row])
        correlation = float(associations.spearman[row, column])
        tested = _test(held_out, label, dimension, config, rng)
        best.append(BestDimension(label, dimension, correlation, *tested))
    return best


_Tested = tuple[float, float, float, float, int]


def _untested(n_known: int) -> _Tested:
    return np.nan, np.nan, np.nan, np.nan, n_known


def _choose(seen: Codes, label: str, dimensions: NDArray[np.intp]) -> int | None:
    values = seen.labels[label]
    known = is_known(values)
    if is_category(values) or not dimensions.size or known.sum() < MIN_HELD_OUT_STARS:
        return None
    strength = np.abs(spearman(seen.z_mean[known][:, dimensions], values[known]))
    return None if np.isnan(strength).all() else int(np.nanargmax(strength))


def _test(
    held_out: Codes,
    label: str,
    dimension: int,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> _Tested:
    values = held_out.labels[label]
    known = is_known(values)
    n_known = int(known.sum())
    z_mean, values = held_out.z_mean[known][:, [dimension]], values[known]
    if n_known < MIN_HELD_OUT_STARS or np.ptp(values) == 0.0:
        return _untested(n_known)
    correlation, low, high = spearman_interval(
        z_mean,
        values,
        n_resamples=config.n_resamples,
        confidence=config.confidence,
        rng=rng,
    )
    width = np.exp(0.5 * held_out.z_log_var[known, dimension])
    draws = z_mean[:, 0] + width * rng.normal(size=n_known)
    mi = estimate_mutual_information(
        normal_scores(draws, rng)[:, None],
        normal_scores(values, rng),
        n_neighbours=min(config.n_neighbours, n_known - 1),
        rng=rng,
    )
    return float(correlation[0]), float(low[0]), float(high[0]), float(mi[0]), n_known


def label_table(
    associations: Associations,
    best: Sequence[BestDimension],
    factors: Sequence[str],
    config: AnalysisConfig,
) -> Table:
    """
    List, for each label, the dimensions that follow it best.

    Parameters
    ----------
    associations : Associations
        Informative dimensions against labels.
    best : sequence of BestDimension
        Best dimension by rank of each label, and its worth on held-out stars.
    factors : sequence of str
        Labels that are true factors.
    config : AnalysisConfig
        The false discovery rate.

    Returns
    -------
    table : astropy.table.Table
        One row per label.
    """
    table = Table()
    table["label"] = np.array(associations.labels, dtype=np.str_)
    table["nuisance"] = np.isin(table["label"], NUISANCES)
    table["factor"] = np.isin(table["label"], list(factors))
    table["n_stars"] = associations.n_stars
    n_labels = len(associations.labels)
    if associations.dimensions.size:
        row = np.argmax(associations.mi, axis=0)
        cell = (row, np.arange(n_labels))
        table["mi_dimension"] = associations.dimensions[row]
        for name in _OF_BEST:
            table[name] = getattr(associations, name)[cell]
    else:
        table["mi_dimension"] = np.full(n_labels, -1)
        for name in _OF_BEST:
            table[name] = np.full(n_labels, np.nan)
    table["significant"] = table["q_value"] <= config.fdr
    table["spearman_dimension"] = np.array([b.dimension for b in best], np.int64)
    table["spearman"] = np.array([b.spearman for b in best], np.float64)
    table["n_held_out"] = np.array([b.n_held_out for b in best], np.int64)
    held_out = {
        "spearman_held_out": [b.spearman_held_out for b in best],
        "spearman_held_out_low": [b.low for b in best],
        "spearman_held_out_high": [b.high for b in best],
        "mi_held_out": [b.mi_held_out for b in best],
    }
    for name, values in held_out.items():
        table[name] = np.array(values, np.float64)
    return describe_columns(table, config)
