from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stellar_tf.analysis import stars
from stellar_tf.analysis.dispersion import median_absolute_deviation


def test_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    z_mean = rng.standard_cauchy((301, 4)).astype(np.float32)
    found = median_absolute_deviation(z_mean, n_resamples=20, confidence=0.9, rng=rng)
    expected = stats.median_abs_deviation(z_mean, axis=0)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)


def test_interval_covers_the_truth_at_its_level() -> None:
    # 200 dimensions are 200 trials: the MAD of a unit normal is its quartile.
    rng = np.random.default_rng(1)
    z_mean = rng.standard_normal((200, 200))
    found = median_absolute_deviation(z_mean, n_resamples=200, confidence=0.9, rng=rng)
    truth = stats.norm.ppf(0.75)
    covered = ((found.low <= truth) & (truth <= found.high)).mean()
    assert 0.82 < covered < 0.96


def test_interval_covers_the_truth_where_resamples_are_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stars, "MAX_RESAMPLED", 100)
    rng = np.random.default_rng(2)
    z_mean = rng.standard_normal((1_000, 200))
    found = median_absolute_deviation(z_mean, n_resamples=200, confidence=0.9, rng=rng)
    truth = stats.norm.ppf(0.75)
    covered = ((found.low <= truth) & (truth <= found.high)).mean()
    assert 0.82 < covered < 0.96
