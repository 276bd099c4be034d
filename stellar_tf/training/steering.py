"""The weight of the divergence: a schedule, or steered by what it lets in."""

from __future__ import annotations

import math
from typing import NamedTuple

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

    beta: float
    """Per nat, in the unit of the error."""
    idle: float
    """Additional share for dimensions that carry little."""


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
    So the factors enter one by one, whatever share of the error each explains.
    """

    def __init__(self, objective: ObjectiveConfig, n_steps: int) -> None:
        self._objective, self._n_steps = objective, n_steps
        self.level = _HIGHEST
        """Of the steered weight, in units of ``kl_unit``: all there is to restore."""

    def weight_at(self, step: int) -> DivergenceWeight:
        """
        Say how the divergence weighs.

        Parameters
        ----------
        step : int
            Updates made.

        Returns
        -------
        weight : DivergenceWeight
            In this step.
        """
        objective = self._objective
        if objective.kl_weights:
            return DivergenceWeight(kl_weight_at(step, objective.kl_weights), 0.0)
        settled = (step / self._n_steps - _FILLED_AT) / (_SETTLED_AT - _FILLED_AT)
        if settled < 0.0:
            return DivergenceWeight(self.level * objective.kl_unit, 0.0)
        last = max(_LAST, self.level)
        level = self.level + (last - self.level) * min(1.0, settled)
        return DivergenceWeight(level * objective.kl_unit, _IDLE_WEIGHT)

    @property
    def final_beta(self) -> float:
        """Weight at which epochs are compared."""
        if self._objective.kl_weights:
            return self._objective.kl_weights[-1][1]
        return _LAST * self._objective.kl_unit

    def follow(self, step: int, kl: float) -> None:
        """
        Let the weight follow what the last step showed.

        Parameters
        ----------
        step : int
            Updates made before it.
        kl : float
            Divergence of the batch, summed over dimensions [nat].
        """
        done = step / self._n_steps
        if done >= _FILLED_AT:
            return
        excess = kl - self._objective.kl_capacity * min(1.0, done / _FULL_AT)
        rate = math.log(_HIGHEST / _LOWEST) / (_SHORTEST_FALL * self._n_steps)
        level = self.level * math.exp(rate * min(1.0, max(-1.0, excess)))
        self.level = min(_HIGHEST, max(_LOWEST, level))
