from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.matching import match_dimensions

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(200, 6))


def test_order_sign_and_monotone_maps_do_not_matter() -> None:
    order = np.array([3, 5, 0])
    second = np.empty((200, 4))
    second[:, [2, 0, 3]] = np.column_stack((np.exp(Z[:, 3]), -Z[:, 5], Z[:, 0] ** 3))
    second[:, 1] = RNG.normal(size=200)
    found = match_dimensions(Z, second, order, np.array([0, 2, 3]))
    assert dict(zip(found.first, found.second, strict=True)) == {3: 2, 5: 0, 0: 3}
    assert found.stability == pytest.approx(1.0)
    assert found.correlation[list(found.first).index(5)] == pytest.approx(-1.0)


def test_what_only_one_run_has_lowers_the_score() -> None:
    found = match_dimensions(Z, Z, np.array([0, 1, 2, 3]), np.array([1, 2]))
    assert found.first.tolist() == found.second.tolist() == [1, 2]
    assert found.stability == pytest.approx(0.5)


def test_unrelated_runs_score_about_nothing() -> None:
    other = RNG.normal(size=(200, 6))
    found = match_dimensions(Z, other, np.arange(3), np.arange(3))
    assert found.stability < 0.2


def test_no_informative_dimension() -> None:
    none, some = np.array([], int), np.array([1])
    assert np.isnan(match_dimensions(Z, Z, none, none).stability)
    assert match_dimensions(Z, Z, none, some).stability == 0.0


def test_other_spectra_are_an_error() -> None:
    with pytest.raises(ValueError, match="the same spectra, got 200 and 199"):
        match_dimensions(Z, Z[1:], np.array([0]), np.array([0]))
