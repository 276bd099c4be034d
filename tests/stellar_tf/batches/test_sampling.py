from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.batches.sampling import Sampler, balanced_weights, one_per_star

stars = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


@given(st.integers(1, 50), st.integers(0, 2**31), st.integers(0, 5))
def test_a_pass_without_weights_meets_every_record_once(n, seed, number):
    sampler = Sampler(n, seed)
    found = [sampler.record_at(number * n + i) for i in range(n)]
    assert sorted(found) == list(range(n))
    assert found == [Sampler(n, seed).record_at(number * n + i) for i in range(n)]


def test_orders_differ_from_pass_to_pass_and_seed_to_seed():
    orders = [Sampler(30, seed).order(number) for seed in (0, 1) for number in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


@given(stars, st.integers(0, 2**31))
def test_a_balanced_pass_draws_every_star_alike(names, seed):
    order = Sampler(len(names), seed, balanced_weights(names)).order(0)
    share = len(names) / len(set(names))
    counts = Counter(names[i] for i in order)
    assert len(order) == len(names)
    for star, n_spectra in Counter(names).items():
        # Each of the star's spectra is rounded down or up on its own.
        assert abs(counts[star] - share) <= n_spectra


def test_balanced_draws_are_unbiased():
    names = ["one"] + ["two"] * 2 + ["seven"] * 7
    draws = np.concatenate(
        [
            Sampler(10, 3, balanced_weights(names)).order(number)
            for number in range(3000)
        ]
    )
    rates = np.bincount(draws, minlength=10) / draws.size
    np.testing.assert_allclose(rates[0], 1 / 3, atol=0.006)
    np.testing.assert_allclose(rates[1:3], 1 / 6, atol=0.006)
    np.testing.assert_allclose(rates[3:], 1 / 21, atol=0.006)


@given(stars, st.integers(0, 100))
def test_one_per_star_takes_each_once(names, seed):
    chosen = one_per_star(names, seed)
    assert sorted(np.array(names)[chosen]) == sorted(set(names))


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_chooses_among_a_stars_spectra(seed):
    names = ["a"] * 20 + ["b"] * 20
    assert (one_per_star(names, seed) == one_per_star(names, seed)).all()
    assert (one_per_star(names, seed) != one_per_star(names, seed + 1)).any()
