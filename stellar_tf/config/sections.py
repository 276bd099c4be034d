"""The sections of the settings, and all of them together."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from stellar_tf.config.simulation import SimulateConfig
from tfrecords_tools.config import AutoOrNo, ConvertConfig, Count, Section
from tfrecords_tools.grid import Grid
from tfrecords_tools.split import SPLITS, Split

Normalisation = Literal["masked", "paper", "continuum"]
"""What spectra are divided by."""


class DatasetConfig(Section):
    """How records become batches."""

    normalise: Normalisation = "masked"
    """By the median over valid pixels, by that over all with invalid ones counted as
    zero, or by the continuum."""
    balance_stars: bool = False
    """Draw training spectra with weight 1 / (spectra of that star)."""
    one_per_star_validation: bool = False
    """Validate on one spectrum of each star, the same throughout a run."""
    max_velocity_shift: float = Field(default=0.0, ge=0.0)
    """Training spectra are shifted by a velocity drawn evenly up to this either way:
    velocity whitening [km/s]."""
    noise: float = Field(default=0.0, ge=0.0)
    """Standard deviation of normal noise added to training spectra, in medians."""
    n_parallel_reads: int = Field(default=4, ge=1)
    """Batches of training spectra read at the same time."""


class StridedConfig(Section):
    """The paper's convolutional stages."""

    channels: tuple[Count, ...] = (
        16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 256, 512, 512,
    )  # fmt: skip
    """Output channels of the encoder's convolutions; all but the last have stride 2."""
    kernels: tuple[Count, ...] = (7, 5, 5, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3)
    """Pixels that each of them sees."""

    @model_validator(mode="after")
    def _same_length(self) -> StridedConfig:
        if len(self.channels) != len(self.kernels):
            raise ValueError(
                "kernels must have as many entries as channels, "
                f"got {len(self.kernels)} and {len(self.channels)}"
            )
        return self


class FoldedConfig(Section):
    """A network of dense products: pixels are folded into channels."""

    encoder_binning: int = Field(default=1, ge=1)
    """Pixels averaged before the first fold."""
    folds: tuple[Count, ...] = (32, 4, 4, 4)
    """Neighbours that become channels, stage by stage of the encoder."""
    channels: tuple[Count, ...] = (64, 64, 128, 128)
    """Output channels of the convolution after each fold."""
    kernels: tuple[Count, ...] = (5, 1, 1, 1)
    """Positions, after the fold, that each convolution sees."""
    dense: tuple[Count, ...] = (256, 256)
    """Units of the layers between the last fold and the latent code, and back. What
    goes into them also leads past them."""
    n_basis: tuple[Count, ...] = (128,)
    """Spectra of which the decoder makes sums, weighted by functions of the code: one
    sum per entry, each displaced on its own."""
    n_displacement: int = Field(default=3, ge=0)
    """Coefficients of the polynomial in wavelength by which the decoder displaces
    each sum; 0 leaves them in place."""
    decoder_binning: int = Field(default=1, ge=1)
    """Pixels per value of those spectra; they are interpolated in between."""
    displacement_scale: float = Field(default=50.0, gt=0.0)
    """Displacement by a coefficient of 1 [pixel]."""
    spline_order: Literal[1, 3] = 1
    """Of the B-splines that displaced spectra are made of: linear, or cubic, by which
    velocities are more precise."""
    smooth_decoder: bool = False
    """Let the decoder's layers bend where LeakyReLU has a corner, so that labels are
    smooth functions of the code."""

    @model_validator(mode="after")
    def _same_length(self) -> FoldedConfig:
        for name, n in (
            ("channels", len(self.channels)),
            ("kernels", len(self.kernels)),
        ):
            if n != len(self.folds):
                raise ValueError(
                    f"{name} must have as many entries as folds, "
                    f"got {n} and {len(self.folds)}"
                )
        if not self.n_basis:
            raise ValueError(f"n_basis must be one or more counts, got {self.n_basis}")
        return self


class ModelConfig(Section):
    """The network."""

    architecture: Literal["strided", "folded"] = "folded"
    """The paper's, or ours."""
    n_latent: int = Field(default=128, ge=1)
    """Latent dimensions."""
    negative_slope: float = Field(default=0.1, ge=0.0)
    """Slope of LeakyReLU below zero."""
    strided: StridedConfig = StridedConfig()
    folded: FoldedConfig = FoldedConfig()
    subtract_mean: bool = True
    """Work on the difference from the training set's mean spectrum, in units of what
    spectra differ from it by."""

    @property
    def length_multiple(self) -> int:
        """The network works on a multiple of so many pixels."""
        if self.architecture == "strided":
            return 1 << (len(self.strided.channels) - 1)
        folded = self.folded
        encoder = folded.encoder_binning * math.prod(folded.folds)
        return math.lcm(encoder, folded.decoder_binning)

    def padding(self, n_pixels: int) -> tuple[int, int]:
        """
        Say how the network pads spectra.

        Parameters
        ----------
        n_pixels : int
            Of the grid.

        Returns
        -------
        padding : tuple of int
            Pixels before and after the spectrum.
        """
        beyond = -n_pixels % self.length_multiple
        return beyond // 2, beyond - beyond // 2


class ObjectiveConfig(Section):
    """The terms of the loss and their schedules, in training steps."""

    error: Literal["absolute", "likelihood"] = "absolute"
    """The mean absolute error in normalised flux, or its logarithm: the likelihood of
    the mean pixel under a Laplace distribution as wide as each spectrum needs [nat]."""
    weight_by_errors: AutoOrNo = "no"
    """Whether pixels count by the inverse of their errors: ``auto`` where records hold
    errors."""
    kl_weights: tuple[tuple[int, float], ...] = (
        (0, 0.0),
        (5_000, 0.0),
        (20_000, 0.3),
    )
    """Pairs of step and weight of the KL divergence, in units of the error per nat;
    linear in between, constant after the last. Without any it is steered."""
    kl_capacity: float = Field(default=20.0, gt=0.0)
    """Divergence that the steered weight lets in, more and more of it over the run
    [nat]."""
    kl_unit: float = Field(default=1.0e-3, gt=0.0)
    """Unit of the steered weight: what noise alone would explain."""
    kl_reduction: Literal["mean", "sum"] = "mean"
    """Over the latent dimensions; the paper takes the mean."""
    free_nats: float = Field(default=0.0, ge=0.0)
    """Divergence that each dimension of each spectrum may have for nothing [nat]."""
    total_correlation: float = Field(default=0.0, ge=0.0)
    """Weight of the dimensions' dependence on each other, in normalised flux per
    nat."""
    visits: int = Field(default=0, ge=0)
    """Training on visits: the last so many dimensions are each spectrum's own, the
    others are made to agree between two visits of a star; 0 is without."""
    scales: tuple[Count, ...] = (1,)
    """Errors are also taken on spectra averaged over this many pixels."""
    coarse_scales: tuple[Count, ...] = ()
    """Averaging of input and target, stage by stage, before full resolution."""
    coarse_end: int = Field(default=0, ge=0)
    """Step at which full resolution begins; the stages before it are equally long."""

    @model_validator(mode="after")
    def _ordered(self) -> ObjectiveConfig:
        steps = [step for step, _ in self.kl_weights]
        if steps and (steps[0] != 0 or sorted(set(steps)) != steps):
            raise ValueError(f"kl_weights must rise in step from 0, got {steps}")
        if any(weight < 0.0 for _, weight in self.kl_weights):
            raise ValueError("kl_weights must not be negative")
        if self.coarse_scales and self.coarse_end < len(self.coarse_scales):
            raise ValueError(
                f"coarse_end must leave each of the {len(self.coarse_scales)} "
                f"coarse_scales a step, got {self.coarse_end}"
            )
        return self


class TrainingConfig(Section):
    """The optimisation."""

    n_steps: int = Field(default=1_500_000, ge=1)
    """Batches until the end."""
    batch_size: int = Field(default=32, ge=1)
    """Global batch: over all replicas together."""
    learning_rate: float = Field(default=1.0e-4, gt=0.0)
    """Of Adam, at its highest."""
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the steps in which it rises to that from zero."""
    learning_rate_decay: Literal["none", "cosine"] = "none"
    """Whether it stays, or falls to zero at the last step as a cosine does."""
    max_gradient_ratio: float | None = Field(default=None, gt=1.0)
    """Gradients, over all weights together, that are longer than their running mean by
    this factor are shortened to that."""
    seed: int = Field(default=0, ge=0)
    """Of the initial weights, the order of the spectra and the bottleneck's noise."""
    mixed_precision: bool = False
    """Multiply in bfloat16, with weights, code and loss in float32."""
    jit_compile: bool = False
    """Compile the training step by XLA, which draws other noise; on one device only."""
    deterministic: bool = False
    """Have TensorFlow use operations that give the same bits in every run."""
    steps_per_epoch: int = Field(default=1_000, ge=1)
    """Steps between validations and rows of the history."""
    epochs_per_image: int = Field(default=10, ge=0)
    """Epochs between TensorBoard's pictures of reconstructions and traversals; 0 has
    none."""
    checkpoint_steps: int | None = Field(default=1_000, ge=1)
    """Steps between checkpoints, if not fewer by the minutes."""
    checkpoint_minutes: float | None = Field(default=15.0, gt=0.0)
    """Minutes between checkpoints, if not fewer by the steps."""
    n_devices: int | None = Field(default=None, ge=1)
    """Replicas of the mirrored strategy; on a machine without GPUs, logical CPUs."""


class InferenceConfig(Section):
    """How a trained network encodes."""

    n_steps: int = Field(default=0, ge=0)
    """Most Gauss-Newton steps from the encoder's code to the most likely one, where the
    likelihood's curvature is the width; with 0 the posterior is the encoder's."""


class AnalysisConfig(Section):
    """Levels and sizes of the statistics."""

    splits: tuple[Split, ...] = SPLITS
    """Splits whose stars the statistics use."""
    fdr: float = Field(default=0.05, gt=0.0, lt=1.0)
    """False discovery rate of the verdict and of the table of labels."""
    min_information: float = Field(default=0.05, ge=0.0)
    """Nats a dimension must carry at least, and add to others to be counted."""
    min_dispersion: float = Field(default=0.02, ge=0.0)
    """The paper's threshold on the MAD of the mean, for comparison only."""
    confidence: float = Field(default=0.95, gt=0.0, lt=1.0)
    """Level of every interval."""
    n_resamples: int = Field(default=200, ge=20)
    """Resamplings of the stars behind each interval."""
    n_draws: int = Field(default=60_000, ge=1)
    """Posterior draws per dimension behind the Kolmogorov-Smirnov test, about."""
    n_subsamples: int = Field(default=50, ge=20)
    """Subsamples of the stars behind each interval of the mutual information."""
    n_permutations: int = Field(default=10_000, ge=20)
    """Permutations behind each null of the mutual information."""
    n_neighbours: int = Field(default=3, ge=1, le=10)
    """k of the KSG estimator."""
    n_local_permutations: int = Field(default=200, ge=20)
    """Permutations behind each null of the conditional mutual information."""
    labels: tuple[str, ...] = ()
    """Label columns to relate to; empty: every one that may be."""
    conditions: tuple[str, ...] = ()
    """Labels that the conditional mutual information is given; empty: the one that
    the dimension tracks."""
    n_traversal: int = Field(default=7, ge=3)
    """Positions along a traversed dimension."""
    seed: int = Field(default=0, ge=0)
    """Of all that the statistics draw."""


class Config(Section):
    """Everything that decides a result; written into each run folder."""

    grid: Grid = Grid()
    convert: ConvertConfig = ConvertConfig()
    simulate: SimulateConfig = SimulateConfig()
    dataset: DatasetConfig = DatasetConfig()
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    analysis: AnalysisConfig = AnalysisConfig()

    @model_validator(mode="after")
    def _leave_the_star_some(self) -> Config:
        n_visit, n_latent = self.objective.visits, self.model.n_latent
        if n_visit >= n_latent:
            raise ValueError(
                f"objective.visits must leave the star some of the {n_latent} "
                f"dimensions of model.n_latent, got {n_visit}"
            )
        return self

    @property
    def blocks(self) -> tuple[str, ...]:
        """``stellar`` or ``observational`` for each dimension; none without visits."""
        n_visit = self.objective.visits
        if not n_visit:
            return ()
        n_stellar = self.model.n_latent - n_visit
        return ("stellar",) * n_stellar + ("observational",) * n_visit
