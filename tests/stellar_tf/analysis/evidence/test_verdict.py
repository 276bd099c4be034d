from __future__ import annotations

import numpy as np

from stellar_tf.analysis.evidence.information import Information
from stellar_tf.analysis.evidence.pulls import Pulls
from stellar_tf.analysis.evidence.repeats import Repeats
from stellar_tf.analysis.evidence.two_sample import TwoSample
from stellar_tf.analysis.evidence.verdict import Evidence, Verdict, decide
from stellar_tf.analysis.statistics import Estimate
from stellar_tf.config import AnalysisConfig


def verdict_of(q_value: list[float], value: list[float], error: list[float]) -> Verdict:
    q, i, e = (np.array(column) for column in (q_value, value, error))
    any_estimate = Estimate(i, i, i)
    evidence = Evidence(
        any_estimate,
        TwoSample(q, q, q, 100, 50),
        Information(i, np.maximum(i - 2 * e, 0.0), i + 2 * e, e, i),
        Repeats(any_estimate, np.full(q.size, "stellar"), 100, 200),
        Pulls(any_estimate, any_estimate, any_estimate, 100),
    )
    return decide(evidence, AnalysisConfig())


def test_needs_significance_and_information() -> None:
    verdict = verdict_of([0.001, 0.001, 0.5], [0.5, 0.01, 0.5], [0.01, 0.001, 0.01])
    assert list(verdict.informative) == [True, False, False]
    assert list(verdict.dimensions) == [0]
    # The third carries enough but was not found: it may be informative.
    assert (verdict.n_low, verdict.n_informative, verdict.n_high) == (1, 1, 2)


def test_interval_counts_the_doubtful() -> None:
    # Floor 0.05: clearly above, above by 2.2 errors, just below, clearly below.
    verdict = verdict_of([0.0] * 4, [0.5, 0.072, 0.045, 0.001], [0.01] * 3 + [0.0001])
    assert (verdict.n_low, verdict.n_informative, verdict.n_high) == (1, 2, 3)


def test_nothing_found() -> None:
    verdict = verdict_of([1.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    assert (verdict.n_low, verdict.n_informative, verdict.n_high) == (0, 0, 0)
    assert verdict.dimensions.size == 0
