"""The planted latents and their analysis, made once."""

from __future__ import annotations

import shutil

import pytest
from astropy.table import Table

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import FACTORS, plant_latents


@pytest.fixture(scope="session")
def latents() -> Table:
    return plant_latents()


@pytest.fixture(scope="session")
def result(latents: Table) -> AnalysisResult:
    return analyze(latents, AnalysisConfig(), factors=FACTORS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found
