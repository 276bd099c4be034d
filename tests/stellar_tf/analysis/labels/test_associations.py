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


def test_a_label_tells_no_more_about_a_draw_than_the_spectrum_does() -> None:
    """The label fixes the mean exactly, the posterior is wide: 0.5 nat of 6."""
    rng = np.random.default_rng(3)
    nats = np.array([0.1, 0.5, 2.0])
    label = rng.normal(size=2_000)
    variance = np.exp(-2.0 * nats)
    z_mean = label[:, None] * np.sqrt(1.0 - variance)
    draws = z_mean + np.sqrt(variance) * rng.normal(size=z_mean.shape)
    found = measure_associations(
        z_mean, np.arange(3), {"teff": label}, CONFIG, rng, draws=draws
    )
    error = (found.mi_high - found.mi)[:, 0] / 1.96
    assert np.all(np.abs(found.mi[:, 0] - nats) < 3.0 * error)
    assert np.all(found.mi[:, 0] <= nats + 3.0 * error)
    assert found.mi_mean.min() > 4.0


def test_a_category_too_is_related_to_draws() -> None:
    rng = np.random.default_rng(4)
    giant = rng.random(2_000) < 0.5
    z_mean = np.where(giant, 0.3, -0.3)[:, None]
    draws = z_mean + np.sqrt(0.9) * rng.normal(size=z_mean.shape)
    labels = {"class": np.where(giant, "giant", "dwarf")}
    found = measure_associations(
        z_mean, np.array([0]), labels, CONFIG, rng, draws=draws
    )
    # Of two normal curves 0.63 standard deviations apart: 0.048 nat by quadrature.
    assert found.mi[0, 0] == pytest.approx(0.048, abs=0.04)
    assert found.mi_mean[0, 0] == pytest.approx(np.log(2.0), abs=0.01)
