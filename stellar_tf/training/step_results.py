"""What a step finds: on the device, and read from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from stellar_tf.training.steering import Steering

TERMS = ("loss", "flux_mae", "kl", "total_correlation")
"""Names of what is averaged over spectra, in the order of `StepNumbers`."""
EXACT = tf.float64
"""Of what is carried from step to step, and written down."""


class Terms(NamedTuple):
    """The terms of the objective, of each spectrum or summed over spectra."""

    flux_mae: tf.Tensor
    """Absolute error, in normalised flux."""
    kl: tf.Tensor
    """Divergence of each dimension, shape (..., n_latent), in nats."""
    total_correlation: tf.Tensor
    """Dependence of the dimensions on each other, in nats."""
    objective: tf.Tensor
    """What is minimised, in normalised flux, or in nats a pixel if by likelihood."""
    n_spectra: tf.Tensor
    """Spectra summed over; 1 of each."""


class Controls(NamedTuple):
    """What steps adapt for those that follow, scalars of float64."""

    level: tf.Tensor | float = Steering.first_level
    """Of the steered weight of the divergence."""
    gradient_mean: tf.Tensor | float = 0.0
    """Running mean of the gradients' lengths."""


class StepNumbers(NamedTuple):
    """What one step found, before its update."""

    loss: float
    """Mean over the global batch, in the objective's unit."""
    flux_mae: float
    """The same of the absolute error, in normalised flux."""
    kl: float
    """The same of the divergence, in nats."""
    total_correlation: float
    """In nats; 0 unless it is penalised."""
    norm: float
    """Length of the gradient."""
    level: float
    """`Controls.level` after the step."""
    gradient_mean: float
    """`Controls.gradient_mean` after it."""

    @property
    def terms(self) -> dict[str, float]:
        """The terms of the loss by name."""
        return dict(zip(TERMS, self, strict=False))

    @property
    def fault(self) -> str | None:
        """Why the step was left out, if it was."""
        if not math.isfinite(self.loss):
            return f"the loss is {self.loss}"
        return None if math.isfinite(self.norm) else "a gradient is NaN or infinite"


class Step(NamedTuple):
    """A step that was told to the device; to read it is to wait for it."""

    numbers: tf.Tensor
    """`StepNumbers`, float64, shape (7,)."""
    objective: tf.Tensor
    """What each spectrum of the global batch adds, shape (batch,)."""


def average(sums: Terms) -> dict[str, tf.Tensor]:
    """
    Average over the spectra.

    Parameters
    ----------
    sums : Terms
        Over spectra.

    Returns
    -------
    means : dict of str to Tensor
        Scalars of float64, by `TERMS`.
    """
    kl = tf.reduce_sum(sums.kl)
    totals = (sums.objective, sums.flux_mae, kl, sums.total_correlation)
    n_spectra = tf.cast(sums.n_spectra, EXACT)
    return {
        name: tf.cast(total, EXACT) / n_spectra
        for name, total in zip(TERMS, totals, strict=True)
    }


def read_steps(steps: Sequence[Step]) -> list[StepNumbers]:
    """
    Wait for steps, and read what they found in one go.

    Parameters
    ----------
    steps : sequence of Step
        Of `Trainer.train_step`.

    Returns
    -------
    numbers : list of StepNumbers
        One a step.
    """
    rows = tf.stack([step.numbers for step in steps]).numpy().tolist()
    return [StepNumbers(*row) for row in rows]
