from __future__ import annotations

import pytest
import tensorflow as tf

from stellar_tf.training.strategy import StrategyError, build_strategy


def test_single_has_one_replica() -> None:
    assert build_strategy("single").num_replicas_in_sync == 1


@pytest.mark.parametrize("n_devices", [1, 2])
def test_mirrored_has_a_replica_on_each_logical_cpu(n_devices: int) -> None:
    strategy = build_strategy("mirrored", n_devices)
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == n_devices


def test_mirrored_takes_two_logical_cpus_by_default() -> None:
    assert build_strategy("mirrored").num_replicas_in_sync == 2


def test_more_replicas_than_devices() -> None:
    with pytest.raises(StrategyError, match=r"must be at most 2 .* got 3"):
        build_strategy("mirrored", 3)
