from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.evidence import independence
from stellar_tf.analysis.evidence.conditional_density import (
    MAX_STARS,
    draw_sample,
    measure_added,
)
from stellar_tf.analysis.evidence.independence import (
    Independence,
    measure_independence,
)
from stellar_tf.analysis.evidence.information import Information, measure_information
from stellar_tf.analysis.evidence.verdict import Verdict
from stellar_tf.analysis.latents import Codes
from stellar_tf.config import AnalysisConfig

CONFIG = AnalysisConfig(n_resamples=100)


def plant(
    nats: list[float],
    sources: list[int],
    n_stars: int,
    seed: int,
    own: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Dimensions that measure unit normal parameters, with so many nats each.

    A part of each parameter, of amplitude `own`, is the dimension's own.
    """
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=(n_stars, max(sources) + 1))[:, sources]
    mixed = np.sqrt(1.0 - own**2) * parameters + own * rng.normal(size=parameters.shape)
    variance = np.exp(-2.0 * np.array(nats))
    return mixed * np.sqrt(1.0 - variance), np.tile(np.log(variance), (n_stars, 1))


def closed_form(
    nats: list[float], sources: list[int], dimension: int, own: float = 0.0
) -> float:
    """What a dimension adds to the means of all others, by normal conditionals."""
    shared = np.equal.outer(sources, sources) * (1.0 - own**2)
    np.fill_diagonal(shared, 1.0)
    variance = np.exp(-2.0 * np.array(nats))
    scale = np.sqrt(1.0 - variance)
    covariance = shared * np.outer(scale, scale)
    rest = np.arange(len(nats)) != dimension
    of_rest = covariance[dimension, rest]
    known = of_rest @ np.linalg.pinv(covariance[np.ix_(rest, rest)]) @ of_rest
    left = max(covariance[dimension, dimension] - known, 0.0)
    return float(0.5 * np.log1p(left / variance[dimension]))


def count(z_mean: np.ndarray, z_log_var: np.ndarray, seed: int = 0) -> Independence:
    names = np.array([f"star {i}" for i in range(len(z_mean))])
    codes = Codes(names, names, np.full(names.shape, ""), z_mean, z_log_var, {})
    rng = np.random.default_rng(seed)
    information = measure_information(
        z_mean, z_log_var, n_resamples=100, confidence=0.95, rng=rng
    )
    informative = information.low >= CONFIG.min_information
    n = int(informative.sum())
    verdict = Verdict(informative, n, n, n)
    return measure_independence(codes, information, verdict, CONFIG, rng)


@pytest.mark.parametrize("n_stars", [500, 3_000])
@pytest.mark.parametrize(
    ("nats", "sources"),
    [
        ([2.0, 0.5, 1.5], [0, 0, 1]),
        ([2.0, 2.0, 1.5], [0, 0, 1]),
        ([1.0, 2.0, 1.5], [0, 1, 2]),
        ([2.5, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0], [0, 0, 1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize("own", [0.0, 0.5])
def test_equals_the_closed_form_of_gaussian_codes(
    nats: list[float], sources: list[int], n_stars: int, own: float
) -> None:
    rng = np.random.default_rng(1)
    sample = draw_sample(*plant(nats, sources, n_stars, 2, own), rng)
    known = [d for d in range(len(nats)) if d != 1]
    added = measure_added(sample, 1, known, rng)
    expected = closed_form(nats, sources, 1, own)
    assert added.value == pytest.approx(expected, abs=3.0 * added.standard_error + 0.01)


def curve(t: np.ndarray, n_latent: int) -> np.ndarray:
    """Sines of rising frequency: a folded curve in so many dimensions."""
    order = np.arange(n_latent)
    return np.sin((order // 2 + 1) * 2.2 * t[:, None] + 1.3 * (order % 2) + 0.3 * order)


@pytest.mark.parametrize("width", [0.05, 0.3])
def test_on_a_folded_curve_the_branches_are_what_is_added(width: float) -> None:
    rng = np.random.default_rng(4)
    mean = curve(rng.uniform(-1.0, 1.0, 3_000), 2)
    sample = draw_sample(mean, np.full(mean.shape, 2.0 * np.log(width)), rng)
    added = measure_added(sample, 1, [0], rng)
    # The other mean leaves the branches that have it, by the inverse of their slopes.
    grid = np.linspace(-1.0, 1.0, 20_001)
    on_grid = curve(grid, 2)
    slope = np.abs(np.gradient(on_grid[:, 0], grid))
    ratio = np.empty(2_000)
    for row, star in enumerate(curve(rng.uniform(-1.0, 1.0, ratio.size), 2)):
        off = on_grid[:, 0] - star[0]
        branches = np.flatnonzero(off[1:] * off[:-1] <= 0.0)
        noise = rng.normal()
        distance = (star[1] + width * noise - on_grid[branches, 1]) / width
        weight = 1.0 / slope[branches]
        density = np.sum(weight * np.exp(-0.5 * distance**2)) / weight.sum()
        ratio[row] = -0.5 * noise**2 - np.log(density)
    # Stars as wide as a posterior are taken for alike: an upper bound.
    assert -0.05 < added.value - ratio.mean() < 0.05 + width


@pytest.mark.parametrize("n_latent", [4, 6])
@pytest.mark.parametrize("width", [0.05, 0.3])
def test_where_others_know_the_branch_nothing_is_added(
    n_latent: int, width: float
) -> None:
    rng = np.random.default_rng(4)
    mean = curve(rng.uniform(-1.0, 1.0, 3_000), n_latent)
    sample = draw_sample(mean, np.full(mean.shape, 2.0 * np.log(width)), rng)
    added = measure_added(sample, n_latent - 1, range(n_latent - 1), rng)
    assert added.value == pytest.approx(0.0, abs=0.05)


def test_what_others_do_together_is_known() -> None:
    """Their product, which no sum of functions of one each is."""
    rng = np.random.default_rng(5)
    mean = rng.uniform(-1.0, 1.0, (3_000, 3))
    mean[:, 2] = 0.6 * np.sign(mean[:, 0]) * np.sqrt(np.abs(mean[:, 0])) * mean[:, 1]
    sample = draw_sample(mean, np.full(mean.shape, 2.0 * np.log(0.01)), rng)
    added = measure_added(sample, 2, [0, 1], rng)
    assert added.value < 1.0 < -np.log(0.01) - 2.0
    with_noise = mean.copy()
    with_noise[:, 2] += 0.1 * rng.normal(size=len(mean))
    sample = draw_sample(with_noise, np.full(mean.shape, 2.0 * np.log(0.1)), rng)
    added = measure_added(sample, 2, [0, 1], rng)
    assert added.value == pytest.approx(0.5 * np.log(2.0), abs=0.08)


def test_weak_copies_are_redundant_and_say_what_they_repeat() -> None:
    nats, sources = [2.5, 2.0, 0.4, 0.3, 0.0], [0, 1, 0, 1, 2]
    found = count(*plant(nats, sources, 800, seed=5))
    assert found.independent.tolist() == [True, True, False, False, False]
    assert (found.n_low, found.n_independent, found.n_high) == (2, 2, 2)
    assert found.repeats.tolist() == [-1, -1, 0, 1, -1]
    assert np.isnan(found.added.value[4])
    for dimension in range(4):
        low, high = (
            end[dimension] for end in (found.given_rest.low, found.given_rest.high)
        )
        expected = closed_form(nats, sources, dimension)
        assert low - 0.05 < expected < high + 0.05


def test_false_independent_ones_are_rare() -> None:
    """Three of six are redundant: the short form of benchmarks/independence.py."""
    nats, sources = [2.5, 2.0, 1.0, 0.5, 0.4, 0.3], [0, 1, 2, 0, 1, 0]
    found = [count(*plant(nats, sources, 300, seed), seed) for seed in range(8)]
    assert [f.n_independent for f in found].count(3) >= 7
    assert all(f.n_low <= 3 <= f.n_high for f in found)


def test_more_stars_than_are_needed_are_left_out() -> None:
    rng = np.random.default_rng(6)
    sample = draw_sample(*plant([1.0, 0.5], [0, 0], MAX_STARS + 500, seed=7), rng)
    assert len(sample.mean) == MAX_STARS


def test_only_those_that_share_most_enter_among_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The copy's original is found among others."""
    monkeypatch.setattr(independence, "MAX_OTHERS", 1)
    found = count(*plant([2.0, 2.0, 2.0, 2.0, 0.4], [0, 1, 2, 3, 2], 300, seed=8))
    assert found.n_independent == 4
    assert found.repeats[4] == 2


def test_nothing_informative_counts_nothing() -> None:
    rng = np.random.default_rng(9)
    nothing = np.zeros((100, 3))
    zero = np.zeros(3)
    information = Information(zero, zero, zero, zero, zero)
    verdict = Verdict(np.zeros(3, bool), 0, 0, 1)
    names = np.array([f"star {i}" for i in range(100)])
    codes = Codes(names, names, names, nothing, nothing, {})
    found = measure_independence(codes, information, verdict, CONFIG, rng)
    assert (found.n_low, found.n_independent, found.n_high) == (0, 0, 1)
    assert np.isnan(found.added.value).all()
