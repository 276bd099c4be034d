"""The weight of the divergence: a schedule, or steered by what it lets in."""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

from stellar_tf.config import ObjectiveConfig
from stellar_tf.training.losses import kl_weight_at

_HIGHEST, _LOWEST, _LAST = 60.0, 1.5, 3.0
"""Weights at the beginning, at least while dimensions fill, and at the end, at least,
in units of what noise alone would explain."""
_FULL_AT, _FILLED_AT, _SETTLED_AT = 0.75, 0.8, 0.9
"""Shares of the run: the capacity is open, the weight rises, the weight is risen."""
_SHORTEST_FALL = 0.5
"""Share of the run in which it falls from the highest to the lowest."""
_IDLE_WEIGHT = 2.0
"""By how many times more a dimension that carries nothing is pressed at the end."""


class DivergenceWeight(NamedTuple):
    """How the divergence weighs in one step."""

    beta: tf.Tensor
    """Per nat, in the unit of the error, scalar float64."""
    idle: tf.Tensor
    """Additional share for dimensions that carry little, scalar float64."""


class Steering:
    """
    Say how the divergence weighs, step by step.

    Parameters
    ----------
    objective : ObjectiveConfig
        Its schedule; if empty, the unit and the capacity of the steered weight.
    n_steps : int
        Steps of the whole training.

    Notes
    -----
    Steered, the weight falls as long as the divergence is below a capacity that opens
    evenly with time (Burgess et al. 2018, arXiv 1804.03599, let it open; the weight is
    controlled as by Shao et al. 2020, arXiv 2004.05988), and rises when it is above.
    So the factors enter one by one, whatever share of the error each explains. All of
    it is computed where the network is, so that nobody waits to see a divergence.
    """

    first_level = _HIGHEST
    """Of the steered weight, in units of ``kl_unit``."""

    def __init__(self, objective: ObjectiveConfig, n_steps: int) -> None:
        self._objective, self._n_steps = objective, n_steps

    def weight_at(self, step: tf.Tensor, level: tf.Tensor) -> DivergenceWeight:
        """
        Say how the divergence weighs.

        Parameters
        ----------
        step : Tensor
            Updates made, scalar float64.
        level : Tensor
            Of the steered weight, scalar float64.

        Returns
        -------
        weight : DivergenceWeight
            In this step.
        """
        objective = self._objective
        if objective.kl_weights:
            beta = kl_weight_at(step, objective.kl_weights)
            return DivergenceWeight(beta, tf.zeros_like(beta))
        settled = (step / self._n_steps - _FILLED_AT) / (_SETTLED_AT - _FILLED_AT)
        rise = tf.maximum(level, _LAST) - level
        risen = level + rise * tf.clip_by_value(settled, 0.0, 1.0)
        idle = tf.where(settled < 0.0, tf.zeros_like(level), _IDLE_WEIGHT)
        return DivergenceWeight(risen * objective.kl_unit, idle)

    @property
    def final_beta(self) -> float:
        """Weight at which epochs are compared."""
        if self._objective.kl_weights:
            return self._objective.kl_weights[-1][1]
        return _LAST * self._objective.kl_unit

    def follow(self, step: tf.Tensor, level: tf.Tensor, kl: tf.Tensor) -> tf.Tensor:
        """
        Let the weight follow what the last step showed.

        Parameters
        ----------
        step : Tensor
            Updates made before it, scalar float64.
        level : Tensor
            In that step, scalar float64.
        kl : Tensor
            Divergence of the batch, summed over dimensions, scalar float64 [nat].

        Returns
        -------
        level : Tensor
            In the next.
        """
        done = step / self._n_steps
        excess = kl - self._objective.kl_capacity * tf.minimum(done / _FULL_AT, 1.0)
        rate = math.log(_HIGHEST / _LOWEST) / (_SHORTEST_FALL * self._n_steps)
        followed = level * tf.exp(rate * tf.clip_by_value(excess, -1.0, 1.0))
        followed = tf.clip_by_value(followed, _LOWEST, _HIGHEST)
        return tf.where(done < _FILLED_AT, followed, level)
