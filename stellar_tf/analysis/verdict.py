"""Which dimensions are informative, how many, and how sure that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from stellar_tf.analysis.information import Information
from stellar_tf.analysis.repeats import Repeats
from stellar_tf.analysis.stars import Estimate
from stellar_tf.analysis.two_sample import TwoSample
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


class Verdict(NamedTuple):
    """The informative dimensions and their number."""

    informative: NDArray[np.bool_]
    """Whether each dimension is, shape (n_latent,)."""
    n_informative: int
    """K: how many are."""
    n_low: int
    """Lower end of the interval of K."""
    n_high: int
    """Upper end of the interval of K."""

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
        reach, and the level of the interval of K.

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
