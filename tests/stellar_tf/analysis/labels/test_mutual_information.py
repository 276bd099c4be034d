from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import mutual_info_regression

from stellar_tf.analysis.labels.mutual_information import (
    MutualInformation,
    ksg,
    measure_mutual_information,
    normal_scores,
)


def measure(z: np.ndarray, label: np.ndarray, seed: int = 0) -> MutualInformation:
    return measure_mutual_information(
        z.reshape(label.size, -1),
        label,
        n_neighbours=3,
        n_subsamples=50,
        n_permutations=2_000,
        confidence=0.95,
        rng=np.random.default_rng(seed),
    )


def bivariate(rho: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    return x, rho * x + np.sqrt(1.0 - rho**2) * noise


def brute_force(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """Equation 8 of Kraskov et al. (2004), counted pair by pair."""
    from scipy.special import digamma

    dx, dy = (np.abs(v[:, None] - v) for v in (x, y))
    distance = np.maximum(dx, dy)
    np.fill_diagonal(distance, np.inf)
    radius = np.sort(distance, axis=1)[:, k - 1, None]
    inside = [(d < radius).sum(axis=1) for d in (dx, dy)]  # counts the point itself
    mean = sum(digamma(count).mean() for count in inside)
    return float(digamma(k) + digamma(x.size) - mean)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_ksg_equals_brute_force_and_scikit_learn(k: int) -> None:
    x, y = bivariate(0.8, 300, seed=k)
    x, y = x / x.std(), y / y.std()
    found = ksg(x, y, k)
    assert found == pytest.approx(brute_force(x, y, k), abs=1e-12)
    reference = mutual_info_regression(x[:, None], y, n_neighbors=k, random_state=0)
    assert found == pytest.approx(reference[0], abs=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_closed_form_of_the_bivariate_normal(rho: float) -> None:
    truth = -0.5 * np.log(1.0 - rho**2)
    found = [measure(*bivariate(rho, 1_000, seed), seed=seed) for seed in range(8)]
    value = np.array([estimate.value[0] for estimate in found])
    assert value.mean() == pytest.approx(truth, abs=0.04)
    covered = [bool(f.low[0] <= truth <= f.high[0]) for f in found]
    assert np.mean(covered) >= 6 / 8


def test_interval_is_as_wide_as_the_estimates_scatter() -> None:
    found = [measure(*bivariate(0.7, 800, seed), seed=seed) for seed in range(60)]
    scatter = np.std([f.value[0] for f in found], ddof=1)
    claimed = np.mean([f.high[0] - f.value[0] for f in found]) / 1.96
    assert claimed == pytest.approx(scatter, rel=0.3)


def test_finds_a_fold_that_no_correlation_sees() -> None:
    rng = np.random.default_rng(0)
    label = rng.uniform(-1.0, 1.0, 1_000)
    z = np.cos(np.pi * label) + 0.05 * rng.normal(size=1_000)
    found = measure(z, label)
    assert found.low[0] > 1.0
    assert found.p_value[0] == pytest.approx(1 / 2_001)


def test_monotone_maps_change_nothing() -> None:
    x, y = bivariate(0.8, 500, seed=0)
    plain, mapped = measure(x, y), measure(np.exp(3.0 * x), -(y**3))
    np.testing.assert_allclose(plain.p_value, mapped.p_value)
    assert mapped.value[0] == pytest.approx(plain.value[0], abs=0.02)


def test_ties_leave_the_information_as_it_is() -> None:
    # A label of four values, of which a normal latent tells which: at most ln 4.
    rng = np.random.default_rng(1)
    label = rng.integers(0, 4, 2_000).astype(float)
    z = label + 0.01 * rng.normal(size=2_000)
    assert measure(z, label).value[0] == pytest.approx(np.log(4.0), abs=0.05)
    blind = measure(rng.normal(size=2_000), label)
    assert blind.low[0] == 0.0
    assert blind.p_value[0] > 0.01


def test_permutation_p_values_are_uniform_for_independent_labels() -> None:
    rng = np.random.default_rng(2)
    from stellar_tf.analysis.labels.contingency import permutation_p_value

    z = rng.normal(size=(200, 600))
    p = permutation_p_value(z, rng.normal(size=200), 2_000, rng)
    for level in (0.05, 0.2, 0.5):
        assert abs((p <= level).mean() - level) < 0.06


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.integers(-3, 3), min_size=2, max_size=40),
    seed=st.integers(0, 100),
)
def test_normal_scores_keep_the_order(values: list[int], seed: int) -> None:
    x = np.array(values, float)
    scores = normal_scores(x, np.random.default_rng(seed))
    assert np.unique(scores).size == x.size
    assert scores.sum() == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(x[np.argsort(scores)]) >= 0.0).all()
