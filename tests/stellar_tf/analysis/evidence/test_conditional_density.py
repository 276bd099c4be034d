from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import RidgeCV

from stellar_tf.analysis.evidence import conditional_density


@pytest.mark.parametrize("n_features", [1, 10, 80])
@pytest.mark.parametrize("scatter", [0.01, 10.0])
def test_ridge_equals_that_of_scikit_learn(n_features: int, scatter: float) -> None:
    """From the least penalty to the largest, and with columns that depend linearly."""
    rng = np.random.default_rng(n_features)
    features = rng.normal(3.0, 1.0, (100, n_features)).astype(np.float32)
    features = np.column_stack([features, features.sum(axis=1)])
    target = features[:, 0] + scatter * rng.normal(size=100)
    model = RidgeCV(conditional_density._RIDGE).fit(features[:60], target[:60])
    found = conditional_density._ridge(features[:60], target[:60], features[60:])
    np.testing.assert_allclose(found, model.predict(features[60:]), atol=1e-4)


@pytest.mark.parametrize(("n_stars", "n_groups"), [(21, 10), (45, 20)])
def test_error_and_bias_are_those_of_stars_left_out(
    n_stars: int, n_groups: int
) -> None:
    """Drop each group for good, and make the mean anew from the others."""
    rng = np.random.default_rng(n_stars)
    own, weights = (rng.normal(0.0, 30.0, (n_stars, n_stars)) for _ in range(2))
    np.fill_diagonal(weights, -np.inf)
    posterior = rng.normal(size=n_stars)

    def mean_ratio(kept: np.ndarray) -> float:
        inner = np.ix_(kept, kept)
        weighed = logsumexp((own + weights)[inner], axis=1)
        weighed -= logsumexp(weights[inner], axis=1)
        alike = logsumexp(own[inner], axis=1) - np.log(kept.sum())
        mixture = np.logaddexp(np.log(0.995) + weighed, np.log(0.005) + alike)
        return float((posterior[kept] - mixture).mean())

    group = np.arange(n_stars) * n_groups // n_stars
    means = np.array([mean_ratio(group != g) for g in range(n_groups)])
    bias = (n_groups - 1) * (means.mean() - mean_ratio(group >= 0))
    scatter = np.sum((means - means.mean()) ** 2) * (n_groups - 1) / n_groups
    found = conditional_density._leave_out_groups(
        posterior, own + weights, weights, own
    )
    assert found.n_groups == n_groups
    assert found.value == pytest.approx(mean_ratio(group >= 0) - bias)
    assert found.standard_error == pytest.approx(np.sqrt(scatter))
