from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.evidence.repeats import Repeats, compare_visits


def compare(z_mean: np.ndarray, star: np.ndarray, seed: int = 0) -> Repeats:
    rng = np.random.default_rng(seed)
    return compare_visits(z_mean, star, n_resamples=200, confidence=0.95, rng=rng)


def visits(
    share: float, sizes: np.ndarray, n_latent: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Visits of which `share` of the variance is the star's."""
    rng = np.random.default_rng(seed)
    star = np.repeat(np.arange(sizes.size), sizes)
    of_star = rng.normal(size=(sizes.size, n_latent))[star]
    of_visit = rng.normal(size=(star.size, n_latent))
    z_mean = np.sqrt(share) * of_star + np.sqrt(1.0 - share) * of_visit
    return z_mean, np.array([f"HD{index}" for index in star])


def test_equals_the_textbook_analysis_of_variance() -> None:
    # Shrout and Fleiss (1979), table 2: ICC(1,1) = 0.166 for 6 targets, 4 judges;
    # repeated 10 times over so that there are enough targets, minus their means.
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
         [6, 2, 4, 7]], float,
    )  # fmt: skip
    n, k = 6, 4
    means = ratings.mean(axis=1)
    between = k * means.var(ddof=1)
    within = ((ratings - means[:, None]) ** 2).sum() / (n * (k - 1))
    assert (between - within) / (between + (k - 1) * within) == pytest.approx(
        0.166, abs=5e-4
    )
    copies = np.tile(ratings, (10, 1))
    between = k * copies.mean(axis=1).var(ddof=1)
    expected = (between - within) / (between + (k - 1) * within)
    star = np.repeat([f"HD{index}" for index in range(60)], 4)
    found = compare(copies.reshape(-1, 1), star)
    assert found.correlation.value[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_unequal_numbers_of_visits_do_not_bias(share: float) -> None:
    sizes = np.random.default_rng(0).integers(1, 6, 400)
    found = compare(*visits(share, sizes, 30, seed=1))
    assert found.correlation.value.mean() == pytest.approx(share, abs=0.02)
    assert found.n_stars == (sizes >= 2).sum()
    assert found.n_spectra == sizes[sizes >= 2].sum()
    low, high = found.correlation.low, found.correlation.high
    assert ((low <= share) & (share <= high)).mean() > 0.8


def test_classes() -> None:
    sizes = np.full(100, 2)
    stellar, star = visits(0.95, sizes, 1, seed=2)
    undecided, _ = visits(0.5, sizes, 1, seed=3)
    observational, _ = visits(0.05, sizes, 1, seed=4)
    constant = np.zeros((200, 1))
    z_mean = np.hstack((stellar, undecided, observational, constant))
    kind = compare(z_mean, star).kind
    assert list(kind) == ["stellar", "undecided", "observational", "observational"]


def test_without_repeats_nothing_is_decided() -> None:
    z_mean = np.random.default_rng(0).normal(size=(50, 3))
    found = compare(z_mean, np.array([f"HD{index}" for index in range(50)]))
    assert np.isnan(found.correlation.value).all()
    assert list(found.kind) == ["undecided"] * 3
    assert found.n_stars == found.n_spectra == 0
