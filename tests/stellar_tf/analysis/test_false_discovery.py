from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.analysis.false_discovery import benjamini_hochberg

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30)


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
