"""From a table of latents to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis import tables
from stellar_tf.analysis.associations import Associations, associate, select_labels
from stellar_tf.analysis.conditional import condition
from stellar_tf.analysis.disentanglement import Disentanglement, score_disentanglement
from stellar_tf.analysis.dispersion import median_absolute_deviation
from stellar_tf.analysis.held_out import find_best_dimensions
from stellar_tf.analysis.information import measure_information
from stellar_tf.analysis.latents import HELD_OUT, Codes, LatentsError, read_codes
from stellar_tf.analysis.leakage import Leakage, measure_leakage
from stellar_tf.analysis.repeats import compare_visits
from stellar_tf.analysis.two_sample import compare_posteriors
from stellar_tf.analysis.unexplained import find_unexplained, list_extremes
from stellar_tf.analysis.unusual import list_unusual
from stellar_tf.analysis.verdict import Evidence, Verdict, decide
from stellar_tf.config import AnalysisConfig

MIN_STARS = 20
"""No statistic is made from fewer stars."""


@dataclass(frozen=True)
class AnalysisResult:
    """Everything the analysis found."""

    verdict: Verdict
    """The informative dimensions, K and its interval."""
    verdict_table: Table
    """The evidence of each method, one row per dimension, most informative first."""
    associations: Associations
    """Informative dimensions against labels and nuisances, as arrays."""
    association_table: Table
    """The same, one row per dimension and label."""
    label_table: Table
    """The best dimension of each label, and its worth on held-out stars."""
    conditional_table: Table
    """What labels say about a dimension beyond the one that it tracks."""
    unexplained: NDArray[np.intp]
    """Informative dimensions that share nothing significant with any label."""
    extremes: Table
    """Spectra at both ends of those."""
    unusual: Table
    """The spectra that are least like any other."""
    leakage: Leakage
    """What the informative dimensions know about the exposure."""
    factors: tuple[str, ...]
    """Known true factors that vary: K true is their number."""
    disentanglement: Disentanglement | None
    """Scores against the factors; None without factors."""
    unusable_labels: dict[str, str]
    """Labels left out, with the reason."""
    stars: Table
    """The one-per-star view, all splits."""
    n_spectra: int
    """Spectra whose stars entered."""
    n_stars: int
    """Stars that entered."""
    n_repeated_stars: int
    """Those of them with at least two visits."""
    n_held_out: int
    """Held-out stars."""
    config: AnalysisConfig
    """The settings."""

    @property
    def n_latent(self) -> int:
        """Latent dimensions."""
        return self.verdict.informative.size

    @property
    def n_factors(self) -> int | None:
        """K true: the number of known factors that vary; None where unknown."""
        return len(self.factors) or None


def analyze(
    latents: Table,
    config: AnalysisConfig,
    *,
    labels: Sequence[str] | None = None,
    factors: Sequence[str] = (),
) -> AnalysisResult:
    """
    Say which latent dimensions carry information, and about what.

    Parameters
    ----------
    latents : astropy.table.Table
        As `stellar-tf encode` writes it: ``dp_id``, ``star``, ``split``,
        ``z_mean`` and ``z_log_var`` of shape (n, n_latent), labels.
    config : AnalysisConfig
        Levels, sizes and the seed.
    labels : sequence of str, optional
        Label columns; by default those of `config`, else every numeric column.
    factors : sequence of str, default ()
        Label columns that are the true factors of variation.

    Returns
    -------
    result : AnalysisResult
        Verdict, tables and scores.

    Raises
    ------
    LatentsError
        If the table is not as described, or has fewer than `MIN_STARS` stars in the
        splits of `config`.

    Notes
    -----
    Each method draws from its own stream of random numbers, so that changing one
    leaves the others as they are.
    """
    codes = read_codes(latents, config, labels=labels, factors=factors)
    everything = codes.view(seed=config.seed)
    view = everything.enter(config.splits)
    if view.dp_id.size < MIN_STARS:
        raise LatentsError(
            f"latents must hold at least {MIN_STARS} stars of splits "
            f"{', '.join(config.splits)}, got {view.dp_id.size}"
        )
    streams = np.random.default_rng(config.seed).spawn(6)
    visits = codes.enter(config.splits)
    evidence = weigh(view, visits, config, streams[0])
    verdict = decide(evidence, config)
    usable, unusable = select_labels(view.labels)
    associations = associate(
        view.z_mean, verdict.dimensions, usable, config, streams[1]
    )
    best = find_best_dimensions(everything, associations, config, streams[2])
    unexplained = find_unexplained(associations, fdr=config.fdr)
    varying = tuple(name for name in factors if name in usable)
    return AnalysisResult(
        verdict=verdict,
        verdict_table=tables.verdict_table(verdict, evidence, associations, config),
        associations=associations,
        association_table=tables.association_table(associations, config),
        label_table=tables.label_table(associations, best, varying, config),
        conditional_table=tables.conditional_table(
            condition(view, associations, config, streams[4]), config
        ),
        unexplained=unexplained,
        extremes=list_extremes(view, unexplained),
        unusual=list_unusual(visits, verdict.dimensions),
        leakage=measure_leakage(view, associations, config, streams[5]),
        factors=varying,
        disentanglement=_score(view, varying, streams[3]),
        unusable_labels=unusable,
        stars=tables.star_table(everything, config.splits),
        n_spectra=visits.dp_id.size,
        n_stars=view.dp_id.size,
        n_repeated_stars=evidence.repeats.n_stars,
        n_held_out=int((everything.split == HELD_OUT).sum()),
        config=config,
    )


def weigh(
    view: Codes, visits: Codes, config: AnalysisConfig, rng: np.random.Generator
) -> Evidence:
    """
    Apply every method that needs no labels.

    Parameters
    ----------
    view : Codes
        One spectrum per star.
    visits : Codes
        All spectra of these stars.
    config : AnalysisConfig
        Levels and sizes.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    evidence : Evidence
        What each method says about each dimension.
    """
    streams = rng.spawn(4)
    n_resamples, confidence = config.n_resamples, config.confidence
    return Evidence(
        median_absolute_deviation(
            view.z_mean,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[0],
        ),
        compare_posteriors(
            view.z_mean, view.z_log_var, n_draws=config.n_draws, rng=streams[1]
        ),
        measure_information(
            view.z_mean,
            view.z_log_var,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[2],
        ),
        compare_visits(
            visits.z_mean,
            visits.star,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[3],
        ),
    )


def _score(
    view: Codes, factors: Sequence[str], rng: np.random.Generator
) -> Disentanglement | None:
    if not factors or view.z_mean.shape[1] < 2:
        return None
    values = {name: view.labels[name] for name in factors}
    known = np.isfinite(np.column_stack(list(values.values()))).all(axis=1)
    if known.sum() < MIN_STARS:
        return None
    return score_disentanglement(view.z_mean, values, rng)
