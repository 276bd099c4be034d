"""Control of the false discovery rate over many tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def benjamini_hochberg(p_value: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Adjust p-values so that cutting them at q keeps the false discovery rate at q.

    Parameters
    ----------
    p_value : ndarray of float, any shape
        P-values of all tests of one family; NaN where no test was made.

    Returns
    -------
    q_value : ndarray of float, same shape
        Adjusted p-values, NaN where `p_value` is.

    Notes
    -----
    Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57, 289. Tests that were not
    made do not count.

    Examples
    --------
    >>> from stellar_tf.analysis.false_discovery import benjamini_hochberg
    >>> benjamini_hochberg(np.array([0.001, 0.02, np.nan, 0.9]))
    array([0.003, 0.03 ,   nan, 0.9  ])
    """
    q_value = np.full(p_value.shape, np.nan)
    made = np.isfinite(p_value)
    if made.any():
        q_value[made] = stats.false_discovery_control(p_value[made], method="bh")
    return q_value
