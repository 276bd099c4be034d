from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.evidence.intrinsic import estimate_intrinsic_dimension


@pytest.mark.parametrize("n_dimensions", [1, 2, 4])
def test_a_curved_sheet_has_its_own_dimension(n_dimensions: int) -> None:
    rng = np.random.default_rng(n_dimensions)
    sheet = rng.uniform(size=(3_000, n_dimensions))
    bent = np.column_stack([sheet, np.sin(3.0 * sheet), sheet[:, :1] ** 2])
    found = estimate_intrinsic_dimension(bent, confidence=0.95, rng=rng)
    assert found.value == pytest.approx(n_dimensions, rel=0.1)
    assert found.low < found.value < found.high


def test_noise_fills_all_dimensions() -> None:
    rng = np.random.default_rng(5)
    line = np.outer(rng.normal(size=3_000), np.ones(3))
    noisy = line + 0.5 * rng.normal(size=line.shape)
    found = estimate_intrinsic_dimension(noisy, confidence=0.95, rng=rng)
    assert found.value == pytest.approx(3.0, abs=0.3)


def test_the_interval_covers_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        points = rng.uniform(size=(300, 1))
        found = estimate_intrinsic_dimension(points, confidence=0.95, rng=rng)
        covered += found.low <= 1.0 <= found.high
    assert covered >= 85


def test_too_few_different_points_have_none() -> None:
    rng = np.random.default_rng(6)
    for points in (np.ones((500, 2)), rng.normal(size=(10, 2)), np.empty((50, 0))):
        found = estimate_intrinsic_dimension(points, confidence=0.95, rng=rng)
        assert np.isnan(found.value)
