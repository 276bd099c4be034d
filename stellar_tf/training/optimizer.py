"""Adam, and the schedule of its rate.

`FusedAdam` reaches into private members of Keras' Adam for the moments of a weight,
since Keras offers no other way; a test holds it to Keras' own. With Keras' Adam a
training step takes more processor time, both in turn on 2 cores: the network of
configs/default.yaml, with 14.7 million weights, 1.33 times as much at batch 8 and 1.19
times at 16; that of configs/demo.yaml, with 1.3 million, 1.07 to 1.12 times at 32.
(benchmarks/train.py --keras-adam shows the wall clock.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from stellar_tf.config import TrainingConfig


class FusedAdam(keras.optimizers.Adam):
    """
    Keras' Adam with the update of a weight in one operation instead of a dozen.

    Its variables and their values are those of `keras.optimizers.Adam`. The decoder's
    spectra have so many weights that a dozen passes over them took longer than the
    network.
    """

    _is_left_out: tf.Tensor | bool = False

    def apply_share(
        self,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[tf.Variable],
        share: tf.Tensor,
    ) -> None:
        """
        Update the weights by a share of their gradients, or not at all.

        Parameters
        ----------
        gradients : sequence of Tensor
            Of the loss; of a step that is left out they may be NaN.
        variables : sequence of tf.Variable
            The weights.
        share : Tensor
            By what all gradients are multiplied, scalar; at 0 the step is left out:
            weights, moments and the number of steps stay as they are.
        """
        self._is_left_out = share <= 0.0
        shortened = _shorten(gradients, share)
        self.apply_gradients(zip(shortened, variables, strict=True))
        self.iterations.assign_sub(tf.cast(self._is_left_out, self.iterations.dtype))
        self._is_left_out = False

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """
        Update one weight and its moments.

        Parameters
        ----------
        gradient : Tensor
            Of the loss.
        variable : tf.Variable
            The weight.
        learning_rate : Tensor
            Scalar.
        """
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        kept = tf.cast(self._is_left_out, dtype)  # all of the moments, or none
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(self.beta_1, dtype) ** step,
            beta2_power=tf.cast(self.beta_2, dtype) ** step,
            lr=tf.cast(learning_rate, dtype) * (1.0 - kept),
            beta1=tf.maximum(tf.cast(self.beta_1, dtype), kept),
            beta2=tf.maximum(tf.cast(self.beta_2, dtype), kept),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _shorten(gradients: Sequence[tf.Tensor], share: tf.Tensor) -> list[tf.Tensor]:
    """Multiply; where nothing waits for a processor, only if it changes anything."""

    def multiply() -> list[tf.Tensor]:
        return [tf.math.multiply_no_nan(g, tf.cast(share, g.dtype)) for g in gradients]

    if tf.config.list_logical_devices("GPU"):
        return multiply()  # to branch by what it found, it would have to finish first
    same: list[tf.Tensor] = tf.cond(
        share >= 1.0, lambda: [tf.identity(g) for g in gradients], multiply
    )
    return same


def build_optimizer(config: TrainingConfig) -> FusedAdam:
    """
    Build Adam with the configured schedule.

    Parameters
    ----------
    config : TrainingConfig
        Learning rate, its decay and the number of steps.

    Returns
    -------
    optimizer : FusedAdam
        Adam.
    """
    rate: Any = config.learning_rate
    if config.learning_rate_decay == "cosine":
        n_rising = round(config.warmup * config.n_steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if n_rising else rate,
            config.n_steps - n_rising,
            warmup_target=rate if n_rising else None,
            warmup_steps=n_rising,
        )
    return FusedAdam(rate)
