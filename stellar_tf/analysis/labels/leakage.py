"""How much of the observation, rather than the star, is in the latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.special import ndtri

from stellar_tf.analysis.columns import NUISANCES, Label, is_known
from stellar_tf.analysis.labels.associations import Associations
from stellar_tf.analysis.labels.mutual_information import (
    choose_subsample,
    ksg,
    normal_scores,
)
from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.statistics import MIN_LABELLED_STARS
from stellar_tf.config import AnalysisConfig


class Leakage(NamedTuple):
    """What the informative dimensions know about the exposure."""

    dimensions: NDArray[np.intp]
    """The informative dimensions, shape (n_dimensions,)."""
    nuisances: tuple[str, ...]
    """The columns that were known and varied."""
    mi: NDArray[np.float64]
    """Mutual information, shape (n_dimensions, n_nuisances) [nat]."""
    significant: NDArray[np.bool_]
    """Whether it is, after Benjamini-Hochberg, same shape."""
    largest: NDArray[np.float64]
    """Largest significant one of each dimension, or 0, shape (n_dimensions,) [nat]."""
    total: float
    """Sum of `largest` over the dimensions, but for the observational block, which is
    meant to know [nat]."""
    total_low: float
    """Lower end of its interval [nat]."""
    total_high: float
    """Upper end of its interval [nat]."""


def measure_leakage(
    stars: Codes,
    draws: NDArray[np.floating],
    associations: Associations,
    config: AnalysisConfig,
    rng: np.random.Generator,
    *,
    blocks: Sequence[str] = (),
) -> Leakage:
    """
    Take the exposure's columns out of the table of associations and sum them up.

    Parameters
    ----------
    stars : Codes
        One spectrum per star, those of the associations.
    draws : ndarray of float, shape (n_stars, n_latent)
        Their draws of z.
    associations : Associations
        Dimensions against labels and nuisances.
    config : AnalysisConfig
        The false discovery rate, the level, and the size of the subsampling.
    rng : numpy.random.Generator
        Source of the subsamples.
    blocks : sequence of str, default ()
        Block of each latent dimension, after training on visits.

    Returns
    -------
    leakage : Leakage
        Mutual information with each nuisance, and its total with an interval.

    Notes
    -----
    The interval is by subsampling stars without replacement, as that of each cell,
    with the cells that make up the total measured on the same stars.
    """
    columns = np.array(
        [i for i, name in enumerate(associations.labels) if name in NUISANCES], np.intp
    )
    dimensions, mi = associations.dimensions, associations.mi[:, columns]
    significant = associations.q_value[:, columns] <= config.fdr
    counted = np.where(significant, mi, 0.0)
    largest = counted.max(axis=1, initial=0.0)
    nuisances = tuple(associations.labels[column] for column in columns)
    meant = [bool(blocks) and blocks[d] == "observational" for d in dimensions]
    leaked = np.where(meant, 0.0, largest)
    cells = [
        (int(dimensions[row]), nuisances[int(np.argmax(counted[row]))])
        for row in np.flatnonzero(leaked > 0.0)
    ]
    total = float(leaked.sum())
    half = _error(draws, stars.labels, cells, config, rng) * ndtri(
        0.5 + 0.5 * config.confidence
    )
    return Leakage(
        dimensions=dimensions,
        nuisances=nuisances,
        mi=mi,
        significant=significant,
        largest=largest,
        total=total,
        total_low=max(total - half, 0.0),
        total_high=total + half,
    )


def _error(
    draws: NDArray[np.floating],
    labels: Mapping[str, Label],
    cells: Sequence[tuple[int, str]],
    config: AnalysisConfig,
    rng: np.random.Generator,
) -> float:
    """Estimate the standard error of the summed information of some cells."""
    if not cells:
        return 0.0
    known = np.logical_and.reduce([is_known(labels[name]) for _, name in cells])
    rows = np.flatnonzero(known)
    if rows.size < MIN_LABELLED_STARS:
        return float("nan")
    pairs = [
        (
            normal_scores(draws[rows, dimension], rng),
            normal_scores(labels[name][rows], rng),
        )
        for dimension, name in cells
    ]
    size, factor = choose_subsample(rows.size)
    totals = []
    for _ in range(config.n_subsamples):
        drawn = rng.choice(rows.size, size, replace=False)
        values = (
            ksg(z[drawn], label[drawn], config.n_neighbours) for z, label in pairs
        )
        totals.append(sum(values))
    return factor * float(np.std(totals, ddof=1))


def leakage_table(leakage: Leakage, config: AnalysisConfig) -> Table:
    """
    List what each informative dimension knows about the exposure.

    Parameters
    ----------
    leakage : Leakage
        Mutual information with the nuisances.
    config : AnalysisConfig
        The false discovery rate.

    Returns
    -------
    table : astropy.table.Table
        One row per informative dimension, a column per nuisance.
    """
    table = Table()
    table["dimension"] = leakage.dimensions
    for column, name in enumerate(leakage.nuisances):
        table[name] = leakage.mi[:, column]
        table[name].description = f"mutual information with {name} [nat]"
    table["largest"] = leakage.largest
    table["largest"].description = "largest significant one, or 0 [nat]"
    table.meta["total"] = leakage.total
    table.meta["total_low"] = leakage.total_low
    table.meta["total_high"] = leakage.total_high
    table.meta["fdr"] = config.fdr
    return table
