from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stellar_tf.analysis import statistics
from stellar_tf.analysis.labels.rank_correlation import spearman, spearman_interval


def test_spearman_equals_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    z = rng.integers(0, 5, (80, 3)).astype(float)
    label = rng.integers(0, 4, 80).astype(float)
    expected = [stats.spearmanr(column, label).statistic for column in z.T]
    np.testing.assert_allclose(spearman(z, label), expected)


def test_spearman_of_a_constant_is_unknown() -> None:
    assert np.isnan(spearman(np.zeros((5, 1)), np.arange(5.0)))[0]


def correlated(n_stars: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.normal(size=n_stars)
    return (0.7 * label + 0.7 * rng.normal(size=n_stars))[:, None], label


def test_interval_is_scipys_percentile_bootstrap() -> None:
    z, label = correlated(300, 0)
    found = spearman_interval(
        z, label, n_resamples=4_000, confidence=0.9, rng=np.random.default_rng(1)
    )
    expected = stats.bootstrap(
        (z[:, 0], label),
        lambda u, v: stats.spearmanr(u, v).statistic,
        n_resamples=4_000,
        confidence_level=0.9,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = expected.high - expected.low
    assert found.low[0] == pytest.approx(expected.low, abs=0.05 * width)
    assert found.high[0] == pytest.approx(expected.high, abs=0.05 * width)


def test_interval_covers_the_truth_where_resamples_are_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics, "MAX_RESAMPLED", 200)
    # Of bivariate normals with this correlation, in closed form (Pearson 1907).
    truth = 6.0 / np.pi * np.arcsin(np.sqrt(0.5) / 2.0)
    n_covered = 0
    for seed in range(200):
        z, label = correlated(1_000, seed)
        found = spearman_interval(
            z, label, n_resamples=100, confidence=0.9, rng=np.random.default_rng(seed)
        )
        n_covered += bool(found.low[0] <= truth <= found.high[0])
    low, high = stats.binom.interval(0.999, 200, 0.9)
    assert low - 4 <= n_covered <= high  # 100 resamples blur the interval's ends
