"""A planted analysis."""

from __future__ import annotations

import pytest

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import plant_latents

FEW = AnalysisConfig(n_resamples=20, n_permutations=200, n_subsamples=20)


@pytest.fixture(scope="session")
def result() -> AnalysisResult:
    return analyze(plant_latents(), FEW, factors=["rv", "teff"])
