"""One step of training and of evaluation, under any strategy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.config import Config, ObjectiveConfig
from stellar_tf.network.model import build_autoencoder
from stellar_tf.training import losses, visits
from stellar_tf.training.gradient_limit import GradientLimit
from stellar_tf.training.optimizer import build_optimizer
from stellar_tf.training.steering import DivergenceWeight, Steering

Batch = Mapping[str, tf.Tensor]
"""``flux``, and ``error`` where pixels count by it: (batch, n_pixels); ``paired`` where
rows 2 i and 2 i + 1 can be visits of one star: (batch,)."""


class NotFiniteError(ArithmeticError):
    """The loss or a gradient is NaN or infinite; the message says which."""

    def __init__(self, message: str, objective: NDArray[np.float32]) -> None:
        super().__init__(message)
        self.objective = objective
        """What each spectrum of the batch adds, shape (batch_size,)."""


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


class _Gradients(NamedTuple):
    """Of one batch, not yet applied."""

    sums: Terms
    """Over the global batch."""
    norm: tf.Tensor
    """Length of the global batch's gradient over all weights."""
    gradients: list[tf.Tensor]
    """Of each trainable weight, by replica; their sum is the global batch's."""


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
        self.steering = Steering(config.objective, config.training.n_steps)
        """The divergence's weight."""
        self.gradient_limit = GradientLimit(config.training.max_gradient_ratio)
        """How long gradients may be."""
        self._find_gradients: dict[int, Callable[..., _Gradients]] = {}
        self._apply = tf.function(self._run_update)
        self._evaluate = tf.function(self._run_evaluation)

    def train_step(self, batch: Batch, step: int) -> dict[str, float]:
        """
        Make one update.

        Parameters
        ----------
        batch : dict of str to Tensor or PerReplica
            A global batch of `TrainingStream`.
        step : int
            Updates made before this one.

        Returns
        -------
        logs : dict
            ``loss`` in the objective's unit, ``flux_mae`` in normalised flux, ``kl``
            and ``total_correlation``, 0 unless it is penalised, in nats: means over
            the global batch, before the update.

        Raises
        ------
        NotFiniteError
            If the loss or a gradient is not finite; the weights are as before then.
        """
        coarse = coarse_scale_at(step, self.config.objective)
        if coarse not in self._find_gradients:
            self._find_gradients[coarse] = tf.function(
                partial(self._run_gradients, coarse=coarse),
                jit_compile=self.config.training.jit_compile or None,
            )
        weight = tf.constant(self.steering.weight_at(step))
        found = self._find_gradients[coarse](batch, weight)
        logs = _means(found.sums)
        norm = float(found.norm)
        if math.isfinite(logs["loss"]) and math.isfinite(norm):
            share = self.gradient_limit.find_share(step, norm)
            # Hardly any gradient is shortened, and to multiply all of it takes time.
            shortened = () if share == 1.0 else (tf.constant(share, tf.float32),)
            self._apply(found.gradients, *shortened)
            self.steering.follow(step, logs["kl"])
            return logs
        reason = "a gradient is NaN or infinite"
        if not math.isfinite(logs["loss"]):
            reason = f"the loss is {logs['loss']}"
        raise NotFiniteError(reason, self._objective_of(batch, weight, coarse))

    def _objective_of(
        self, batch: Batch, weight: tf.Tensor, coarse: int
    ) -> NDArray[np.float32]:
        """Return what each spectrum adds, with z at the posterior's mean."""

        def evaluate(batch: Batch) -> tf.Tensor:
            return self._terms(batch, weight, coarse, training=False).objective

        by_replica = self.strategy.run(tf.function(evaluate), (batch,))
        return np.asarray(self.strategy.gather(by_replica, axis=0))

    def evaluate(
        self, batches: tf.data.Dataset, before_each: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """
        Average the terms over a data set, with z at the posterior's mean.

        Parameters
        ----------
        batches : tf.data.Dataset
            Of `build_evaluation_dataset`.
        before_each : callable, optional
            Called before each batch; what it raises ends the evaluation.

        Returns
        -------
        logs : dict
            As of `train_step`, and ``active_dimensions``, which carry at least
            `min_information`, and ``kl_0``, ``kl_1``, ... in nats. The loss is taken
            at the final KL weight, so that epochs compare.
        """
        spectra = batches.map(
            lambda batch: {k: batch[k] for k in ("flux", "error") if k in batch}
        )
        total: Terms | None = None
        for batch in self.strategy.experimental_distribute_dataset(spectra):
            before_each()
            sums = self._evaluate(batch)
            total = sums if total is None else Terms(*map(tf.add, total, sums))
        if total is None:
            raise ValueError("batches must hold at least one spectrum")
        return {**_means(total), **self._describe_dimensions(total)}

    def _describe_dimensions(self, total: Terms) -> dict[str, float]:
        kl = np.asarray(total.kl) / float(total.n_spectra)
        least = self.config.analysis.min_information
        width = len(str(kl.size - 1))
        return {
            "active_dimensions": float((kl >= least).sum()),
            **{f"kl_{i:0{width}}": float(value) for i, value in enumerate(kl)},
        }

    def _run_gradients(
        self, batch: Batch, weight: tf.Tensor, *, coarse: int
    ) -> _Gradients:
        def differentiate(
            batch: Batch,
        ) -> tuple[Terms, list[tf.Tensor], tf.Tensor]:
            with tf.GradientTape() as tape:
                sums = _sum_spectra(self._terms(batch, weight, coarse, training=True))
                # Replicas' gradients are summed: dividing by the global batch
                # makes that the mean over it.
                loss = sums.objective / float(self.config.training.batch_size)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            return sums, gradients, tf.linalg.global_norm(_sum_gradients(gradients))

        sums, gradients, norm = self.strategy.run(differentiate, (batch,))
        norm = self.strategy.reduce(tf.distribute.ReduceOp.MEAN, norm, axis=None)
        return _Gradients(self._sum_replicas(sums), norm, gradients)

    def _run_update(
        self, gradients: list[tf.Tensor], share: tf.Tensor | None = None
    ) -> None:
        def update(gradients: list[tf.Tensor]) -> None:
            # An argument of a function has no device, by which workers are told apart.
            gradients = [
                tf.identity(gradient) if share is None else share * gradient
                for gradient in gradients
            ]
            variables = self.model.trainable_variables
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))

        self.strategy.run(update, (gradients,))

    def _run_evaluation(self, batch: Batch) -> Terms:
        def evaluate(batch: Batch) -> Terms:
            weight = tf.constant(DivergenceWeight(self.steering.final_beta, 0.0))
            return _sum_spectra(self._terms(batch, weight, 1, training=False))

        return self._sum_replicas(self.strategy.run(evaluate, (batch,)))

    def _terms(
        self, batch: Batch, weight: tf.Tensor, coarse: int, *, training: bool
    ) -> Terms:
        objective, flux = self.config.objective, batch["flux"]
        counted = None
        if "error" in batch:
            counted = losses.weigh_pixels(flux, batch["error"])
        if coarse > 1:
            flux = _coarsen(flux, coarse)
            counted = None if counted is None else _coarsen(counted, coarse)
        outputs, counted_kl = self._run_model(flux, batch.get("paired"), training)
        reconstruction = outputs["reconstruction"]
        if coarse > 1:
            reconstruction = _coarsen(reconstruction, coarse)
        error = losses.reconstruction_error(
            flux, reconstruction, objective.scales, counted
        )
        if objective.error == "likelihood":
            error = tf.math.log(error + losses.LEAST_ERROR)
        beta, idle = tf.unstack(weight)
        if training:
            counted_kl *= 1.0 + idle * _idleness(outputs["kl"])
        kl = losses.reduce_kl(counted_kl, objective.kl_reduction, objective.free_nats)
        dependence = tf.zeros_like(error)
        if objective.total_correlation > 0.0:
            dependence = _total_correlation(outputs)
        total = error + beta * kl + objective.total_correlation * dependence
        mae = losses.masked_absolute_error(flux, reconstruction)
        return Terms(mae, outputs["kl"], dependence, total, tf.ones_like(total))

    def _run_model(
        self, flux: tf.Tensor, paired: tf.Tensor | None, training: bool
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Return the network's outputs, and the divergence as far as it counts."""
        outputs = self.model(flux, training=training)
        if paired is None:
            return outputs, outputs["kl"]
        n_stellar = self.config.blocks.count("stellar")
        # The compiled step leaves out the reconstruction that is replaced.
        exchanged = visits.exchange_stellar(outputs["z"], paired, n_stellar)
        outputs["reconstruction"] = self.model.get_layer("decoder")(exchanged)
        return outputs, visits.count_stellar_once(outputs["kl"], paired, n_stellar)

    def _sum_replicas(self, sums: Terms) -> Terms:
        reduce = self.strategy.reduce
        return Terms(
            *(reduce(tf.distribute.ReduceOp.SUM, term, axis=None) for term in sums)
        )


def coarse_scale_at(step: int, config: ObjectiveConfig) -> int:
    """Pixels that input and target are averaged over at a step."""
    if not config.coarse_scales or step >= config.coarse_end:
        return 1
    return config.coarse_scales[step * len(config.coarse_scales) // config.coarse_end]


def _coarsen(flux: tf.Tensor, n_average: int) -> tf.Tensor:
    """Average neighbouring pixels, and keep their number."""
    averaged = tf.repeat(losses.average_pixels(flux, n_average), n_average, axis=-1)
    return averaged[:, : flux.shape[-1]]


def _total_correlation(outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """Estimate it from the posteriors on all replicas."""
    replica = tf.distribute.get_replica_context()
    everywhere = [
        replica.all_gather(outputs[name], axis=0) for name in ("z_mean", "z_log_var")
    ]
    return losses.total_correlation(outputs["z"], *everywhere)


def _sum_spectra(terms: Terms) -> Terms:
    return Terms(*(tf.reduce_sum(term, axis=0) for term in terms))


def _sum_gradients(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Sum each over the replicas."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return gradients
    total: list[tf.Tensor] = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    return total


def _idleness(kl: tf.Tensor) -> tf.Tensor:
    """Say of each dimension how little the global batch has in it, from 0 to 1."""
    replica = tf.distribute.get_replica_context()
    mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(kl, axis=0))
    return tf.stop_gradient(1.0 / (1.0 + mean**2))


def _means(sums: Terms) -> dict[str, float]:
    n_spectra = float(sums.n_spectra)
    return {
        "loss": float(sums.objective) / n_spectra,
        "flux_mae": float(sums.flux_mae) / n_spectra,
        "kl": float(tf.reduce_sum(sums.kl)) / n_spectra,
        "total_correlation": float(sums.total_correlation) / n_spectra,
    }
