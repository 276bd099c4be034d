from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from stellar_tf.network.bottleneck import GaussianBottleneck

RNG = np.random.default_rng(0)


def posterior(n: int = 5, n_latent: int = 3) -> tuple[tf.Tensor, tf.Tensor]:
    z_mean = RNG.normal(size=(n, n_latent)).astype(np.float32)
    z_log_var = RNG.normal(size=(n, n_latent)).astype(np.float32)
    return tf.constant(z_mean), tf.constant(z_log_var)


def test_kl_is_the_closed_form() -> None:
    z_mean, z_log_var = posterior()
    _, kl = GaussianBottleneck()((z_mean, z_log_var))
    # Kingma & Welling 2014, appendix B.
    expected = 0.5 * (np.exp(z_log_var) + np.square(z_mean) - 1.0 - z_log_var)
    np.testing.assert_allclose(kl, expected, rtol=1e-5, atol=1e-6)


def test_the_mean_is_taken_outside_training() -> None:
    z_mean, z_log_var = posterior()
    layer = GaussianBottleneck()
    z, _ = layer((z_mean, z_log_var))
    np.testing.assert_array_equal(z, z_mean)
    assert layer.step.numpy() == 0


def test_samples_follow_the_posterior() -> None:
    z_mean = tf.constant([[1.5, -2.0]]) * tf.ones((4_000, 1))
    z_log_var = tf.math.log(tf.constant([[0.25, 4.0]])) * tf.ones((4_000, 1))
    z, _ = GaussianBottleneck(1)((z_mean, z_log_var), training=True)
    # Standard errors: 0.5 / sqrt(4000) = 0.008 and 0.032.
    np.testing.assert_allclose(np.mean(z, axis=0), [1.5, -2.0], atol=0.15)
    np.testing.assert_allclose(np.std(z, axis=0), [0.5, 2.0], rtol=0.06)


def test_noise_depends_on_seed_and_step_alone() -> None:
    inputs = posterior()
    layer = GaussianBottleneck(7)
    first, second = (layer(inputs, training=True)[0].numpy() for _ in range(2))
    assert not np.allclose(first, second)
    again = GaussianBottleneck(7)
    again.build([(None, 3)] * 2)
    again.step.assign(1)
    np.testing.assert_array_equal(again(inputs, training=True)[0], second)
    other = GaussianBottleneck(8)
    assert not np.allclose(other(inputs, training=True)[0], first)


def test_replicas_draw_the_noise_of_the_global_batch() -> None:
    z_mean, z_log_var = tf.zeros((6, 3)), tf.zeros((6, 3))
    single = GaussianBottleneck(5)((z_mean, z_log_var), training=True)[0].numpy()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = GaussianBottleneck(5)
        layer.build([(None, 3)] * 2)
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: z_mean[:3]
    )

    @tf.function
    def draw(half: tf.Tensor) -> tf.Tensor:
        return strategy.run(layer, ((half, half),), {"training": True})[0]

    drawn = np.concatenate(strategy.experimental_local_results(draw(halves)))
    np.testing.assert_array_equal(drawn, single)
    assert layer.step.numpy() == 1


def test_step_is_saved(tmp_path: Path) -> None:
    inputs = [keras.Input((3,)), keras.Input((3,))]
    model = keras.Model(inputs, GaussianBottleneck(2, name="b")(tuple(inputs)))
    values = [tf.zeros((2, 3))] * 2
    model(values, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded(values, training=True)[0], model(values, training=True)[0]
    )
