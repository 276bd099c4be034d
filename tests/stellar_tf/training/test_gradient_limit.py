from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.training.gradient_limit import GradientLimit


class Followed:
    """A limit, and the mean that it is given again."""

    def __init__(self, max_ratio: float | None) -> None:
        self._limit, self.mean = GradientLimit(max_ratio), 0.0

    def find_share(self, step: int, norm: float) -> float:
        numbers = (tf.constant(x, tf.float64) for x in (step, norm, self.mean))
        share, mean = self._limit.find_share(*numbers)
        self.mean = float(mean)
        return float(share)


def test_a_gradient_far_longer_than_those_before_is_shortened() -> None:
    limit = Followed(2.0)
    assert [limit.find_share(step, 3.0) for step in range(40)] == [1.0] * 40
    assert limit.find_share(40, 3000.0) == pytest.approx(6.0 / 3000.0)
    assert limit.mean == pytest.approx(3.0 + 3.0 / 41)  # by what was applied


def test_the_limit_follows_the_stage_of_training() -> None:
    limit = Followed(2.0)
    norms = np.exp(np.linspace(0.0, 5.0, 1000))  # rises 150-fold
    shares = [limit.find_share(step, norm) for step, norm in enumerate(norms)]
    assert shares == [1.0] * 1000


def test_the_first_steps_and_no_gradient_at_all_are_left_alone() -> None:
    limit = Followed(2.0)
    assert limit.find_share(0, 0.0) == 1.0
    assert limit.find_share(1, 1.0e6) == 1.0


def test_without_a_ratio_there_is_no_limit() -> None:
    limit = Followed(None)
    assert [limit.find_share(step, 10.0**step) for step in range(30)] == [1.0] * 30
