"""What a dimension adds to what others carry already: K counts those that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from stellar_tf.analysis.evidence.conditional_density import (
    Sample,
    draw_sample,
    measure_added,
)
from stellar_tf.analysis.evidence.information import Information
from stellar_tf.analysis.evidence.verdict import Verdict
from stellar_tf.analysis.labels.contingency import (
    binned_information,
    choose_n_bins,
    contingency_tables,
)
from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.statistics import Estimate
from stellar_tf.config import AnalysisConfig

MAX_OTHERS = 16
"""Other dimensions that enter, at most: those that share most with this one."""


class Independence(NamedTuple):
    """What each informative dimension adds; NaN for the others."""

    independent: NDArray[np.bool_]
    """Whether K counts the dimension, shape (n_latent,)."""
    added: Estimate
    """What it adds to the dimensions counted before it [nat]."""
    given_rest: Estimate
    """I(x; z_d | m_rest): what it adds to all other informative dimensions [nat]."""
    repeats: NDArray[np.intp]
    """Of an informative dimension that is not counted, the counted one that it shares
    most with; -1 for the others."""
    n_independent: int
    """K: how many are counted."""
    n_low: int
    """Lower end of the interval of K."""
    n_high: int
    """Upper end of the interval of K."""


def measure_independence(
    stars: Codes,
    information: Information,
    verdict: Verdict,
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> Independence:
    """
    Count the dimensions that add something to those before them.

    Parameters
    ----------
    stars : Codes
        One spectrum per star.
    information : Information
        What each dimension carries by itself.
    verdict : Verdict
        Which dimensions are informative.
    config : AnalysisConfig
        `min_information` and the level.
    rng : numpy.random.Generator
        Source of draws and folds.

    Returns
    -------
    independence : Independence
        K, and what each informative dimension adds.

    Notes
    -----
    Means are functions of x, so that I(x; z_d | m_S) = I(x; z_d) - I(z_d; m_S) for any
    set S of other dimensions. From the most informative dimension on, each one is
    counted if the lower end of the interval of what it adds to those counted before it
    is at least the floor. `measure_added` is the estimator.

    The interval of K is made as that of the number of informative dimensions: normal,
    Bonferroni over the dimensions, from the standard errors.
    """
    n_latent = verdict.informative.size
    sample = draw_sample(stars.z_mean, stars.z_log_var, rng)
    order = sorted(verdict.dimensions, key=lambda d: -information.value[d])
    counted: list[int] = []
    added = np.full((4, n_latent), np.nan)
    given_rest = np.full((4, n_latent), np.nan)
    repeats = np.full(n_latent, -1, np.intp)
    for dimension in order:
        rest = [other for other in order if other != dimension]
        for found, others in ((added, counted), (given_rest, rest)):
            found[:, dimension] = _measure(
                sample, information, int(dimension), others, config, rng
            )
        if not counted or added[1, dimension] >= config.min_information:
            counted.append(int(dimension))
        else:
            shared = _shared_information(sample, int(dimension), counted)
            repeats[dimension] = counted[int(np.argmax(shared))]
    independent = np.isin(np.arange(n_latent), counted)
    quantile = ndtri(1.0 - 0.5 * (1.0 - config.confidence) / n_latent)
    half = quantile * added[3]
    surely = independent & (added[0] - half >= config.min_information)
    possibly = verdict.informative & (added[0] + half >= config.min_information)
    n_more = verdict.n_high - verdict.n_informative
    return Independence(
        independent=independent,
        added=Estimate(*added[:3]),
        given_rest=Estimate(*given_rest[:3]),
        repeats=repeats,
        n_independent=len(counted),
        n_low=min(int(surely.sum()), verdict.n_low),
        n_high=max(int(possibly.sum()), len(counted)) + n_more,
    )


def _measure(
    sample: Sample,
    information: Information,
    dimension: int,
    others: Sequence[int],
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """Return value, interval and standard error."""
    value, low, high, error = (float(field[dimension]) for field in information[:4])
    if not others:
        return value, low, high, error
    if len(others) > MAX_OTHERS:
        shared = _shared_information(sample, dimension, others)
        others = [others[i] for i in np.argsort(-shared)[:MAX_OTHERS]]
    added = measure_added(sample, dimension, others, rng)
    quantile = stdtrit(added.n_groups - 1, 0.5 + 0.5 * config.confidence)
    half = quantile * added.standard_error
    return (
        float(np.clip(added.value, 0.0, value)),
        float(np.clip(added.value - half, 0.0, low)),
        float(np.clip(added.value + half, 0.0, high)),
        added.standard_error,
    )


def _shared_information(
    sample: Sample, dimension: int, others: Sequence[int]
) -> NDArray[np.float64]:
    """Mutual information of draws of a dimension and of each of some others, binned."""
    z = sample.z.astype(np.float64)
    tables = contingency_tables(
        z[:, list(others)], z[:, dimension], choose_n_bins(len(z))
    )
    return binned_information(tables)
