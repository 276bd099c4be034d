"""What codes say of the labels that dimensions track, spectrum by spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES
from stellar_tf.flags import UNUSABLE

if TYPE_CHECKING:
    from stellar_tf.analysis.labels.units import UnitMap

DEVIATION = 1.4826
"""Of a normal distribution, in medians of the absolute."""


def estimate_labels(
    z_mean: NDArray[Any],
    z_log_var: NDArray[Any],
    flags: NDArray[Any],
    maps: Iterable[UnitMap],
) -> Table:
    """
    Turn posteriors of codes into values of labels.

    Parameters
    ----------
    z_mean : ndarray of float, shape (n, n_latent)
        Means.
    z_log_var : ndarray of float, shape (n, n_latent)
        Natural logarithms of the variances.
    flags : ndarray of int, shape (n,)
        Bits of `stellar_tf.flags.Flag`.
    maps : iterable of UnitMap
        What values of dimensions mean.

    Returns
    -------
    estimates : astropy.table.Table
        For each label that a dimension tracks, such as rv, the columns ``rv_estimate``,
        ``rv_estimate_width`` and ``rv_estimate_error``, float64, in the label's unit;
        by the dimension with the smallest error if several track it. NaN for unusable
        spectra and beyond the stars of the map's fit; the last also where too few
        held-out stars have the label. Without maps no columns.

    Notes
    -----
    The width is the posterior's standard deviation, of 68 %, after the map: what two
    spectra of one star differ by. The error adds, in quadrature, what the map errs by
    from star to star: the variance of a normal distribution with the median absolute
    error on held-out stars, less the square of the median width, which is in it.
    """
    best: dict[str, UnitMap] = {}
    for found in sorted(maps, key=lambda m: (math.isnan(m.error), m.error)):
        best.setdefault(found.label, found)
    unusable = (np.asarray(flags) & int(UNUSABLE)) != 0
    estimates = Table()
    for label in sorted(best):
        column = best[label].dimension
        half = np.exp(0.5 * np.asarray(z_log_var[:, column], np.float64))
        z = np.asarray(z_mean[:, column], np.float64)
        value, width = best[label].read(z, half)
        error = np.hypot(width, _find_scatter(best[label]))
        for ending, values in zip(ESTIMATES, (value, width, error), strict=True):
            name = f"{label}{ending}"
            estimates[name] = np.where(unusable, np.nan, values)
            estimates[name].unit = best[label].unit or None
            estimates[name].description = f"by dimension {column}"
    return estimates


def _find_scatter(found: UnitMap) -> float:
    """Return what a map errs by from star to star beyond the noise; NaN if unknown."""
    squared = (DEVIATION * found.error) ** 2 - found.width**2
    return math.sqrt(squared) if squared > 0.0 or math.isnan(squared) else 0.0
