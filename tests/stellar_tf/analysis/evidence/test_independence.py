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
    nats: list[float], sources: list[int], n_stars: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Dimensions that measure unit normal parameters, with so many nats each."""
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=(n_stars, max(sources) + 1))
    variance = np.exp(-2.0 * np.array(nats))
    mean = parameters[:, sources] * np.sqrt(1.0 - variance)
    return mean, np.tile(np.log(variance), (n_stars, 1))


def closed_form(nats: list[float], sources: list[int], dimension: int) -> float:
    """What a dimension adds to the others that measure the same parameter."""
    signal = np.expm1(2.0 * np.array(nats))
    same = [d for d, source in enumerate(sources) if source == sources[dimension]]
    with_it = signal[same].sum()
    return float(0.5 * np.log((1.0 + with_it) / (1.0 + with_it - signal[dimension])))


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
        ([2.0, 0.5, 1.5], [0, 0, 1]),  # a weak copy adds nothing
        ([2.0, 2.0, 1.5], [0, 0, 1]),  # one as good adds ln(2) / 2
        ([1.0, 2.0, 1.5], [0, 1, 2]),  # independent
        ([2.5, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0], [0, 0, 1, 2, 3, 4, 5]),
    ],
)
def test_equals_the_closed_form_of_gaussian_codes(
    nats: list[float], sources: list[int], n_stars: int
) -> None:
    rng = np.random.default_rng(1)
    sample = draw_sample(*plant(nats, sources, n_stars, seed=2), rng)
    known = [d for d in range(len(nats)) if d != 1]
    added = measure_added(sample, 1, known, rng)
    expected = closed_form(nats, sources, 1)
    assert added.value == pytest.approx(expected, abs=3.0 * added.standard_error + 0.01)


def curve(t: np.ndarray, n_latent: int) -> np.ndarray:
    """Sines of rising frequency: a folded curve in so many dimensions."""
    order = np.arange(n_latent)
    return np.sin((order // 2 + 1) * 2.2 * t[:, None] + 1.3 * (order % 2) + 0.3 * order)


@pytest.mark.parametrize("n_latent", [2, 4, 6])
@pytest.mark.parametrize("width", [0.05, 0.3])
def test_equals_quadrature_on_a_curve(n_latent: int, width: float) -> None:
    rng = np.random.default_rng(4)
    mean = curve(rng.uniform(-1.0, 1.0, 3_000), n_latent)
    sample = draw_sample(mean, np.full(mean.shape, 2.0 * np.log(width)), rng)
    known = list(range(n_latent - 1))
    added = measure_added(sample, n_latent - 1, known, rng)
    # The density of the curve's parameter is known: the mixture over a fine grid.
    grid = curve(np.linspace(-1.0, 1.0, 4_001), n_latent)
    z = curve(rng.uniform(-1.0, 1.0, 1_000), n_latent)
    z += width * rng.normal(size=z.shape)
    distance = (z[:, None] - grid) ** 2 / width**2
    of_rest = np.exp(-0.5 * distance[:, :, :-1].sum(axis=2)).sum(axis=1)
    of_all = np.exp(-0.5 * distance.sum(axis=2)).sum(axis=1)
    expected = np.mean(np.log(of_rest) - np.log(of_all)) - 0.5
    assert added.value == pytest.approx(expected, abs=0.09)


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
