from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stellar_tf.analysis.evidence.two_sample import compare_posteriors, draw_distances
from stellar_tf.analysis.statistics import benjamini_hochberg


def constant_posteriors(n_stars: int, n_latent: int) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors of any mean and variance that do not depend on the input."""
    rng = np.random.default_rng(0)
    mean = np.tile(rng.normal(0.0, 3.0, n_latent), (n_stars, 1))
    log_var = np.tile(rng.normal(0.0, 2.0, n_latent), (n_stars, 1))
    return mean, log_var


@pytest.mark.parametrize("n_draws", [1, 1_500, 12_000], ids=["once", "exact", "limit"])
def test_false_positives_stay_at_their_nominal_rate(n_draws: int) -> None:
    # 1,000 dimensions are 1,000 independent trials of a true null hypothesis.
    mean, log_var = constant_posteriors(400, 1_000)
    rng = np.random.default_rng(1)
    test = compare_posteriors(mean, log_var, n_draws=n_draws, rng=rng)
    for level in (0.01, 0.05, 0.2):
        n_rejected = int((test.p_value <= level).sum())
        assert stats.binomtest(n_rejected, 1_000, level).pvalue > 1e-3
    assert (test.q_value <= 0.05).sum() == 0


@pytest.mark.parametrize("n_planted", [0, 2])
def test_false_discovery_rate_over_a_thousand_trials(n_planted: int) -> None:
    n_trials, n_latent = 1_000, 8
    mean, log_var = constant_posteriors(200, n_trials * n_latent)
    rng = np.random.default_rng(7)
    planted = np.arange(mean.shape[1]) % n_latent < n_planted
    mean[:, planted] += (
        3.0 * np.exp(0.5 * log_var[:, planted]) * rng.normal(size=(200, planted.sum()))
    )
    test = compare_posteriors(mean, log_var, n_draws=1_200, rng=rng)
    found = np.array(
        [benjamini_hochberg(p) <= 0.05 for p in test.p_value.reshape(n_trials, -1)]
    )
    false = found[:, n_planted:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    error = false.std() / np.sqrt(n_trials)
    # Nominal, times the share of true nulls (Benjamini and Hochberg 1995).
    assert false.mean() <= 0.05 * (1.0 - n_planted / n_latent) + 3.0 * error
    assert found[:, :n_planted].all()


def test_p_values_are_uniform_under_the_null() -> None:
    mean, log_var = constant_posteriors(100, 1_000)
    rng = np.random.default_rng(2)
    test = compare_posteriors(mean, log_var, n_draws=6_000, rng=rng)
    assert stats.kstest(test.p_value, "uniform").pvalue > 0.01


def test_finds_dimensions_that_carry_a_tenth_of_a_nat() -> None:
    rng = np.random.default_rng(3)
    variance = np.exp(-2.0 * 0.1)
    mean = rng.normal(0.0, np.sqrt(1.0 - variance), (1_000, 50))
    log_var = np.full(mean.shape, np.log(variance))
    test = compare_posteriors(mean, log_var, n_draws=60_000, rng=rng)
    assert (test.q_value <= 0.05).all()


def test_effect_size_is_that_of_the_two_distributions() -> None:
    # |z - z'| and |z - z''| are half-normal with variances 2 v and 2 (v + s^2).
    rng = np.random.default_rng(4)
    mean = rng.normal(0.0, 2.0, (20_000, 1))
    test = compare_posteriors(mean, np.zeros(mean.shape), n_draws=200_000, rng=rng)
    x = np.linspace(0.0, 20.0, 20_001)
    within, between = (stats.halfnorm(scale=s).cdf(x) for s in (2**0.5, 10**0.5))
    assert test.statistic[0] == pytest.approx(np.max(within - between), abs=0.02)


def test_no_star_enters_both_samples() -> None:
    # With zero variance a distance tells the stars it is from: powers of two.
    mean = 2.0 ** np.arange(40)[:, None]
    rng = np.random.default_rng(5)
    within, between = draw_distances(mean, np.full(mean.shape, -np.inf), rng)
    assert within.shape == (20, 1)
    assert (within == 0.0).all()
    binary = [f"{int(distance):b}" for distance in between[:, 0]]
    ends = [(len(text), len(text) - len(text.rstrip("0"))) for text in binary]
    stars = np.ravel(ends)
    assert stars.size == np.unique(stars).size == 20
