from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.neighbours.space import InformativeSpace

RNG = np.random.default_rng(0)


def test_neighbours_are_those_of_a_brute_search_in_units_of_the_spread() -> None:
    z = RNG.normal(size=(200, 5)) * [1.0, 30.0, 0.1, 1.0, 1.0]
    dimensions = np.array([0, 1, 2])
    found = InformativeSpace(z, dimensions).find_neighbours(z[:7], 4)
    scaled = z[:, dimensions] / z[:, dimensions].std(axis=0)
    for row in range(7):
        distance = np.linalg.norm(scaled - scaled[row], axis=1)
        expected = np.argsort(distance)[:4]
        assert found.rows[row].tolist() == expected.tolist()
        np.testing.assert_allclose(found.distance[row], distance[expected], atol=1e-9)
        assert found.rows[row, 0] == row


def test_dimensions_that_carry_nothing_do_not_count() -> None:
    z = RNG.normal(size=(50, 2))
    noisy = np.column_stack((z, 100.0 * RNG.normal(size=50)))
    plain, among = (InformativeSpace(x, np.array([0, 1])) for x in (z, noisy))
    np.testing.assert_array_equal(
        plain.find_neighbours(z, 5).rows, among.find_neighbours(noisy, 5).rows
    )


def test_the_planted_outlier_is_the_most_unusual() -> None:
    z = RNG.normal(size=(300, 4))
    z[123, 2] = 9.0
    score = InformativeSpace(z, np.array([1, 2])).score_outliers()
    assert np.argmax(score) == 123
    assert score[123] > 2.0
    assert np.median(score) == pytest.approx(1.0, abs=0.1)


def test_small_and_constant_samples() -> None:
    space = InformativeSpace(np.zeros((2, 3)), np.array([0]))
    assert space.score_outliers().tolist() == [1.0, 1.0]
    assert space.find_neighbours(np.zeros((1, 3)), 9).rows.shape == (1, 2)
    same = InformativeSpace(np.zeros((30, 1)), np.array([0])).score_outliers()
    assert np.isfinite(same).all()


def test_no_informative_dimension_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one, got none"):
        InformativeSpace(np.zeros((9, 3)), np.array([], int))


def test_a_spectrum_from_elsewhere_is_scored_as_the_formula_has_it() -> None:
    """A second route: Breunig et al.'s local outlier factor, written out."""
    z = RNG.normal(size=(60, 2))
    query = np.array([[3.0, -2.0]])
    points = (z - z.mean(axis=0)) / z.std(axis=0)
    at = (query[0] - z.mean(axis=0)) / z.std(axis=0)
    k = 20
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    reach = np.sort(between, axis=1)[:, k]  # distance to the k-th other one

    def density(distance: np.ndarray) -> float:
        near = np.argsort(distance)[:k]
        return 1.0 / np.maximum(distance[near], reach[near]).mean()

    own = np.where(np.eye(60, dtype=bool), np.inf, between)
    densities = np.array([density(row) for row in own])
    distance = np.linalg.norm(points - at, axis=1)
    expected = densities[np.argsort(distance)[:k]].mean() / density(distance)
    space = InformativeSpace(z, np.array([0, 1]))
    np.testing.assert_allclose(space.score_others(query), [expected], rtol=1e-6)
    assert InformativeSpace(z[:2], np.array([0])).score_others(query).tolist() == [1.0]
