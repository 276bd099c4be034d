from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.columns import read_labels
from stellar_tf.analysis.labels.estimates import estimate_labels
from stellar_tf.analysis.labels.units import UnitMap
from stellar_tf.config import AnalysisConfig
from stellar_tf.flags import Flag
from tests.stellar_tf.analysis.planted import FACTORS, RV, plant_latents

MAP = UnitMap(
    1, "rv", np.array([-1.0, 0.0, 2.0]), np.array([20.0, 0.0, -20.0]), 0.4, 80, 0.06
)


def estimate(z: list[float], width: float, flags: int, *maps: UnitMap) -> np.ndarray:
    codes = np.stack([np.zeros(len(z)), z], axis=1)
    log_var = np.full_like(codes, 2.0 * np.log(width))
    table = estimate_labels(codes, log_var, np.full(len(z), flags), maps)
    assert table.colnames == ["rv_estimate", "rv_estimate_width", "rv_estimate_error"]
    assert {str(column.unit) for column in table.itercols()} == {"km / s"}
    return np.stack([np.asarray(column) for column in table.itercols()])


def test_values_and_widths_are_those_of_the_map() -> None:
    # Slopes of 20 and 10; over the kink at 0 the mean of both; at the ends no less.
    found = estimate([-0.5, 1.0, 0.0, -1.0, 2.0], 0.1, 0, MAP)
    expected = [[10.0, -10.0, 0.0, 20.0, -20.0], [2.0, 1.0, 1.5, 2.0, 1.0]]
    np.testing.assert_allclose(found[:2], expected, atol=1e-12)
    # Half of a normal distribution lies within 0.6745 standard deviations.
    scatter = (0.4 / 0.6745) ** 2 - 0.06**2
    np.testing.assert_allclose(found[2] ** 2, found[1] ** 2 + scatter, rtol=1e-4)
    noisy = estimate([-0.5], 0.1, 0, MAP._replace(width=5.0))
    np.testing.assert_array_equal(noisy[2], noisy[1])


def test_without_held_out_stars_the_error_is_unknown() -> None:
    found = estimate([-0.5], 0.1, 0, MAP._replace(error=np.nan))
    assert found[1] == pytest.approx(2.0)
    assert np.isnan(found[2]).all()


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert np.isnan(estimate([-1.001, 2.001], 0.1, 0, MAP)).all()
    assert np.isnan(estimate([0.0], 0.1, int(Flag.NO_VALID_PIXEL), MAP)).all()
    assert np.isfinite(estimate([0.0], 0.1, int(Flag.SPIKES_MASKED), MAP)).all()
    without = estimate_labels(*np.zeros((2, 2, 2)), np.zeros(2, int), [])
    assert without.colnames == []


def test_of_two_dimensions_the_better_one_speaks() -> None:
    worse = MAP._replace(dimension=0, value=np.array([2.0, 0.0, -2.0]), error=0.5)
    unknown = worse._replace(error=np.nan)
    for maps in ((worse, MAP), (MAP, unknown)):
        assert estimate([-0.5], 0.1, 0, *maps)[0] == pytest.approx(10.0)


def test_estimates_are_near_the_truth_and_no_labels(result: AnalysisResult) -> None:
    latents = plant_latents()
    codes = (np.asarray(latents[n]) for n in ("z_mean", "z_log_var"))
    table = estimate_labels(*codes, np.zeros(len(latents), int), result.unit_maps)
    found = next(m for m in result.unit_maps if m.dimension == RV)
    error = np.abs(table["rv_estimate"] - latents["rv"])
    assert np.nanmedian(error) == pytest.approx(found.error, rel=0.3)
    assert np.nanmedian(table["rv_estimate_width"]) == pytest.approx(
        found.width, rel=0.1
    )
    labels = read_labels(latents)
    for column in table.itercols():
        latents[column.name] = column
    assert list(read_labels(latents)) == list(labels)
    fast = AnalysisConfig(n_resamples=20, n_permutations=200, n_subsamples=20)
    again = analyze(latents, fast, factors=FACTORS)
    assert set(again.label_table["label"]) == set(result.label_table["label"])
