from __future__ import annotations

import numpy as np
import pytest
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
