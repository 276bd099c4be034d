"""What codes say of the labels that dimensions track, spectrum by spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.analysis.columns import ESTIMATES
from stellar_tf.analysis.statistics import DEVIATION
from stellar_tf.flags import UNUSABLE

if TYPE_CHECKING:
    from stellar_tf.analysis.labels.joint_maps import JointMap
    from stellar_tf.analysis.labels.units import UnitMap


def estimate_labels(
    z_mean: NDArray[Any],
    z_log_var: NDArray[Any],
    flags: NDArray[Any],
    maps: Iterable[UnitMap],
    joint_maps: Iterable[JointMap] = (),
    width_scale: NDArray[np.floating] | None = None,
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
    joint_maps : iterable of JointMap, optional
        What values of all informative dimensions mean together, for some of the labels.
    width_scale : ndarray of float, shape (n_latent,), optional
        What deviations are to be multiplied by, as repeat visits tell, before maps of
        single dimensions. Joint maps have learned from such visits already.

    Returns
    -------
    estimates : astropy.table.Table
        For each label that a dimension tracks, such as rv, the columns ``rv_estimate``,
        ``rv_estimate_width`` and ``rv_estimate_error``, float64, in the label's unit:
        by the joint map, where there is one and every dimension is among the stars of
        its fit; else by the dimension with the smallest error. NaN for unusable
        spectra and beyond the stars of that fit, too; the last also where too few
        held-out stars have the label. Without maps no columns.

    Notes
    -----
    The width is of 68 %: what visits of one star differ by from their mean. The error
    is what the label differs by from the truth. `JointMap.read` says where a joint map
    has them from. Of a single dimension the width is the posterior's standard
    deviation after the map, and the error adds, in quadrature, what the map errs by
    from star to star: the variance of a normal distribution with the median absolute
    error on held-out stars, less the square of the median width, which is in it.
    """
    best: dict[str, UnitMap] = {}
    for found in sorted(maps, key=lambda m: (math.isnan(m.error), m.error)):
        best.setdefault(found.label, found)
    joint = {found.label: found for found in joint_maps}
    unusable = (np.asarray(flags) & int(UNUSABLE)) != 0
    scale = np.ones(z_mean.shape[1]) if width_scale is None else width_scale
    estimates = Table()
    for label in sorted(best):
        column = best[label].dimension
        half = np.exp(0.5 * np.asarray(z_log_var[:, column], np.float64))
        z = np.asarray(z_mean[:, column], np.float64)
        value, width = best[label].read(z, scale[column] * half)
        read = np.stack([value, width, np.hypot(width, _find_scatter(best[label]))])
        description = f"by dimension {column}"
        if label in joint:
            together = joint[label].read(z_mean, z_log_var)
            read = np.where(np.isfinite(together[0]), together, read)
            description = f"by {joint[label].frame.dimensions.size} dimensions"
        for ending, values in zip(ESTIMATES, read, strict=True):
            name = f"{label}{ending}"
            estimates[name] = np.where(unusable, np.nan, values)
            estimates[name].unit = best[label].unit or None
            estimates[name].description = description
    return estimates


def _find_scatter(found: UnitMap) -> float:
    """Return what a map errs by from star to star beyond the noise; NaN if unknown."""
    squared = (DEVIATION * found.error) ** 2 - found.width**2
    return math.sqrt(squared) if squared > 0.0 or math.isnan(squared) else 0.0
