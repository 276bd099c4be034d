from __future__ import annotations

import numpy as np

from stellar_tf.analysis.stars import choose_stars, number_stars, pair_visits


def test_of_many_spectra_whole_stars_are_chosen() -> None:
    rng = np.random.default_rng(5)
    star = np.array([f"s{n}" for n in rng.integers(0, 90, 400)])
    usable = rng.random(400) < 0.8
    rows = choose_stars(number_stars(star), usable, 100, rng)
    assert 80 <= rows.size <= 100
    assert usable[rows].all()
    assert np.all(np.diff(rows) > 0)
    chosen = np.flatnonzero(np.isin(star, star[rows]) & usable)
    np.testing.assert_array_equal(rows, chosen)


def test_pairs_are_of_one_star() -> None:
    star = np.array(["b", "a", "b", "c", "b"])
    one, other = pair_visits(star)
    assert list(zip(one, other, strict=True)) == [(0, 2), (2, 4)]
