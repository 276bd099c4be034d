from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.truth.disentanglement import score_disentanglement
from stellar_tf.analysis.truth.infomec import InfoMEC, score_infomec

RNG = np.random.default_rng(0)
FACTORS = RNG.normal(size=(1_500, 3))


def score(z: np.ndarray) -> InfoMEC:
    factors = dict(zip("abc", FACTORS.T, strict=True))
    return score_disentanglement(z, factors, RNG).infomec


def test_one_dimension_a_factor_is_best() -> None:
    idle = 0.001 * RNG.normal(size=(1_500, 2))  # not active
    scores = score(np.column_stack([FACTORS, idle]))
    assert scores.modularity > 0.97
    assert scores.compactness > 0.97
    assert scores.explicitness > 0.7


def test_a_rotation_is_explicit_but_not_modular() -> None:
    mixed = FACTORS @ np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    scores, best = score(mixed), score(FACTORS)
    assert scores.explicitness == pytest.approx(best.explicitness, abs=0.02)
    assert scores.modularity < 0.6
    assert scores.compactness < 0.6


def test_copies_are_modular_but_not_compact() -> None:
    copies = np.column_stack([FACTORS, -FACTORS, 2.0 * FACTORS])
    scores = score(copies + 0.01 * RNG.normal(size=copies.shape))
    assert scores.modularity > 0.97
    # A third of each factor's information is in any of its three dimensions.
    assert scores.compactness == pytest.approx((1 / 3 - 1 / 9) / (8 / 9), abs=0.02)


def test_nothing_explains_nothing() -> None:
    scores = score(RNG.normal(size=(1_500, 2)))
    assert abs(scores.explicitness) < 0.03
    one = score_infomec(FACTORS, FACTORS[:, :1], np.array([[1.0], [0.0], [0.0]]), RNG)
    assert np.isnan(one.modularity)
    assert one.compactness == pytest.approx(1.0)
