from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.analysis.stars import (
    name_stars,
    one_per_star,
    percentile_interval,
    resample_counts,
)

STARS = st.lists(st.sampled_from(["", "HD1", "HD2", "HD3"]), min_size=1, max_size=30)


@given(stars=STARS, seed=st.integers(0, 5))
def test_one_spectrum_of_each_star(stars: list[str], seed: int) -> None:
    star = np.array(stars)
    dp_id = np.array([f"ADP.{index}" for index in range(star.size)])
    rows = one_per_star(dp_id, star, seed=seed)
    owner = name_stars(dp_id, star)
    assert sorted(owner[rows]) == sorted(set(owner))
    assert (np.diff(rows) > 0).all()


@given(stars=STARS, seed=st.integers(0, 5))
def test_draw_does_not_depend_on_the_order_of_rows(stars: list[str], seed: int) -> None:
    star = np.array(stars)
    dp_id = np.array([f"ADP.{index}" for index in range(star.size)])
    drawn = set(dp_id[one_per_star(dp_id, star, seed=seed)])
    turned = one_per_star(dp_id[::-1], star[::-1], seed=seed)
    assert set(dp_id[::-1][turned]) == drawn


def test_another_seed_draws_other_spectra() -> None:
    star = np.repeat([f"HD{index}" for index in range(50)], 4)
    dp_id = np.array([f"ADP.{index:03d}" for index in range(star.size)])
    first, second = (one_per_star(dp_id, star, seed=seed) for seed in (0, 1))
    assert (first != second).any()


def test_every_visit_is_as_likely() -> None:
    star = np.repeat(["HD1"], 4)
    dp_id = np.array(["a", "b", "c", "d"])
    drawn = [one_per_star(dp_id, star, seed=seed)[0] for seed in range(400)]
    counts = np.bincount(drawn, minlength=4)
    assert abs(counts - 100).max() < 40


def test_resamples_draw_as_many_stars_as_there_are() -> None:
    counts = resample_counts(50, 400, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 50).all()
    # A star is missing from a resample with probability (1 - 1/n)^n.
    assert abs((counts == 0).mean() - (1 - 1 / 50) ** 50) < 0.01


def test_percentile_interval_cuts_equal_tails() -> None:
    low, high = percentile_interval(np.arange(1001.0)[:, None], 0.9)
    np.testing.assert_allclose((low[0], high[0]), (50.0, 950.0))
