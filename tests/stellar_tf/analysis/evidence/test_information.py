from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from stellar_tf.analysis.evidence import information
from stellar_tf.analysis.evidence.information import (
    measure_information,
    mixture_information,
)


def plain(mean: np.ndarray, variance: np.ndarray) -> float:
    weights = np.full((1, mean.size), 1.0 / mean.size)
    return float(mixture_information(mean, variance, weights)[0])


@pytest.mark.parametrize(("spread", "variance"), [(0.3, 0.9), (1.0, 0.2), (3.0, 1e-3)])
def test_closed_form_for_normal_means(spread: float, variance: float) -> None:
    # mu ~ N(0, s^2), z | mu ~ N(mu, v): I = ln(1 + s^2 / v) / 2.
    mean = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000) * spread
    found = plain(mean, np.full(mean.shape, variance))
    assert found == pytest.approx(0.5 * np.log1p(spread**2 / variance), abs=2e-3)


def test_equals_numerical_integration_of_the_definition() -> None:
    # E[KL(q_i || p)] - KL(aggregate || p), term by term.
    mean, variance = np.array([-1.0, 0.5, 2.0]), np.array([0.1, 0.5, 0.02])
    kl = 0.5 * np.mean(mean**2 + variance - 1.0 - np.log(variance))

    def integrand(z: float) -> float:
        aggregate = np.mean(stats.norm.pdf(z, mean, np.sqrt(variance)))
        return float(aggregate * (np.log(aggregate) - stats.norm.logpdf(z)))

    gap = integrate.quad(integrand, -8.0, 8.0, points=list(mean), limit=400)[0]
    assert plain(mean, variance) == pytest.approx(kl - gap, abs=1e-6)


def test_separate_stars_carry_the_logarithm_of_their_number() -> None:
    mean = np.arange(64.0)
    found = plain(mean, np.full(64, 1e-3))
    assert found == pytest.approx(np.log(64), abs=1e-6)


def test_same_posterior_carries_nothing() -> None:
    assert plain(np.full(50, 0.7), np.full(50, 0.3)) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    shift=st.floats(-5.0, 5.0),
    scale=st.floats(0.1, 10.0),
    seed=st.integers(0, 1_000),
)
def test_units_do_not_matter(shift: float, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, variance = rng.normal(size=40), rng.uniform(0.05, 1.0, 40)
    found = plain(mean, variance)
    assert 0.0 <= found <= np.log(40)
    moved = plain(shift + scale * mean, scale**2 * variance)
    assert moved == pytest.approx(found, abs=1e-5)


def test_too_narrow_posteriors_give_a_lower_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean, variance = np.linspace(-3.0, 3.0, 200), np.full(200, 1e-4)
    fine = plain(mean, variance)
    monkeypatch.setattr(information, "MAX_GRID", 256)
    coarse = plain(mean, variance)
    assert 0.6 * fine < coarse < fine


def test_resampled_error_equals_the_influence_functions() -> None:
    # dI/dw_i = KL(q_i || aggregate) - I, so its variance over stars is I's times n.
    rng = np.random.default_rng(0)
    n_stars, variance = 500, 0.25
    mean = rng.normal(size=(n_stars, 1))
    found = measure_information(
        mean, np.full(mean.shape, np.log(variance)), n_resamples=400, confidence=0.9,
        rng=rng,
    )  # fmt: skip
    total = 1.0 + variance
    kl = 0.5 * (np.log(total / variance) + (variance + mean**2) / total - 1.0)
    expected = kl.std() / np.sqrt(n_stars)
    assert found.standard_error[0] == pytest.approx(expected, rel=0.12)


def test_interval_covers_the_truth_at_its_level() -> None:
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(150, 200))
    found = measure_information(
        mean, np.full(mean.shape, np.log(0.5)), n_resamples=200, confidence=0.9, rng=rng
    )
    truth = 0.5 * np.log(3.0)
    covered = ((found.low <= truth) & (truth <= found.high)).mean()
    assert 0.80 < covered < 0.96
    assert found.value.mean() == pytest.approx(truth, abs=0.01)
    assert found.kl.mean() == pytest.approx(0.5 * (1.5 - 1.0 + np.log(2.0)), abs=0.02)
