from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stellar_tf.analysis.labels.associations import measure_associations, select_labels
from stellar_tf.config import AnalysisConfig

CONFIG = AnalysisConfig(n_resamples=100, n_subsamples=20, n_permutations=1_000)


def test_only_stars_with_a_known_label_are_used() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(300, 3))
    label = z[:, 1] + 0.1 * rng.normal(size=300)
    label[::3] = np.nan
    found = measure_associations(
        z, np.array([1, 2]), {"teff": label, "berv": rng.normal(size=300)}, CONFIG, rng
    )
    assert found.labels == ("teff", "berv")
    assert list(found.n_stars) == [200, 300]
    assert found.mi.shape == (2, 2)
    assert found.q_value[0, 0] <= 0.05 < found.q_value[1, 1]
    known = np.isfinite(label)
    expected = stats.spearmanr(z[known, 1], label[known]).statistic
    assert found.spearman[0, 0] == pytest.approx(expected)
    assert found.spearman_low[0, 0] < expected < found.spearman_high[0, 0]


def test_no_dimensions_no_cells() -> None:
    rng = np.random.default_rng(2)
    nothing = np.array([], np.intp)
    found = measure_associations(
        rng.normal(size=(50, 2)), nothing, {"rv": rng.normal(size=50)}, CONFIG, rng
    )
    assert found.mi.shape == (0, 1)
    assert list(found.n_stars) == [50]


def test_unusable_labels_are_named_with_the_reason() -> None:
    sparse = np.full(100, np.nan)
    sparse[:12] = np.arange(12.0)
    labels = {"rv": np.arange(100.0), "logg": sparse, "exptime": np.full(100, 600.0)}
    usable, unusable = select_labels(labels)
    assert list(usable) == ["rv"]
    assert unusable == {
        "logg": "known for 12 stars, fewer than 30",
        "exptime": "the same (600) for all 100 stars",
    }
