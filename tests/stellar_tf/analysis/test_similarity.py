from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.similarity import kernel_alignment, neighbour_overlap

RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(400, 3))


def test_rotations_and_scales_do_not_matter_to_the_alignment() -> None:
    rotation = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    assert kernel_alignment(FIRST, 5.0 * FIRST @ rotation + 1.0) == pytest.approx(1.0)
    other = RNG.normal(size=(400, 3))
    assert kernel_alignment(FIRST, other) < 0.03
    # The same from the kernels themselves: n x n instead of columns.
    centre = np.eye(400) - 1.0 / 400
    k, m = (centre @ z @ z.T @ centre for z in (FIRST, other))
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert kernel_alignment(FIRST, other) == pytest.approx(expected)
    assert np.isnan(kernel_alignment(FIRST, np.ones((400, 2))))


def test_overlap_is_one_of_the_same_and_chance_of_others() -> None:
    assert neighbour_overlap(FIRST, -2.0 * FIRST[:, ::-1]) == 1.0
    other = RNG.normal(size=(400, 2))
    assert neighbour_overlap(FIRST, other) == pytest.approx(10 / 399, abs=0.01)
    assert np.isnan(neighbour_overlap(FIRST[:10], other[:10]))


def test_equal_points_do_not_count_themselves() -> None:
    doubled = np.repeat(FIRST[:30], 20, axis=0)
    assert 0.0 < neighbour_overlap(doubled, doubled) <= 1.0
