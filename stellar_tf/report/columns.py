"""Which columns of each table the page shows, and what they are called there."""

from __future__ import annotations

VERDICT_COLUMNS = {
    "dimension": "z",
    "informative": "informative",
    "independent": "independent",
    "added": "adds",
    "added_low": "low",
    "added_high": "high",
    "given_rest": "beyond the rest",
    "repeats": "repeats",
    "kind": "class",
    "tracks": "tracks",
    "tracks_mi": "MI",
    "tracks_spearman": "Spearman",
    "information": "information",
    "information_low": "low",
    "information_high": "high",
    "kl": "KL",
    "ks_statistic": "KS D",
    "ks_q_value": "KS q",
    "mad": "MAD",
    "icc": "ICC",
    "icc_low": "low",
    "icc_high": "high",
}
WIDTH_COLUMNS = {
    "dimension": "z",
    "width_scale": "widths ×",
    "width_scale_low": "low",
    "width_scale_high": "high",
    "coverage_68": "within 68 %",
    "coverage_68_low": "low",
    "coverage_68_high": "high",
    "coverage_95": "within 95 %",
    "coverage_95_low": "low",
    "coverage_95_high": "high",
    "tracks_error": "error [unit]",
    "tracks_width": "width [unit]",
}
LABEL_COLUMNS = {
    "label": "label",
    "n_stars": "stars",
    "mi_dimension": "z by MI",
    "mi": "MI",
    "mi_low": "low",
    "mi_high": "high",
    "q_value": "q",
    "mi_mean": "MI of mean",
    "spearman_dimension": "z by rank",
    "spearman": "Spearman",
    "n_held_out": "held out",
    "spearman_held_out": "Spearman there",
    "spearman_held_out_low": "low",
    "spearman_held_out_high": "high",
    "mi_held_out": "MI there",
}
BASELINE_COLUMNS = {
    "label": "label",
    "n_held_out": "held out",
    "dimension": "z",
    "single": "best dimension",
    "single_low": "low",
    "single_high": "high",
    "pca": "best of PCA",
    "ica": "best of ICA",
    "behind": "behind",
    "ridge": "all dimensions",
    "ridge_low": "low",
    "ridge_high": "high",
    "ridge_pca": "all of PCA",
    "ridge_behind": "behind",
}
CONDITIONAL_COLUMNS = {
    "dimension": "z",
    "label": "label",
    "given": "given",
    "n_stars": "stars",
    "conditional_mi": "MI when given",
    "q_value": "q",
    "significant": "significant",
}
EXTREME_COLUMNS = {
    "dimension": "z",
    "end": "end",
    "rank": "rank",
    "z": "mean",
    "dp_id": "spectrum",
    "star": "star",
}
UNUSUAL_COLUMNS = {
    "dp_id": "spectrum",
    "star": "star",
    "score": "outlier factor",
    "dimension": "farthest in z",
    "offset": "by [sd]",
    "nearest": "most like",
}
MOVING_COLUMNS = {
    "dimension": "z",
    "rank": "rank",
    "wave": "wavelength [Å]",
    "change": "change of flux",
    "line": "line",
}
SCORE_COLUMNS = {
    "factor": "factor",
    "mig": "MIG",
    "sap": "SAP",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
}
