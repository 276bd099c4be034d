"""Choice of the distribution strategy."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from tfrecords_tools.errors import UserError


class StrategyError(UserError):
    """The strategy cannot be had on this machine."""


def build_strategy(
    name: Literal["single", "mirrored"], n_devices: int | None = None
) -> tf.distribute.Strategy:
    """
    Build a strategy for one machine.

    Parameters
    ----------
    name : {"single", "mirrored"}
        One device, or a replica on each of several.
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
        If there are fewer devices than asked for.
    """
    if name == "single":
        return tf.distribute.get_strategy()
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
