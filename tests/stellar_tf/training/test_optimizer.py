from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import TrainingConfig
from stellar_tf.training.optimizer import build_optimizer

RNG = np.random.default_rng(0)


def test_the_fused_update_is_that_of_keras_adam() -> None:
    start = [RNG.normal(size=shape).astype(np.float32) for shape in ((7, 5), (3,))]
    config = TrainingConfig(n_steps=20, learning_rate_decay="cosine", learning_rate=0.1)
    rate = keras.optimizers.schedules.CosineDecay(0.1, 20)
    states = []
    for optimizer in (build_optimizer(config), keras.optimizers.Adam(rate)):
        rng = np.random.default_rng(1)
        weights = [keras.Variable(value) for value in start]
        optimizer.build(weights)
        for _ in range(20):
            gradients = [
                keras.ops.convert_to_tensor(rng.normal(size=w.shape).astype(np.float32))
                for w in weights
            ]
            optimizer.apply_gradients(zip(gradients, weights, strict=True))
        states.append([v.numpy() for v in (*weights, *optimizer.variables)])
    for fused, plain in zip(*states, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("devices", [[], ["GPU:0"]])
def test_a_share_is_that_of_all_gradients_and_none_leaves_all_as_it_was(
    monkeypatch: pytest.MonkeyPatch, devices: list[str]
) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    config = TrainingConfig(n_steps=20, learning_rate=0.1)
    gradients = [np.array([[1.0, -2.0]], np.float32), np.array([3.0], np.float32)]
    broken = [np.array([[np.nan, 1.0]], np.float32), np.array([np.inf], np.float32)]
    states = []
    for shares in ((1.0, 0.25, 0.0, 1.0), (1.0, 0.25, 1.0)):
        optimizer = build_optimizer(config)
        weights = [keras.Variable(np.ones_like(g)) for g in gradients]
        optimizer.build(weights)

        @tf.function
        def apply(given: list[tf.Tensor], share: tf.Tensor) -> None:
            optimizer.apply_share(given, weights, share)  # noqa: B023 (traced at once)

        for share in shares:
            given = gradients if share > 0.0 else broken
            apply([*map(tf.constant, given)], tf.constant(share, tf.float64))
        states.append([v.numpy() for v in (*weights, *optimizer.variables)])
    plain = keras.optimizers.Adam(0.1)
    weights = [keras.Variable(np.ones_like(g)) for g in gradients]
    for share in (1.0, 0.25, 1.0):
        given = [tf.constant(share * g) for g in gradients]
        plain.apply_gradients(zip(given, weights, strict=True))
    states.append([v.numpy() for v in (*weights, *plain.variables)])
    for left_out, expected, of_keras in zip(*states, strict=True):
        np.testing.assert_array_equal(left_out, expected)
        np.testing.assert_allclose(expected, of_keras, rtol=1e-4)
