from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.truth.disentanglement import (
    attribute_predictability,
    modularity,
    mutual_information_gap,
    score_disentanglement,
)


def draw(n: int = 600) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1.0, 1.0, (n, 2)), rng


def test_one_dimension_a_factor_scores_one() -> None:
    factors, rng = draw()
    z = np.column_stack((factors[:, 0], rng.normal(size=600), -(factors[:, 1] ** 3)))
    scores = score_disentanglement(z, {"rv": factors[:, 0], "teff": factors[:, 1]}, rng)
    assert (scores.mig > 0.85).all()
    assert scores.sap[0] > 0.95
    assert scores.dci_disentanglement > 0.9
    assert scores.modularity > 0.95
    assert (scores.dci_completeness > 0.9).all()
    assert (scores.dci_informativeness > 0.9).all()
    np.testing.assert_allclose(scores.importance.sum(axis=0), 1.0)


def test_modularity_counts_what_is_beside_the_largest() -> None:
    assert modularity(np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.3]])) == 1.0
    # Of two factors beside, one as large: 1 - 1 / 2. Weights are 1 and 3.
    shared = np.array([[1.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert modularity(shared) == pytest.approx((0.5 * 1.0 + 1.0 * 3.0) / 4.0)
    assert np.isnan(modularity(np.zeros((4, 2))))
    assert np.isnan(modularity(np.ones((4, 1))))


def test_a_copied_dimension_has_no_gap() -> None:
    factors, rng = draw()
    z = np.column_stack((factors[:, 0], factors[:, 0], factors[:, 1]))
    assert mutual_information_gap(z, factors, rng)[0] == pytest.approx(0.0, abs=1e-9)
    assert attribute_predictability(z, factors)[0] == pytest.approx(0.0, abs=1e-9)


def test_mixed_dimensions_score_low() -> None:
    factors, rng = draw()
    z = factors @ np.array([[1.0, 1.0], [1.0, -1.0]])
    scores = score_disentanglement(z, {"rv": factors[:, 0], "teff": factors[:, 1]}, rng)
    assert (scores.mig < 0.1).all()
    assert (scores.sap < 0.2).all()
    assert scores.dci_disentanglement < 0.3
    assert scores.modularity < 0.2
    assert (scores.dci_completeness < 0.3).all()


def test_predictability_is_the_gap_of_squared_correlations() -> None:
    factors, rng = draw()
    z = factors @ rng.normal(size=(2, 4)) + rng.normal(size=(600, 4))
    squared = np.corrcoef(z.T, factors.T)[:4, 4:] ** 2
    ordered = np.sort(squared, axis=0)
    np.testing.assert_allclose(
        attribute_predictability(z, factors), ordered[-1] - ordered[-2]
    )


def test_dead_dimensions_score_zero() -> None:
    factors, rng = draw(100)
    scores = score_disentanglement(np.zeros((100, 3)), {"rv": factors[:, 0]}, rng)
    assert scores.sap[0] == 0.0
    assert scores.dci_completeness[0] == pytest.approx(0.0)
    assert scores.dci_informativeness[0] == 0.0
    assert np.isnan(scores.dci_disentanglement)


def test_stars_with_unknown_factors_are_left_out() -> None:
    factors, rng = draw()
    factors[:100, 1] = np.nan
    scores = score_disentanglement(
        factors[:, :1] + np.zeros((1, 2)), {"rv": factors[:, 0], "mh": factors[:, 1]},
        rng,
    )  # fmt: skip
    assert scores.n_stars == 500


def test_bad_input_is_an_error() -> None:
    factors, rng = draw(50)
    with pytest.raises(ValueError, match="z_mean must have two dimensions, got 1"):
        score_disentanglement(factors[:, :1], {"rv": factors[:, 0]}, rng)
    with pytest.raises(ValueError, match="factors must name at least one"):
        score_disentanglement(factors, {}, rng)
