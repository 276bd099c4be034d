from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.traversal import (
    list_moving_wavelengths,
    local_percentiles,
    traverse,
)

WAVE = 6225.0 + 0.02 * np.arange(1_000)


def decode(z: np.ndarray) -> np.ndarray:
    """Deepen Fe I 6230.72 with dimension 0 and 6240.65 half as much."""
    flux = np.ones((len(z), WAVE.size))
    for line, weight in ((6230.72, 0.2), (6240.65, 0.1)):
        profile = np.exp(-0.5 * ((WAVE - line) / 0.1) ** 2)
        flux -= weight * z[:, :1] * profile
    return flux + z[:, 1:2]


def test_moves_one_dimension_and_rests_the_others() -> None:
    z_mean = np.random.default_rng(0).normal(2.0, 1.0, (500, 3))
    found = traverse(decode, WAVE, z_mean, [2, 0], n=5)
    assert found.flux.shape == (2, 5, WAVE.size)
    low, high = np.percentile(z_mean[:, 0], [1.0, 99.0])
    np.testing.assert_allclose(found.positions[1], np.linspace(low, high, 5))
    rest = np.median(z_mean, axis=0)
    for position, flux in zip(found.positions[1], found.flux[1], strict=True):
        z = np.array([[position, rest[1], rest[2]]])
        np.testing.assert_allclose(flux, decode(z)[0], atol=1e-5)
    assert found.change[0].max() == 0.0
    assert found.change[1].max() == pytest.approx(0.2 * (high - low), rel=1e-4)


def test_all_dimensions_meet_at_the_median_star() -> None:
    z_mean = np.random.default_rng(0).exponential(1.0, (500, 3))
    found = traverse(decode, WAVE, z_mean, [0, 1], n=7, through_median=True)
    rest = np.median(z_mean, axis=0)
    for row, dimension in enumerate((0, 1)):
        steps = np.diff(found.positions[row])
        assert found.positions[row, 3] == rest[dimension]
        np.testing.assert_allclose(steps[:3], steps[0])
        np.testing.assert_allclose(steps[3:], steps[3])
        ends = np.percentile(z_mean[:, dimension], [1.0, 99.0])
        np.testing.assert_allclose(found.positions[row, [0, -1]], ends)
        expected = decode(rest[np.newaxis])[0]
        np.testing.assert_allclose(found.flux[row, 3], expected, atol=1e-6)


def test_names_the_lines_that_move() -> None:
    z_mean = np.random.default_rng(1).normal(size=(500, 3))
    table = list_moving_wavelengths(traverse(decode, WAVE, z_mean, [0, 2], n=3), n=2)
    assert list(table["dimension"]) == [0, 0]
    assert list(table["line"]) == ["Fe I 6230.72", "Fe I 6240.65"]
    np.testing.assert_allclose(table["wave"], [6230.72, 6240.65], atol=0.02)
    assert table["change"][0] == pytest.approx(2.0 * table["change"][1], rel=0.01)


def test_no_dimensions_no_rows() -> None:
    found = traverse(decode, WAVE, np.zeros((5, 3)), [], n=3)
    assert found.flux.shape == (0, 3, WAVE.size)
    assert len(list_moving_wavelengths(found)) == 0


def test_bad_input_is_an_error() -> None:
    z_mean = np.zeros((5, 3))
    with pytest.raises(ValueError, match="n must be at least 2, got 1"):
        traverse(decode, WAVE, z_mean, [0], n=1)
    with pytest.raises(ValueError, match="n must be odd to have a middle, got 4"):
        traverse(decode, WAVE, z_mean, [0], n=4, through_median=True)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.2, got \[3\]"):
        traverse(decode, WAVE, z_mean, [3], n=3)
    with pytest.raises(ValueError, match=r"must return shape \(3, 10\), got \(3, 1000"):
        traverse(decode, WAVE[:10], z_mean, [0], n=3)


def test_percentiles_of_the_nearest_stars() -> None:
    z = np.linspace(-1.0, 1.0, 2001)  # teff = 5000 + 1000 z: 5 % span 0.1
    teff = 5000.0 + 1000.0 * z
    shuffled = np.random.default_rng(0).permutation(z.size)
    percentiles = local_percentiles(z[shuffled], teff[shuffled], np.array([0.0, 0.5]))
    expected = [[4966.0, 5000.0, 5034.0], [5466.0, 5500.0, 5534.0]]
    np.testing.assert_allclose(percentiles, expected, atol=2.0)


def test_stars_without_the_label_do_not_count() -> None:
    z = np.zeros(100)
    label = np.where(np.arange(100) < 50, 7.0, np.nan)
    np.testing.assert_array_equal(local_percentiles(z, label, np.zeros(1)), [[7.0] * 3])


@pytest.mark.parametrize(
    "label", [np.array(["G", "K"] * 50), np.where(np.arange(100) < 19, 1.0, np.nan)]
)
def test_categories_and_rare_labels_have_none(label: np.ndarray) -> None:
    percentiles = local_percentiles(np.linspace(0.0, 1.0, 100), label, np.array([0.5]))
    assert np.isnan(percentiles).all()
