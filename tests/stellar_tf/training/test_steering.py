from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import ObjectiveConfig
from stellar_tf.training.steering import Steering

STEERED = ObjectiveConfig(kl_weights=(), kl_capacity=20.0, kl_unit=0.01)


class Followed:
    """A weight, and the level that it is given again."""

    def __init__(self, objective: ObjectiveConfig, n_steps: int) -> None:
        self._steering = Steering(objective, n_steps)
        self._weigh = tf.function(self._steering.weight_at)
        self._follow = tf.function(self._steering.follow)
        self.level = tf.constant(Steering.first_level, tf.float64)

    def weight_at(self, step: int) -> tuple[float, float]:
        beta, idle = self._weigh(tf.constant(step, tf.float64), self.level)
        return float(beta), float(idle)

    def follow(self, step: int, kl: float) -> None:
        numbers = tf.constant(step, tf.float64), self.level, tf.constant(kl, tf.float64)
        self.level = self._follow(*numbers)


def follow(kl: float, n_steps: int = 1000) -> list[float]:
    """Weights of a run whose divergence stays as it is."""
    steering = Followed(STEERED, n_steps)
    betas = []
    for step in range(n_steps):
        betas.append(steering.weight_at(step)[0])
        steering.follow(step, kl)
    return betas


def test_a_schedule_is_followed() -> None:
    objective = ObjectiveConfig(kl_weights=((0, 0.0), (10, 0.4)))
    steering = Followed(objective, 100)
    steering.follow(5, 1000.0)
    assert steering.weight_at(5) == (pytest.approx(0.2), 0.0)
    assert Steering(objective, 100).final_beta == 0.4


def test_an_empty_code_brings_the_weight_down_to_the_noise() -> None:
    betas = follow(0.0)
    assert betas[0] == pytest.approx(0.6)
    np.testing.assert_array_less(np.diff(betas[1:500]), 0.0)
    assert betas[520] == pytest.approx(0.015)
    assert betas[-1] == pytest.approx(0.03)  # and settles at twice that


def test_a_full_code_keeps_it_up() -> None:
    np.testing.assert_allclose(follow(100.0), 0.6)


def test_it_holds_the_divergence_at_the_capacity() -> None:
    """Of a code that takes in 10 nats for each time the weight falls to a third."""
    steering = Followed(STEERED, 5000)
    for step in range(4000):
        kl = 5.0 * np.log(0.6 / steering.weight_at(step)[0])
        if step in (1000, 2000, 3000):
            assert kl == pytest.approx(20.0 * step / 3750.0, abs=1.0)
        steering.follow(step, kl)


def test_idle_dimensions_are_pressed_at_the_end_only() -> None:
    steering = Followed(STEERED, 100)
    idle = [steering.weight_at(step)[1] for step in range(100)]
    assert set(idle[:80]) == {0.0}
    assert set(idle[80:]) == {2.0}


def test_the_level_is_all_there_is_to_restore() -> None:
    whole, again = Followed(STEERED, 200), Followed(STEERED, 200)
    for step in range(60):
        whole.follow(step, 0.1 * step)
    again.level = whole.level
    for step in range(60, 200):
        assert again.weight_at(step) == whole.weight_at(step)
        for steering in (whole, again):
            steering.follow(step, 12.0)
