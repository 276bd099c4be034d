from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stellar_tf.analysis import statistics
from stellar_tf.analysis.evidence.dispersion import median_absolute_deviation


def test_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    z_mean = rng.standard_cauchy((301, 4)).astype(np.float32)
    found = median_absolute_deviation(z_mean, n_resamples=20, confidence=0.9, rng=rng)
    expected = stats.median_abs_deviation(z_mean, axis=0)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("n_stars", "max_resampled"), [(200, 200), (1_000, 100)], ids=["all", "fewer"]
)
def test_interval_covers_the_truth_at_its_level(
    n_stars: int, max_resampled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 200 dimensions are 200 trials: the MAD of a unit normal is its quartile.
    monkeypatch.setattr(statistics, "MAX_RESAMPLED", max_resampled)
    rng = np.random.default_rng(1)
    z_mean = rng.standard_normal((n_stars, 200))
    found = median_absolute_deviation(z_mean, n_resamples=200, confidence=0.9, rng=rng)
    truth = stats.norm.ppf(0.75)
    covered = ((found.low <= truth) & (truth <= found.high)).mean()
    assert 0.82 < covered < 0.96
