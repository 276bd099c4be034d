"""One step of training and of evaluation, under any strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from stellar_tf.config import Config, ObjectiveConfig
from stellar_tf.network.model import build_autoencoder
from stellar_tf.training import losses, visits
from stellar_tf.training.gradient_limit import GradientLimit
from stellar_tf.training.optimizer import build_optimizer
from stellar_tf.training.steering import Steering
from stellar_tf.training.step_results import EXACT, Controls, Step, Terms, average

Batch = Mapping[str, tf.Tensor]
"""``flux``, and ``error`` where pixels count by it: (batch, n_pixels); ``paired`` where
rows 2 i and 2 i + 1 can be visits of one star: (batch,)."""


class _Gradients(NamedTuple):
    """Of one batch, not yet applied."""

    sums: Terms
    """Over the global batch."""
    norm: tf.Tensor
    """Length of the global batch's gradient over all weights."""
    gradients: list[tf.Tensor]
    """Of each trainable weight, by replica; their sum is the global batch's."""
    objective: tf.Tensor
    """What each spectrum of the global batch adds."""


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
        self.controls = Controls()
        """All there is to restore beside the variables."""
        self._limit = GradientLimit(config.training.max_gradient_ratio)
        self._steps: dict[int, Callable[..., tuple[Step, Controls]]] = {}
        # AutoGraph would take time to find that there is nothing to convert.
        self._evaluate = tf.function(self._run_evaluation, autograph=False)

    def train_step(self, batch: Batch, step: int) -> Step:
        """
        Make one update, without waiting for it.

        Parameters
        ----------
        batch : dict of str to Tensor or PerReplica
            A global batch of `TrainingStream`.
        step : int
            Updates made before this one.

        Returns
        -------
        made : Step
            For `read_steps`. If the loss or a gradient is not finite, weights,
            moments and `controls` are as before.
        """
        coarse = coarse_scale_at(step, self.config.objective)
        if coarse not in self._steps:
            self._steps[coarse] = self._build_step(coarse)
        controls = Controls(*(tf.convert_to_tensor(c, EXACT) for c in self.controls))
        made, self.controls = self._steps[coarse](
            batch, tf.constant(step, EXACT), controls
        )
        return made

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
            As of `StepNumbers.terms`, and ``active_dimensions``, which carry at least
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
        means = {name: float(mean) for name, mean in average(total).items()}
        return {**means, **self._describe_dimensions(total)}

    def _describe_dimensions(self, total: Terms) -> dict[str, float]:
        kl = np.asarray(total.kl) / float(total.n_spectra)
        least = self.config.analysis.min_information
        width = len(str(kl.size - 1))
        return {
            "active_dimensions": float((kl >= least).sum()),
            **{f"kl_{i:0{width}}": float(value) for i, value in enumerate(kl)},
        }

    def _build_step(self, coarse: int) -> Callable[..., tuple[Step, Controls]]:
        """Compile a step at one coarseness."""
        find_gradients = tf.function(
            partial(self._run_gradients, coarse=coarse),
            autograph=False,
            jit_compile=self.config.training.jit_compile or None,
        )
        made: Callable[..., tuple[Step, Controls]] = tf.function(
            partial(self._make_step, find_gradients), autograph=False
        )
        return made

    def _make_step(
        self,
        find_gradients: Callable[..., _Gradients],
        batch: Batch,
        step: tf.Tensor,
        before: Controls,
    ) -> tuple[Step, Controls]:
        weight = self.steering.weight_at(step, before.level)
        found = find_gradients(batch, tf.cast(tf.stack(weight), tf.float32))
        means, norm = average(found.sums), tf.cast(found.norm, EXACT)
        is_finite = tf.math.is_finite(means["loss"]) & tf.math.is_finite(norm)
        share, mean = self._limit.find_share(step, norm, before.gradient_mean)
        level = self.steering.follow(step, before.level, means["kl"])
        after = Controls(
            tf.where(is_finite, level, before.level),
            tf.where(is_finite, mean, before.gradient_mean),
        )
        self._update(found.gradients, tf.where(is_finite, share, 0.0))
        return Step(tf.stack([*means.values(), norm, *after]), found.objective), after

    def _run_gradients(
        self, batch: Batch, weight: tf.Tensor, *, coarse: int
    ) -> _Gradients:
        def differentiate(
            batch: Batch,
        ) -> tuple[Terms, list[tf.Tensor], tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                terms = self._terms(batch, weight, coarse, training=True)
                sums = _sum_spectra(terms)
                # Replicas' gradients are summed: dividing by the global batch
                # makes that the mean over it.
                loss = sums.objective / float(self.config.training.batch_size)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            norm = tf.linalg.global_norm(_sum_gradients(gradients))
            return sums, gradients, norm, _gather(terms.objective)

        sums, gradients, norm, gathered = self.strategy.run(differentiate, (batch,))
        objective = self.strategy.experimental_local_results(gathered)[0]
        norm = self.strategy.reduce(tf.distribute.ReduceOp.MEAN, norm, axis=None)
        return _Gradients(self._sum_replicas(sums), norm, gradients, objective)

    def _update(self, gradients: list[tf.Tensor], share: tf.Tensor) -> None:
        def update(gradients: list[tf.Tensor]) -> None:
            variables = self.model.trainable_variables
            self.optimizer.apply_share(gradients, variables, share)

        self.strategy.run(update, (gradients,))

    def _run_evaluation(self, batch: Batch) -> Terms:
        def evaluate(batch: Batch) -> Terms:
            weight = tf.constant([self.steering.final_beta, 0.0])
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
    everywhere = [_gather(outputs[name]) for name in ("z_mean", "z_log_var")]
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


def _gather(values: tf.Tensor) -> tf.Tensor:
    """Return those of all replicas."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return values
    return replica.all_gather(values, axis=0)


def _idleness(kl: tf.Tensor) -> tf.Tensor:
    """Say of each dimension how little the global batch has in it, from 0 to 1."""
    replica = tf.distribute.get_replica_context()
    mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(kl, axis=0))
    return tf.stop_gradient(1.0 / (1.0 + mean**2))
