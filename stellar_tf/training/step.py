"""One step of training and of evaluation, under any strategy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from stellar_tf.config import Config, ObjectiveConfig
from stellar_tf.network.model import build_autoencoder
from stellar_tf.training import losses
from stellar_tf.training.optimizer import build_optimizer


class NotFiniteError(ArithmeticError):
    """The loss or a gradient is NaN or infinite; the message says which."""


class TermSums(NamedTuple):
    """Sums over spectra of the terms of the objective."""

    flux_mae: tf.Tensor
    """Absolute error, in normalised flux."""
    kl: tf.Tensor
    """Divergence of each dimension, shape (n_latent,), in nats."""
    total_correlation: tf.Tensor
    """Dependence of the dimensions on each other, in nats."""
    objective: tf.Tensor
    """What is minimised, in normalised flux."""
    n_spectra: tf.Tensor
    """Spectra summed over."""


class Trainer:
    """
    Model, optimiser and the compiled steps under one strategy.

    Parameters
    ----------
    config : Config
        The settings.
    strategy : tf.distribute.Strategy
        Where the replicas live.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy) -> None:
        self.config = config
        self.strategy = strategy
        with strategy.scope():
            self.model = build_autoencoder(config)
            self.optimizer = build_optimizer(config.training)
            self.optimizer.build(self.model.trainable_variables)
        self._train_steps: dict[int, Callable[..., tuple[TermSums, tf.Tensor]]] = {}
        self._evaluate = tf.function(self._run_evaluation)

    def set_reference(self, mean: tf.Tensor) -> None:
        """
        Give the network the spectrum it works relative to.

        Parameters
        ----------
        mean : array_like of float32, shape (padded_length,)
            Normalised flux.
        """
        encoder, decoder = (self.model.get_layer(n) for n in ("encoder", "decoder"))
        encoder.get_layer("standardise").reference.assign(mean)
        reference = decoder.get_layer("destandardise").reference
        n_average = mean.shape[0] // reference.shape[0]
        reference.assign(losses.average_pixels(mean[tf.newaxis], n_average)[0])

    def train_step(self, flux: tf.Tensor, step: int) -> dict[str, float]:
        """
        Make one update.

        Parameters
        ----------
        flux : Tensor or PerReplica, shape (batch_size, padded_length)
            A global batch.
        step : int
            Updates made before this one.

        Returns
        -------
        logs : dict
            ``loss`` and ``flux_mae`` in normalised flux, ``kl`` and
            ``total_correlation``, 0 unless it is penalised, in nats: means over the
            global batch, before the update.

        Raises
        ------
        NotFiniteError
            If the loss or a gradient is not finite; the weights are spoilt then.
        """
        coarse = coarse_scale_at(step, self.config.objective)
        if coarse not in self._train_steps:
            self._train_steps[coarse] = tf.function(
                partial(self._run_training, coarse=coarse),
                jit_compile=self.config.training.jit_compile or None,
            )
        beta = losses.kl_weight_at(step, self.config.objective.kl_weights)
        sums, gradients_are_finite = self._train_steps[coarse](flux, tf.constant(beta))
        logs = _means(sums)
        if not math.isfinite(logs["loss"]):
            raise NotFiniteError(f"the loss is {logs['loss']}")
        if not gradients_are_finite:
            raise NotFiniteError("a gradient is NaN or infinite")
        return logs

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """
        Average the terms over a data set, with z at the posterior's mean.

        Parameters
        ----------
        batches : tf.data.Dataset
            Of `build_evaluation_dataset`.

        Returns
        -------
        logs : dict
            As of `train_step`, and ``active_dimensions``, which carry at least
            `min_information`, and ``kl_0``, ``kl_1``, ... in nats. The loss is taken
            at the final KL weight, so that epochs compare.
        """
        flux = batches.map(lambda batch: batch["flux"])
        total: TermSums | None = None
        for batch in self.strategy.experimental_distribute_dataset(flux):
            sums = self._evaluate(batch)
            total = sums if total is None else TermSums(*map(tf.add, total, sums))
        if total is None:
            raise ValueError("batches must hold at least one spectrum")
        return {**_means(total), **self._describe_dimensions(total)}

    def _describe_dimensions(self, total: TermSums) -> dict[str, float]:
        kl = np.asarray(total.kl) / float(total.n_spectra)
        least = self.config.analysis.min_information
        width = len(str(kl.size - 1))
        return {
            "active_dimensions": float((kl >= least).sum()),
            **{f"kl_{i:0{width}}": float(value) for i, value in enumerate(kl)},
        }

    def _run_training(
        self, flux: tf.Tensor, beta: tf.Tensor, *, coarse: int
    ) -> tuple[TermSums, tf.Tensor]:
        def update(flux: tf.Tensor) -> tuple[TermSums, tf.Tensor]:
            with tf.GradientTape() as tape:
                sums = self._terms(flux, beta, coarse, training=True)
                # Replicas' gradients are summed: dividing by the global batch
                # makes that the mean over it.
                loss = sums.objective / float(self.config.training.batch_size)
            variables = self.model.trainable_variables
            gradients = self._clip(tape.gradient(loss, variables))
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            # One sum over all says whether any is not finite.
            total = tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])
            return sums, tf.cast(tf.math.is_finite(total), tf.float32)

        sums, finite = self.strategy.run(update, (flux,))
        n_finite = self.strategy.reduce(tf.distribute.ReduceOp.SUM, finite, axis=None)
        all_finite = n_finite >= float(self.strategy.num_replicas_in_sync)
        return self._sum_replicas(sums), all_finite

    def _clip(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        max_norm = self.config.training.max_gradient_norm
        if max_norm is None:
            return gradients
        # The optimiser sums over replicas, and it is that sum which must be short.
        replica = tf.distribute.get_replica_context()
        total = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        limited, _ = tf.clip_by_global_norm(total, max_norm)
        return [gradient / replica.num_replicas_in_sync for gradient in limited]

    def _run_evaluation(self, flux: tf.Tensor) -> TermSums:
        def evaluate(flux: tf.Tensor) -> TermSums:
            beta = tf.constant(self.config.objective.final_kl_weight)
            return self._terms(flux, beta, 1, training=False)

        return self._sum_replicas(self.strategy.run(evaluate, (flux,)))

    def _terms(
        self, flux: tf.Tensor, beta: tf.Tensor, coarse: int, *, training: bool
    ) -> TermSums:
        objective = self.config.objective
        if coarse > 1:
            flux = _coarsen(flux, coarse)
        outputs = self.model(flux, training=training)
        reconstruction = outputs["reconstruction"]
        if coarse > 1:
            reconstruction = _coarsen(reconstruction, coarse)
        error = losses.reconstruction_error(flux, reconstruction, objective.scales)
        kl = losses.reduce_kl(
            outputs["kl"], objective.kl_reduction, objective.free_nats
        )
        dependence = tf.zeros_like(error)
        if objective.total_correlation > 0.0:
            dependence = _total_correlation(outputs)
        total = error + beta * kl + objective.total_correlation * dependence
        return TermSums(
            tf.reduce_sum(losses.masked_absolute_error(flux, reconstruction)),
            tf.reduce_sum(outputs["kl"], axis=0),
            tf.reduce_sum(dependence),
            tf.reduce_sum(total),
            tf.cast(tf.shape(flux)[0], tf.float32),
        )

    def _sum_replicas(self, sums: TermSums) -> TermSums:
        reduce = self.strategy.reduce
        return TermSums(
            *(reduce(tf.distribute.ReduceOp.SUM, term, axis=None) for term in sums)
        )


def coarse_scale_at(step: int, config: ObjectiveConfig) -> int:
    """Pixels that input and target are averaged over at a step."""
    if not config.coarse_scales or step >= config.coarse_end:
        return 1
    return config.coarse_scales[step * len(config.coarse_scales) // config.coarse_end]


def _coarsen(flux: tf.Tensor, n_average: int) -> tf.Tensor:
    return tf.repeat(losses.average_pixels(flux, n_average), n_average, axis=-1)


def _total_correlation(outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """Estimate it from the posteriors on all replicas."""
    replica = tf.distribute.get_replica_context()
    everywhere = [
        replica.all_gather(outputs[name], axis=0) for name in ("z_mean", "z_log_var")
    ]
    return losses.total_correlation(outputs["z"], *everywhere)


def _means(sums: TermSums) -> dict[str, float]:
    n_spectra = float(sums.n_spectra)
    return {
        "loss": float(sums.objective) / n_spectra,
        "flux_mae": float(sums.flux_mae) / n_spectra,
        "kl": float(tf.reduce_sum(sums.kl)) / n_spectra,
        "total_correlation": float(sums.total_correlation) / n_spectra,
    }
