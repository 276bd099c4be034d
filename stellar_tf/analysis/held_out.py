"""What each label's best dimension is worth on stars the fit has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.associations import Associations
from stellar_tf.analysis.categories import is_category, is_known
from stellar_tf.analysis.latents import HELD_OUT, Codes
from stellar_tf.analysis.mutual_information import estimate, normal_scores
from stellar_tf.analysis.rank_correlation import spearman, spearman_interval
from stellar_tf.config import AnalysisConfig

MIN_STARS = 10
"""With fewer held-out stars nothing is reported on them."""


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
    """The same on held-out stars; NaN with fewer than 10 of them."""
    low: float
    """Lower end of the interval of `spearman_held_out`."""
    high: float
    """Upper end of it."""
    mi_held_out: float
    """Mutual information on the held-out stars [nat]; NaN with fewer than 10."""
    n_held_out: int
    """Held-out stars with a known label."""


def find_best_dimensions(
    view: Codes,
    associations: Associations,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> list[BestDimension]:
    """
    Choose each label's best dimension and test the choice on held-out stars.

    Parameters
    ----------
    view : Codes
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
    held_out = view.take(view.split == HELD_OUT)
    seen = view.take(view.split != HELD_OUT)
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
    if is_category(values) or not dimensions.size or known.sum() < MIN_STARS:
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
    z, values = held_out.z_mean[known][:, [dimension]], values[known]
    if n_known < MIN_STARS or np.ptp(values) == 0.0:
        return _untested(n_known)
    correlation, low, high = spearman_interval(
        z,
        values,
        n_resamples=config.n_resamples,
        confidence=config.confidence,
        rng=rng,
    )
    mi = estimate(
        normal_scores(z[:, 0], rng)[:, None],
        normal_scores(values, rng),
        n_neighbours=min(config.n_neighbours, n_known - 1),
        rng=rng,
    )
    return float(correlation[0]), float(low[0]), float(high[0]), float(mi[0]), n_known
