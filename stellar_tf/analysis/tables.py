"""Results as tables with a description of every column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from stellar_tf.analysis.associations import Associations, Tracked, find_tracked
from stellar_tf.analysis.columns import DESCRIPTIONS
from stellar_tf.analysis.conditional import Condition
from stellar_tf.analysis.disentanglement import Disentanglement
from stellar_tf.analysis.false_discovery import benjamini_hochberg
from stellar_tf.analysis.held_out import BestDimension
from stellar_tf.analysis.latents import NUISANCES, Codes
from stellar_tf.analysis.leakage import Leakage
from stellar_tf.analysis.stars import Estimate
from stellar_tf.analysis.verdict import Evidence, Verdict
from stellar_tf.config import AnalysisConfig


def verdict_table(
    verdict: Verdict,
    evidence: Evidence,
    associations: Associations,
    config: AnalysisConfig,
) -> Table:
    """
    Put the evidence of every method on each dimension side by side.

    Parameters
    ----------
    verdict : Verdict
        Which dimensions are informative.
    evidence : Evidence
        Of each method.
    associations : Associations
        Informative dimensions against labels.
    config : AnalysisConfig
        The thresholds.

    Returns
    -------
    table : astropy.table.Table
        One row per latent dimension; the most informative first.
    """
    dispersion, test, information, repeats = evidence
    tracks = _track(associations, len(information.kl), config)
    table = Table()
    table["dimension"] = np.arange(len(tracks))
    table["informative"] = verdict.informative
    # Only an informative dimension has something to be a class of.
    table["kind"] = np.where(verdict.informative, repeats.kind, "uninformative")
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
    _add_tracks(table, tracks)
    table.sort("information", reverse=True)
    return _describe(table, config)


def dispersion_table(
    dispersion: Estimate, associations: Associations, config: AnalysisConfig
) -> Table:
    """
    List the dispersion of each dimension and what it tracks.

    Parameters
    ----------
    dispersion : Estimate
        Median absolute deviation of the means.
    associations : Associations
        Dimensions against labels.
    config : AnalysisConfig
        The thresholds.

    Returns
    -------
    table : astropy.table.Table
        One row per latent dimension; the most dispersed first.
    """
    tracks = _track(associations, len(dispersion.value), config)
    table = Table()
    table["dimension"] = np.arange(len(tracks))
    table["mad"] = dispersion.value
    table["mad_low"] = dispersion.low
    table["mad_high"] = dispersion.high
    table["mad_informative"] = dispersion.value > config.min_dispersion
    _add_tracks(table, tracks)
    table.sort("mad", reverse=True)
    return _describe(table, config)


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
    for name in ("spearman", "spearman_low", "spearman_high"):
        table[name] = getattr(associations, name).ravel()
    return _describe(table, config)


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
        for name in ("mi", "mi_low", "mi_high", "q_value"):
            table[name] = getattr(associations, name)[cell]
    else:
        table["mi_dimension"] = np.full(n_labels, -1)
        for name in ("mi", "mi_low", "mi_high", "q_value"):
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
    return _describe(table, config)


def conditional_table(conditions: Sequence[Condition], config: AnalysisConfig) -> Table:
    """
    List what labels say about dimensions beyond what other labels say.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditional mutual information.
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
    return _describe(table, config)


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


def disentanglement_table(scores: Disentanglement) -> Table:
    """
    List the scores of each factor.

    Parameters
    ----------
    scores : Disentanglement
        MIG, SAP and DCI.

    Returns
    -------
    table : astropy.table.Table
        One row per factor; the metadata hold the means and the number of stars.
    """
    table = Table()
    table["factor"] = np.array(scores.factors, dtype=np.str_)
    table["mig"] = scores.mig
    table["sap"] = scores.sap
    table["dci_completeness"] = scores.dci_completeness
    table["dci_informativeness"] = scores.dci_informativeness
    table["mig"].description = "mutual information gap (Chen et al. 2018)"
    table["sap"].description = "separated attribute predictability (Kumar et al. 2018)"
    table["dci_completeness"].description = "Eastwood and Williams 2018"
    table["dci_informativeness"].description = "R squared of a forest, out of bag"
    table.meta.update(
        n_stars=scores.n_stars,
        mig=float(scores.mig.mean()),
        sap=float(scores.sap.mean()),
        modularity=scores.modularity,
        dci_disentanglement=scores.dci_disentanglement,
        dci_completeness=float(scores.dci_completeness.mean()),
        dci_informativeness=float(scores.dci_informativeness.mean()),
    )
    return table


def star_table(view: Codes, splits: Sequence[str]) -> Table:
    """
    List the one-per-star view the statistics were made from.

    Parameters
    ----------
    view : Codes
        One spectrum per star, all stars.
    splits : sequence of str
        Splits that entered.

    Returns
    -------
    table : astropy.table.Table
        ``dp_id``, ``star``, ``split``, ``entered``, ``z_mean`` and the labels.
    """
    table = Table()
    table["dp_id"] = view.dp_id
    table["star"] = view.star
    table["split"] = view.split
    table["entered"] = np.isin(view.split, [*splits, ""])
    table["z_mean"] = view.z_mean
    for name, values in view.labels.items():
        table[name] = values
    table["entered"].description = "whether the star entered the statistics"
    table["z_mean"].description = "posterior means"
    return table


def _track(
    associations: Associations, n_latent: int, config: AnalysisConfig
) -> list[Tracked]:
    nothing = Tracked("", np.nan, np.nan)
    found = (find_tracked(associations, d, config.fdr) for d in range(n_latent))
    return [tracked or nothing for tracked in found]


def _add_tracks(table: Table, tracks: Sequence[Tracked]) -> None:
    table["tracks"] = np.array([t.label for t in tracks], np.str_)
    table["tracks_mi"] = np.array([t.mi for t in tracks])
    table["tracks_spearman"] = np.array([t.spearman for t in tracks])


def _describe(table: Table, config: AnalysisConfig) -> Table:
    for name in table.colnames:
        if name in DESCRIPTIONS:
            table[name].description = DESCRIPTIONS[name]
    table.meta.update(
        fdr=config.fdr,
        confidence=config.confidence,
        min_information=config.min_information,
        seed=config.seed,
    )
    return table
