"""Which dimensions are informative, how many, and how sure that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from stellar_tf.analysis.evidence.dispersion import median_absolute_deviation
from stellar_tf.analysis.evidence.information import Information, measure_information
from stellar_tf.analysis.evidence.pulls import Pulls, measure_pulls
from stellar_tf.analysis.evidence.repeats import Repeats, compare_visits
from stellar_tf.analysis.evidence.two_sample import TwoSample, compare_posteriors
from stellar_tf.analysis.latents import Codes
from stellar_tf.analysis.statistics import Estimate
from stellar_tf.config import AnalysisConfig


class Evidence(NamedTuple):
    """What each method says about each dimension."""

    dispersion: Estimate
    """Median absolute deviation of the means, as in the paper."""
    test: TwoSample
    """Whether the dimension depends on the input at all."""
    information: Information
    """How much it carries."""
    repeats: Repeats
    """Whether it describes the star or the observation."""
    pulls: Pulls
    """Whether posteriors are as wide as visits scatter."""


def gather_evidence(
    stars: Codes, visits: Codes, config: AnalysisConfig, rng: np.random.Generator
) -> Evidence:
    """
    Apply every method that needs no labels.

    Parameters
    ----------
    stars : Codes
        One spectrum per star.
    visits : Codes
        All spectra of these stars.
    config : AnalysisConfig
        Levels and sizes.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    evidence : Evidence
        What each method says about each dimension.
    """
    streams = rng.spawn(5)
    n_resamples, confidence = config.n_resamples, config.confidence
    return Evidence(
        median_absolute_deviation(
            stars.z_mean,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[0],
        ),
        compare_posteriors(
            stars.z_mean, stars.z_log_var, n_draws=config.n_draws, rng=streams[1]
        ),
        measure_information(
            stars.z_mean,
            stars.z_log_var,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[2],
        ),
        compare_visits(
            visits.z_mean,
            visits.star,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[3],
        ),
        measure_pulls(
            visits.z_mean,
            visits.z_log_var,
            visits.star,
            n_resamples=n_resamples,
            confidence=confidence,
            rng=streams[4],
        ),
    )


class Verdict(NamedTuple):
    """The informative dimensions and their number."""

    informative: NDArray[np.bool_]
    """Whether each dimension is, shape (n_latent,)."""
    n_informative: int
    """How many are."""
    n_low: int
    """Lower end of the interval of `n_informative`."""
    n_high: int
    """Upper end of the interval of `n_informative`."""

    @property
    def dimensions(self) -> NDArray[np.intp]:
        """Indices of the informative dimensions, ascending."""
        return np.flatnonzero(self.informative)


def decide(evidence: Evidence, config: AnalysisConfig) -> Verdict:
    """
    Call dimensions informative that are both significant and worth the name.

    Parameters
    ----------
    evidence : Evidence
        Of all methods; the test and the information decide.
    config : AnalysisConfig
        `fdr` of the test, `min_information` that the lower end of the interval must
        reach, and the level of the interval.

    Returns
    -------
    verdict : Verdict
        The dimensions, and their number with an interval.

    Notes
    -----
    The interval is of the number of dimensions that truly carry `min_information`:
    it counts those whose simultaneous interval (normal, Bonferroni over the
    dimensions, standard errors by resampling stars) lies above the floor, and those
    whose interval reaches it.
    """
    information = evidence.information
    rejected = evidence.test.q_value <= config.fdr
    informative = rejected & (information.low >= config.min_information)
    n_latent = informative.size
    quantile = ndtri(1.0 - 0.5 * (1.0 - config.confidence) / n_latent)
    half = quantile * information.standard_error
    surely = rejected & (information.value - half >= config.min_information)
    possibly = information.value + half >= config.min_information
    n_informative = int(informative.sum())
    return Verdict(
        informative=informative,
        n_informative=n_informative,
        n_low=min(int(surely.sum()), n_informative),
        n_high=max(int(possibly.sum()), n_informative),
    )
