from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.labels.associations import measure_associations
from stellar_tf.analysis.labels.leakage import Leakage, measure_leakage
from stellar_tf.analysis.latents import read_codes
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import AIRMASS, plant_latents


def test_airmass_leaks_into_its_dimension_and_nothing_else(
    result: AnalysisResult,
) -> None:
    leakage = result.leakage
    assert set(leakage.nuisances) == {"snr", "airmass", "berv", "mjd"}
    row = list(leakage.dimensions).index(AIRMASS)
    column = leakage.nuisances.index("airmass")
    assert leakage.significant[row, column]
    assert leakage.significant.sum() == 1
    assert leakage.total == pytest.approx(leakage.mi[row, column])
    assert leakage.largest[row] == leakage.total
    assert leakage.total_low < leakage.total < leakage.total_high


def measure(seed: int) -> Leakage:
    config = AnalysisConfig(n_resamples=20, n_subsamples=30, n_permutations=200)
    latents = plant_latents(n_stars=300, n_visits=1, seed=seed)
    stars = read_codes(latents, config, labels=["rv"], factors=())
    rng = np.random.default_rng(seed)
    labels = {name: stars.labels[name] for name in ("airmass", "snr")}
    found = measure_associations(stars.z_mean, np.array([AIRMASS]), labels, config, rng)
    return measure_leakage(stars, stars.z_mean, found, config, rng)


def test_its_interval_is_as_wide_as_the_total_scatters() -> None:
    found = [measure(seed) for seed in range(25)]
    scatter = np.std([leakage.total for leakage in found], ddof=1)
    claimed = np.mean([leak.total_high - leak.total for leak in found]) / 1.96
    assert claimed == pytest.approx(scatter, rel=0.4)
