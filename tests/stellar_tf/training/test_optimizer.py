from __future__ import annotations

import keras
import numpy as np

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
