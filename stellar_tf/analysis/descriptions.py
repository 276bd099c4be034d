"""What each column of the result tables means."""

from __future__ import annotations

from astropy.table import Table

from stellar_tf.config import AnalysisConfig

DESCRIPTIONS = {
    "dimension": "latent dimension, counted from 0",
    "informative": "Kolmogorov-Smirnov rejected and information_low above the floor",
    "kind": "from repeat visits: stellar, observational or undecided",
    "block": "of training on visits: stellar, in which visits of a star were made to "
    "agree, or observational",
    "independent": "whether K counts it: added_low above the floor",
    "added": "what it adds to the dimensions that K counts before it [nat]",
    "added_low": "lower end of its interval [nat]",
    "added_high": "upper end of its interval [nat]",
    "given_rest": "I(x; z_d | m_rest), what it adds to all other informative "
    "dimensions [nat]",
    "given_rest_low": "lower end of its interval [nat]",
    "given_rest_high": "upper end of its interval [nat]",
    "repeats": "of an informative dimension that K does not count, the counted one it "
    "shares most with",
    "information": "I(x; z_d), bias-corrected [nat]",
    "information_low": "lower end of its interval [nat]",
    "information_high": "upper end of its interval [nat]",
    "kl": "mean KL divergence of the posteriors from the prior [nat]",
    "ks_statistic": "two-sample Kolmogorov-Smirnov statistic, |z - z'| and |z - z''|",
    "ks_p_value": "its p-value",
    "ks_q_value": "p-value after Benjamini-Hochberg over the dimensions",
    "mad": "median absolute deviation of z_mean",
    "mad_low": "lower end of its interval",
    "mad_high": "upper end of its interval",
    "mad_informative": "whether mad exceeds the paper's threshold, for comparison",
    "icc": "intraclass correlation of z_mean over visits of a star",
    "icc_low": "lower end of its interval",
    "icc_high": "upper end of its interval",
    "width_scale": "what posterior widths must be multiplied by to agree with the "
    "scatter between visits of a star; stellar dimensions only",
    "width_scale_low": "lower end of its interval",
    "width_scale_high": "upper end of its interval",
    "coverage_68": "share of differences between visits within one claimed standard "
    "deviation (0.683 where widths are right)",
    "coverage_68_low": "lower end of its interval",
    "coverage_68_high": "upper end of its interval",
    "coverage_95": "the same within 1.96 (0.95 where widths are right)",
    "coverage_95_low": "lower end of its interval",
    "coverage_95_high": "upper end of its interval",
    "tracks_error": "median absolute error of the label read from z by a monotone map, "
    "on held-out stars [label's unit]",
    "tracks_width": "median posterior width in the label's unit by that map",
    "tracks": "label with the largest significant mutual information, where that is a "
    "tenth of the information or more",
    "tracks_mi": "that mutual information, of draws of z [nat]",
    "tracks_spearman": "rank correlation with that label",
    "nuisance": "whether it describes the exposure",
    "factor": "whether it is a known true factor",
    "n_stars": "stars with a known label",
    "mi": "mutual information of draws of z with the label, Kraskov et al. (2004) "
    "[nat]",
    "mi_mean": "the same of z_mean, for comparison with the paper: not bounded by what "
    "the dimension carries [nat]",
    "mi_low": "lower end of its interval, by subsampling [nat]",
    "mi_high": "upper end of its interval, by subsampling [nat]",
    "p_value": "of independence, by permutation",
    "q_value": "p-value after Benjamini-Hochberg over dimensions and labels",
    "significant": "q_value at most the false discovery rate",
    "spearman": "rank correlation",
    "spearman_low": "lower end of its interval",
    "spearman_high": "upper end of its interval",
    "given": "labels that are known beside it",
    "conditional_mi": "mutual information with the label when they are known, Frenzel "
    "and Pompe (2007) [nat]",
    "mi_dimension": "dimension with the largest mutual information",
    "spearman_dimension": "dimension with the largest |rank correlation|, "
    "chosen without held-out stars",
    "n_held_out": "held-out stars with a known label",
    "spearman_held_out": "rank correlation of spearman_dimension on held-out stars",
    "spearman_held_out_low": "lower end of its interval",
    "spearman_held_out_high": "upper end of its interval",
    "mi_held_out": "mutual information of draws of spearman_dimension on held-out "
    "stars [nat]",
}


def describe_columns(table: Table, config: AnalysisConfig) -> Table:
    """
    Add the description of each column, and the settings, to a result table.

    Parameters
    ----------
    table : astropy.table.Table
        Changed in place.
    config : AnalysisConfig
        Its levels and its seed go into the metadata.

    Returns
    -------
    table : astropy.table.Table
        The same table.
    """
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
