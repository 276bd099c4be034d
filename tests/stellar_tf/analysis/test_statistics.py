from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.analysis.statistics import (
    benjamini_hochberg,
    percentile_interval,
    resample_counts,
)

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30)


def test_resamples_draw_as_many_stars_as_there_are() -> None:
    counts = resample_counts(50, 400, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 50).all()
    # A star is missing from a resample with probability (1 - 1/n)^n.
    assert abs((counts == 0).mean() - (1 - 1 / 50) ** 50) < 0.01


def test_percentile_interval_cuts_equal_tails() -> None:
    low, high = percentile_interval(np.arange(1001.0)[:, None], 0.9)
    np.testing.assert_allclose((low[0], high[0]), (50.0, 950.0))


@given(p_values=P_VALUES, q=st.floats(0.01, 0.5))
def test_rejects_what_the_step_up_procedure_rejects(
    p_values: list[float], q: float
) -> None:
    p = np.array(p_values)
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= q * np.arange(1, p.size + 1) / p.size)
    cut = ordered[below[-1]] if below.size else -1.0
    rejected = benjamini_hochberg(p) <= q
    # Rounding may decide differently exactly at the cut.
    clear = np.abs(benjamini_hochberg(p) - q) > 1e-12
    np.testing.assert_array_equal(rejected[clear], (p <= cut)[clear])


def test_tests_not_made_do_not_count() -> None:
    p = np.array([[0.01, np.nan], [0.04, 0.5]])
    q = benjamini_hochberg(p)
    assert np.isnan(q[0, 1])
    np.testing.assert_allclose(
        q[np.isfinite(q)], benjamini_hochberg(np.array([0.01, 0.04, 0.5]))
    )
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()
