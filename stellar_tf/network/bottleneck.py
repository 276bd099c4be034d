"""The variational bottleneck as a Keras layer."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


@keras.saving.register_keras_serializable("stellar_tf")
class GaussianBottleneck(keras.layers.Layer):
    """
    Draw z from a diagonal normal posterior and state its divergence from the prior.

    From the posterior's mean and log variance to z, the mean unless training, and the
    divergence from the unit normal [nat], all of shape (batch, n_latent) and float32.

    The noise is stateless: its key is (seed, step), and an example has the noise of its
    row in the global batch. One replica or many therefore draw the same noise for the
    same example, and a restored ``step`` continues the sequence.

    Parameters
    ----------
    seed : int
        First half of the key.
    **kwargs
        Passed on to `keras.layers.Layer`.

    Examples
    --------
    >>> import tensorflow as tf
    >>> from stellar_tf.network.bottleneck import GaussianBottleneck
    >>> z_mean, z_log_var = tf.constant([[0.0, 2.0]]), tf.zeros((1, 2))
    >>> z, kl = GaussianBottleneck()((z_mean, z_log_var))
    >>> kl.numpy()  # half the square of the mean
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        self.step = self.add_weight(  # training steps
            name="step",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        z_mean, z_log_var = inputs
        posterior = tfd.Normal(z_mean, tf.exp(0.5 * z_log_var))
        prior = tfd.Normal(tf.zeros_like(z_mean), tf.ones_like(z_mean))
        kl = tfd.kl_divergence(posterior, prior)  # (batch, n_latent)
        if not training:
            return z_mean, kl
        noise = self._draw_noise(z_mean)
        self.step.assign_add(1)
        return posterior.loc + posterior.scale * noise, kl

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, Any]:
        return input_shape[0], input_shape[1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}

    def _draw_noise(self, z_mean: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        n_replicas = replica.num_replicas_in_sync
        n_local = tf.shape(z_mean)[0]
        # Every replica draws the (small) noise of the whole global batch and takes
        # its own rows: the only way that keeps a row tied to an example.
        noise = tf.random.stateless_normal(
            (n_replicas * n_local, z_mean.shape[1]),
            seed=tf.stack([tf.constant(self.seed), self.step.value]),
            # The default depends on the device.
            alg="philox",
        )
        first = tf.cast(replica.replica_id_in_sync_group, tf.int32) * n_local
        return noise[first : first + n_local]
