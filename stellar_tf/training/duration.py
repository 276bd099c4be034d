"""How many steps fit into a time: measured once, before training begins."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from stellar_tf.batches.dataset import TrainingStream
from stellar_tf.config import Config, ConfigError
from stellar_tf.training.step import Trainer
from stellar_tf.training.step_results import read_steps
from tfrecords_tools.records.manifest import Manifest

_N_TIMED = 8
_FOR_STEPS = 0.9
"""Share of the time: the rest is for validation, pictures and checkpoints."""


class StepCost(NamedTuple):
    """Of one network on one machine."""

    first: float
    """Time of the first step, in which it is compiled [s]."""
    next: float
    """Of each that follows [s]."""


def measure_cost(
    config: Config, manifest: Manifest, strategy: tf.distribute.Strategy
) -> StepCost:
    """
    Time some steps at full resolution, with weights that are thrown away.

    Parameters
    ----------
    config : Config
        The settings, whole.
    manifest : Manifest
        The data set.
    strategy : tf.distribute.Strategy
        Where the replicas live.

    Returns
    -------
    cost : StepCost
        Reading included.
    """
    trainer = Trainer(config, strategy)
    build = partial(TrainingStream(manifest, config).build, 0)
    batches = iter(strategy.distribute_datasets_from_function(build))
    seconds = []
    for _ in range(1 + _N_TIMED):
        started = time.monotonic()
        made = trainer.train_step(next(batches), config.objective.coarse_end)
        read_steps([made])
        seconds.append(time.monotonic() - started)
    return StepCost(seconds[0], statistics.median(seconds[1:]))


def count_steps_in(minutes: float, cost: StepCost, config: Config) -> int:
    """
    Say how many steps fit into a time.

    Parameters
    ----------
    minutes : float
        Time for all of the training, what was measured included [min].
    cost : StepCost
        Of a step.
    config : Config
        Its coarse stages are compiled one by one.

    Returns
    -------
    n_steps : int
        At least one for each stage.

    Raises
    ------
    ConfigError
        If so many do not fit.
    """
    n_stages = 1 + len(config.objective.coarse_scales)
    compiling = (n_stages + 1) * cost.first + _N_TIMED * cost.next
    n_steps = int((60.0 * _FOR_STEPS * minutes - compiling) / cost.next)
    if n_steps < n_stages:
        least = (compiling + n_stages * cost.next) / (60.0 * _FOR_STEPS)
        raise ConfigError(
            f"minutes must be at least {least:.2g} for these settings, got {minutes:g}"
        )
    return n_steps
