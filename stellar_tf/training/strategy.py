"""Choice of the distribution strategy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import tensorflow as tf

from tfrecords_tools.errors import UserError
from tfrecords_tools.interruption import ended_by_signals


class StrategyError(UserError):
    """The strategy cannot be had on this machine."""


def build_strategy(name: str, n_devices: int | None = None) -> tf.distribute.Strategy:
    """
    Build a strategy for one machine or several.

    Parameters
    ----------
    name : {"single", "mirrored", "multiworker"}
        One device, a replica on each of several, or a replica on each device of the
        machines that TF_CONFIG lists.
    n_devices : int, optional
        Replicas of "mirrored". By default all GPUs, or 2 logical CPUs where there
        is no GPU. Logical CPUs share the processor: they are for testing.

    Returns
    -------
    strategy : tf.distribute.Strategy
        The strategy.

    Raises
    ------
    StrategyError
        If there is no such strategy, there are fewer devices than asked for, or
        TF_CONFIG lists no machines.
    """
    if name == "single":
        return tf.distribute.get_strategy()
    if name == "multiworker":
        return _build_multiworker()
    if name != "mirrored":
        raise StrategyError(
            f'strategy must be "single", "mirrored" or "multiworker", got "{name}"'
        )
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        devices, reduction = [f"GPU:{i}" for i in range(len(gpus))], None
    else:
        devices = _logical_cpus(n_devices or 2)
        # Collectives on CPUs mix up two strategies of one process.
        reduction = tf.distribute.ReductionToOneDevice()
    n_replicas = n_devices or len(devices)
    if n_replicas > len(devices):
        raise StrategyError(
            f"training.n_devices must be at most {len(devices)} on this machine, "
            f"got {n_replicas}"
        )
    return tf.distribute.MirroredStrategy(devices[:n_replicas], reduction)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """
    Tell whether this process writes the run's files.

    Parameters
    ----------
    strategy : tf.distribute.Strategy
        Of `build_strategy`.

    Returns
    -------
    answer : bool
        True for one process of a training.
    """
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    return resolver.task_type in (None, "chief") or (
        resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
    )


def build_vote(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """
    Build what lets the workers of a training decide as one.

    Parameters
    ----------
    strategy : tf.distribute.Strategy
        Of `build_strategy`.

    Returns
    -------
    vote : callable
        Each worker calls it at the same places; it waits for all, and tells each
        whether any of them said yes.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return bool

    def add_up(answer: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        # An argument of a function has no device, by which workers are told apart.
        answer = tf.identity(answer)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, answer)

    def count(answer: tf.Tensor) -> tf.Tensor:
        by_replica = strategy.run(add_up, (answer,))
        return strategy.experimental_local_results(by_replica)[0]

    compiled = tf.function(count)
    return lambda answer: bool(compiled(tf.constant(float(answer))) > 0.0)


def _build_multiworker() -> tf.distribute.Strategy:
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG", "{}"))
        n_workers = len(cluster["cluster"]["worker"])
        known = {"type", "index"} <= set(cluster["task"]) and n_workers > 0
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise StrategyError(
            'strategy "multiworker" needs the environment variable TF_CONFIG, such as '
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}'
        )
    with ended_by_signals():  # it may wait for an hour, where Python sees no signal
        return tf.distribute.MultiWorkerMirroredStrategy()


def _logical_cpus(n_devices: int) -> list[str]:
    physical = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(physical) is None:
        configuration = [tf.config.LogicalDeviceConfiguration()] * n_devices
        try:
            tf.config.set_logical_device_configuration(physical, configuration)
        except RuntimeError:
            raise StrategyError(
                "logical CPUs must be set up before TensorFlow's first operation"
            ) from None
    return [
        device.name.removeprefix("/device:")
        for device in tf.config.list_logical_devices("CPU")
    ]
