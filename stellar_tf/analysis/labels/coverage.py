"""How many errors of estimated labels lie within what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES, is_known
from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.analysis.labels.joint_maps import JointMap
from stellar_tf.analysis.labels.units import UnitMap, name_label
from stellar_tf.analysis.latents import HELD_OUT, Codes
from stellar_tf.analysis.stars import choose_stars, number_stars, pair_visits
from stellar_tf.analysis.statistics import MIN_HELD_OUT_STARS

Array: TypeAlias = NDArray[np.float64]

N_COMPARED = 10_000
"""Spectra of held-out stars that are compared, at most."""
WITHIN_95 = 1.96
"""Standard deviations of a normal distribution that hold 95 %."""
_DESCRIPTIONS = {
    "label": "label that a dimension tracks",
    "unit": "of the errors and widths",
    "n_dimensions": "dimensions that it is read from",
    "n_stars": "held-out stars with a known label",
    "n_spectra": "their spectra",
    "median_error": "median absolute difference of estimate and label",
    "error": "median of what the estimate says it differs from the truth by",
    "within_68": "share of differences that are smaller than said, once",
    "within_95": "share of differences that are smaller than said, 1.96 times",
    "n_pairs": "pairs of visits of a star",
    "width": "median of what the estimate says visits differ by from their mean",
    "visits_68": "share of pairs that differ by less than their widths, once",
    "visits_95": "share of pairs that differ by less than their widths, 1.96 times",
}


def measure_coverage(
    codes: Codes,
    maps: Sequence[UnitMap],
    joint_maps: Sequence[JointMap],
    rng: np.random.Generator,
) -> Table:
    """
    Compare estimates of labels with the labels of held-out stars.

    Parameters
    ----------
    codes : Codes
        All spectra of all stars.
    maps : sequence of UnitMap
        What values of dimensions mean.
    joint_maps : sequence of JointMap
        What those of all informative dimensions mean together.
    rng : numpy.random.Generator
        Chooses stars where there are many.

    Returns
    -------
    coverage : astropy.table.Table
        A row per label that is known of at least `MIN_HELD_OUT_STARS` held-out stars.
        Shares are NaN where there is nothing to count, and where a map of a single
        dimension has no error. That error was found with these same stars.
    """
    star, is_held_out = number_stars(codes.star), codes.split == HELD_OUT
    rows = choose_stars(star, is_held_out, N_COMPARED, rng)
    held_out = codes.take(rows)
    flags = np.zeros(held_out.dp_id.size, np.int32)
    estimates = estimate_labels(
        held_out.z_mean, held_out.z_log_var, flags, maps, joint_maps
    )
    n_dimensions = {joint.label: joint.frame.dimensions.size for joint in joint_maps}
    found = []
    for label in sorted({unit_map.label for unit_map in maps}):
        truth = held_out.labels[label]
        value, width, error = (
            np.asarray(estimates[label + ending]) for ending in ESTIMATES
        )
        known = is_known(truth) & np.isfinite(value)
        star = held_out.star[known]
        n_stars = np.unique(star).size
        if n_stars < MIN_HELD_OUT_STARS:
            continue
        off, width, error = (value - truth)[known], width[known], error[known]
        one, other = pair_visits(star)
        apart, expected = off[one] - off[other], np.hypot(width[one], width[other])
        found.append(
            (
                label, name_label(label)[1], n_dimensions.get(label, 1),
                n_stars, star.size,
                np.median(np.abs(off)), np.median(error), *_count(off, error),
                one.size, np.median(width), *_count(apart, expected),
            )
        )  # fmt: skip
    if not found:
        return Table()
    table = Table(rows=found, names=[*_DESCRIPTIONS])
    for name, description in _DESCRIPTIONS.items():
        table[name].description = description
    return table


def _count(off: Array, width: Array) -> tuple[float, float]:
    """Return the shares of differences within 1 and 1.96 widths."""
    if not off.size or not np.isfinite(width).all():
        return np.nan, np.nan
    size = np.abs(off)
    return float(np.mean(size < width)), float(np.mean(size < WITHIN_95 * width))
