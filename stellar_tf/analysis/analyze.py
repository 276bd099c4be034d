"""From a table of latents to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.descriptions import describe_columns
from stellar_tf.analysis.evidence.independence import (
    Independence,
    measure_independence,
)
from stellar_tf.analysis.evidence.intrinsic import (
    IntrinsicDimension,
    estimate_intrinsic_dimension,
)
from stellar_tf.analysis.evidence.pulls import Pulls
from stellar_tf.analysis.evidence.verdict import (
    Evidence,
    Verdict,
    decide,
    gather_evidence,
)
from stellar_tf.analysis.labels.associations import (
    Associations,
    add_tracked_labels,
    association_table,
    measure_associations,
    select_labels,
)
from stellar_tf.analysis.labels.conditional import (
    conditional_table,
    measure_conditional_associations,
)
from stellar_tf.analysis.labels.coverage import measure_coverage
from stellar_tf.analysis.labels.held_out import find_best_dimensions, label_table
from stellar_tf.analysis.labels.joint_fit import fit_joint_maps
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.leakage import Leakage, measure_leakage
from stellar_tf.analysis.labels.unexplained import find_unexplained, list_extremes
from stellar_tf.analysis.labels.units import UnitMap, fit_unit_maps
from stellar_tf.analysis.latents import HELD_OUT, Codes, read_codes, star_table
from stellar_tf.analysis.neighbours.unusual import list_unusual
from stellar_tf.analysis.statistics import MIN_STARS, Estimate
from stellar_tf.analysis.truth.disentanglement import (
    Disentanglement,
    score_disentanglement,
)
from stellar_tf.config import AnalysisConfig


@dataclass(frozen=True)
class AnalysisResult:
    """Everything the analysis found."""

    verdict: Verdict
    """The informative dimensions."""
    independence: Independence
    """What each adds to others, K and its interval."""
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
    intrinsic_means: IntrinsicDimension
    """Intrinsic dimension of the means in the informative dimensions."""
    intrinsic_draws: IntrinsicDimension
    """The same of draws from the posteriors."""
    unit_maps: tuple[UnitMap, ...]
    """What z means in the unit of the label, where a dimension tracks one closely."""
    joint_maps: tuple[JointMap, ...]
    """The same by all informative dimensions, where it is then known better."""
    coverage_table: Table
    """How many errors of labels on held-out stars are as small as is said of them."""
    unexplained: NDArray[np.intp]
    """Informative dimensions that follow no label."""
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
    """One spectrum of each star, all splits."""
    n_spectra: int
    """Spectra of the stars that the statistics use."""
    n_stars: int
    """Those stars."""
    n_repeated_stars: int
    """Those of them with at least two visits."""
    n_held_out: int
    """Held-out stars."""
    blocks: tuple[str, ...]
    """Block of each dimension; none without training on visits."""
    series_of: str
    """The star, where all spectra are of one: each counts as a star; else empty."""
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
    blocks: Sequence[str] = (),
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
    blocks : sequence of str, default ()
        After training on visits, which block each dimension belongs to: ``stellar`` or
        ``observational``.

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
    all_stars = codes.one_per_star(seed=config.seed)
    stars = all_stars.select_splits(config.splits)
    if stars.dp_id.size < MIN_STARS:
        raise LatentsError(
            f"latents must hold at least {MIN_STARS} stars of splits "
            f"{', '.join(config.splits)}, got {stars.dp_id.size}"
        )
    streams = np.random.default_rng(config.seed).spawn(10)
    visits = codes.select_splits(config.splits)
    evidence = gather_evidence(stars, visits, config, streams[0])
    verdict = decide(evidence, config)
    independence = measure_independence(
        stars, evidence.information, verdict, config, streams[7]
    )
    usable, unusable = select_labels(stars.labels)
    draws = stars.draw(streams[6])
    associations = measure_associations(
        stars.z_mean,
        verdict.dimensions,
        usable,
        config,
        streams[1],
        draws=draws,
        carried=evidence.information.value[verdict.dimensions],
    )
    best = find_best_dimensions(all_stars, associations, config, streams[2])
    conditional = measure_conditional_associations(
        stars, draws, associations, config, streams[4]
    )
    intrinsic = [
        estimate_intrinsic_dimension(
            z[:, verdict.dimensions], confidence=config.confidence, rng=streams[8]
        )
        for z in (stars.z_mean, draws)
    ]
    unit_maps = fit_unit_maps(all_stars, associations, config)
    joint_maps = fit_joint_maps(codes, verdict.dimensions, unit_maps, streams[9])
    unexplained = find_unexplained(associations, fdr=config.fdr)
    varying = tuple(name for name in factors if name in usable)
    return AnalysisResult(
        verdict=verdict,
        independence=independence,
        verdict_table=_tabulate_verdict(
            verdict, independence, evidence, associations, unit_maps, blocks, config
        ),
        associations=associations,
        association_table=association_table(associations, config),
        label_table=label_table(associations, best, varying, config),
        conditional_table=conditional_table(conditional, config),
        intrinsic_means=intrinsic[0],
        intrinsic_draws=intrinsic[1],
        unit_maps=tuple(unit_maps),
        joint_maps=tuple(joint_maps),
        coverage_table=measure_coverage(codes, unit_maps, joint_maps, streams[9]),
        unexplained=unexplained,
        extremes=list_extremes(stars, unexplained),
        unusual=list_unusual(visits, verdict.dimensions),
        leakage=measure_leakage(
            stars, draws, associations, config, streams[5], blocks=blocks
        ),
        factors=varying,
        disentanglement=_score(stars, varying, streams[3]),
        unusable_labels=unusable,
        stars=star_table(all_stars, config.splits),
        n_spectra=visits.dp_id.size,
        n_stars=stars.dp_id.size,
        n_repeated_stars=evidence.repeats.n_stars,
        n_held_out=int((all_stars.split == HELD_OUT).sum()),
        blocks=tuple(blocks),
        series_of=codes.series_of,
        config=config,
    )


def _tabulate_verdict(
    verdict: Verdict,
    independence: Independence,
    evidence: Evidence,
    associations: Associations,
    unit_maps: Sequence[UnitMap],
    blocks: Sequence[str],
    config: AnalysisConfig,
) -> Table:
    """Put the evidence on each dimension side by side, the most informative first."""
    dispersion, test, information, repeats, pulls = evidence
    table = Table()
    table["dimension"] = np.arange(verdict.informative.size)
    table["informative"] = verdict.informative
    # Only an informative dimension has something to be a class of.
    table["kind"] = np.where(verdict.informative, repeats.kind, "uninformative")
    table["block"] = list(blocks or [""] * len(table))
    table["independent"] = independence.independent
    for name in ("added", "given_rest"):
        estimate: Estimate = getattr(independence, name)
        table[name] = estimate.value
        table[f"{name}_low"] = estimate.low
        table[f"{name}_high"] = estimate.high
    table["repeats"] = np.array(
        [f"z{other}" if other >= 0 else "" for other in independence.repeats], np.str_
    )
    table["information"] = information.value
    table["information_low"] = information.low
    table["information_high"] = information.high
    table["kl"] = information.kl
    table["ks_statistic"] = test.statistic
    table["ks_p_value"] = test.p_value
    table["ks_q_value"] = test.q_value
    table["mad"] = dispersion.value
    table["mad_low"] = dispersion.low
    table["mad_high"] = dispersion.high
    table["mad_informative"] = dispersion.value > config.min_dispersion
    table["icc"] = repeats.correlation.value
    table["icc_low"] = repeats.correlation.low
    table["icc_high"] = repeats.correlation.high
    _add_widths(table, pulls)
    add_tracked_labels(table, associations, config.fdr)
    table["tracks_error"], table["tracks_width"] = np.full((2, len(table)), np.nan)
    for found in unit_maps:
        table["tracks_error"][found.dimension] = found.error
        table["tracks_width"][found.dimension] = found.width
    table.sort("information", reverse=True)
    return describe_columns(table, config)


def _add_widths(table: Table, pulls: Pulls) -> None:
    """Say how far the widths of stellar dimensions can be trusted."""
    # Between visits an observational dimension is meant to differ.
    stellar = np.asarray(table["kind"]) == "stellar"
    for name, estimate in (
        ("width_scale", pulls.scale),
        ("coverage_68", pulls.coverage_68),
        ("coverage_95", pulls.coverage_95),
    ):
        table[name] = np.where(stellar, estimate.value, np.nan)
        table[f"{name}_low"] = np.where(stellar, estimate.low, np.nan)
        table[f"{name}_high"] = np.where(stellar, estimate.high, np.nan)


def _score(
    stars: Codes, factors: Sequence[str], rng: np.random.Generator
) -> Disentanglement | None:
    if not factors or stars.z_mean.shape[1] < 2:
        return None
    values = {name: stars.labels[name] for name in factors}
    known = np.isfinite(np.column_stack(list(values.values()))).all(axis=1)
    if known.sum() < MIN_STARS:
        return None
    return score_disentanglement(stars.z_mean, values, rng)
