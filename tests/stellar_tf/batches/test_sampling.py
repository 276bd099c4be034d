from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.batches.sampling import (
    Sampler,
    VisitSampler,
    balanced_weights,
    one_per_star,
)

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


@given(stars, st.integers(0, 2**31), st.integers(0, 3))
def test_pairs_are_two_visits_of_one_star(names, seed, number):
    n, counts = len(names), Counter(names)
    sampler = VisitSampler(names, seed)
    positions = range(2 * n * number, 2 * n * (number + 1))
    found = [sampler.record_at(position) for position in positions]
    assert sorted(found[::2]) == list(range(n))
    n_alone = sum(count == 1 for count in counts.values())
    for leader, partner, position in zip(
        found[::2], found[1::2], positions[::2], strict=True
    ):
        has_visits = counts[names[leader]] > 1
        assert sampler.is_paired(position) == has_visits
        assert sampler.is_paired(position + 1) == has_visits
        if has_visits:
            assert names[partner] == names[leader]
        else:
            assert counts[names[partner]] == 1
        assert (partner != leader) == (has_visits or n_alone > 1)


@given(stars, st.integers(0, 100), st.integers(0, 200))
def test_pairs_are_known_from_anywhere(names, seed, first):
    whole = VisitSampler(names, seed)
    expected = [whole.record_at(position) for position in range(first + 9)]
    later = VisitSampler(names, seed)
    assert [later.record_at(first + i) for i in range(9)] == expected[first:]


def test_every_other_visit_is_a_partner_as_often():
    names = ["two"] * 2 + ["five"] * 5
    sampler = VisitSampler(names, seed=1)
    partners = Counter(
        (sampler.record_at(2 * i), sampler.record_at(2 * i + 1))
        for i in range(7 * 2000)
    )
    assert partners[0, 1] == partners[1, 0] == 2000
    rates = [partners[i, j] / 2000 for i in range(2, 7) for j in range(2, 7) if i != j]
    # Standard error: 0.01.
    np.testing.assert_allclose(rates, 0.25, atol=0.04)


def test_pairs_are_balanced_by_their_leaders():
    names = ["two"] * 2 + ["eight"] * 8
    sampler = VisitSampler(names, 3, balanced_weights(names))
    leaders = [names[sampler.record_at(2 * i)] for i in range(20_000)]
    assert abs(leaders.count("two") / len(leaders) - 0.5) < 0.01


@given(stars, st.integers(0, 100))
def test_one_per_star_takes_each_once(names, seed):
    chosen = one_per_star(names, seed)
    assert sorted(np.array(names)[chosen]) == sorted(set(names))


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_chooses_among_a_stars_spectra(seed):
    names = ["a"] * 20 + ["b"] * 20
    assert (one_per_star(names, seed) == one_per_star(names, seed)).all()
    assert (one_per_star(names, seed) != one_per_star(names, seed + 1)).any()
