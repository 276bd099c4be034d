from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stellar_tf.batches.continuum import find_continuum, list_smooth_modes
from tfrecords_tools.grid import Grid

# 69 km/s a pixel, 1.1 km/s a pixel: a survey's, a spectrograph's.
COARSE = Grid(wave_min=3900.0, wave_step=0.898, spacing="log", n_pixels=2048)
FINE = Grid(wave_min=5000.0, wave_step=0.02, n_pixels=40_000)
GRIDS = pytest.mark.parametrize("grid", [COARSE, FINE], ids=["coarse", "fine"])


def smooth_curve(grid: Grid) -> NDArray[np.float64]:
    """A continuum that falls to a half, with a bend."""
    place = np.linspace(-1.0, 1.0, grid.n_pixels)
    return 1.0 - 0.3 * place + 0.1 * place**2


def found(flux: NDArray[np.float64], grid: Grid) -> NDArray[np.float32]:
    batch = tf.constant(flux[np.newaxis], tf.float32)
    return np.asarray(find_continuum(batch, grid))[0]


def absorb(
    grid: Grid, n_lines: int, depth: float, width: float, seed: int = 0
) -> NDArray[np.float64]:
    """Transmission of Gaussian lines of a width [km/s] at random places."""
    rng = np.random.default_rng(seed)
    velocity = 299_792.458 * np.log(grid.wave)
    transmission = np.ones(grid.n_pixels)
    for centre in rng.uniform(velocity[0], velocity[-1], n_lines):
        offset = (velocity - centre) / width
        transmission *= 1.0 - depth * np.exp(-0.5 * offset**2)
    return transmission


@GRIDS
def test_without_lines_it_is_the_spectrum(grid: Grid) -> None:
    curve = smooth_curve(grid)
    np.testing.assert_allclose(found(curve, grid), curve, rtol=0.01)


@GRIDS
@pytest.mark.parametrize("width", [3.0, 70.0])
def test_lines_do_not_pull_it_down(grid: Grid, width: float) -> None:
    curve = smooth_curve(grid)
    flux = curve * absorb(grid, 30, depth=0.8, width=width)
    np.testing.assert_allclose(found(flux, grid), curve, rtol=0.03)


@GRIDS
def test_bands_and_emission_do_not_move_it(grid: Grid) -> None:
    curve = smooth_curve(grid)
    band = absorb(grid, 2, depth=0.6, width=500.0, seed=3)
    emission = 2.0 - absorb(grid, 3, depth=1.0, width=100.0, seed=4)
    error = np.abs(found(curve * band * emission**4, grid) / curve - 1.0)
    assert np.median(error) < 0.01
    assert error.max() < 0.12


@GRIDS
def test_noise_of_a_tenth_moves_it_by_no_more_than_itself(grid: Grid) -> None:
    curve = smooth_curve(grid)
    noise = np.random.default_rng(0).normal(0.0, 0.1, grid.n_pixels)
    ratio = found(curve * (1.0 + noise), grid) / curve
    # The 0.7 quantile of normal noise lies at 0.52 of its deviation.
    assert abs(np.median(ratio) - 1.0) < 0.06
    assert np.ptp(ratio) < 0.08


@GRIDS
def test_gaps_and_wild_pixels_leave_it_alone(grid: Grid) -> None:
    curve = smooth_curve(grid)
    flux = curve.copy()
    n = grid.n_pixels
    flux[: n // 50] = np.nan
    flux[n // 3 : n // 2] = np.nan
    flux[np.random.default_rng(0).integers(0, n, 20)] = 1.0e10
    flux[np.random.default_rng(1).integers(0, n, 20)] = -1.0e10
    error = np.abs(found(flux, grid) / curve - 1.0)[np.isfinite(flux)]
    assert np.percentile(error, 99.0) < 0.02
    assert error.max() < 0.15


@pytest.mark.parametrize("scale", [1.0e-4, 0.1, 7.0])
def test_it_scales_with_the_spectrum(scale: float) -> None:
    flux = smooth_curve(COARSE) * absorb(COARSE, 100, depth=0.8, width=70.0)
    expected = scale * found(flux, COARSE)
    if scale < 0.001:  # no light
        expected = np.full(COARSE.n_pixels, np.nan)
    np.testing.assert_allclose(found(scale * flux, COARSE), expected, rtol=0.01)


@pytest.mark.parametrize("n_pixels", [1, 2, 5, 100])
def test_short_grids(n_pixels: int) -> None:
    grid = Grid(wave_min=5000.0, wave_step=0.1, n_pixels=n_pixels)
    np.testing.assert_allclose(found(np.full(n_pixels, 2.0), grid), 2.0, rtol=1e-3)


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_without_light_there_is_none(value: float) -> None:
    assert np.isnan(found(np.full(FINE.n_pixels, value), FINE)).all()


def test_a_compiled_graph_finds_the_same() -> None:
    flux = smooth_curve(FINE) * absorb(FINE, 100, depth=0.8, width=20.0)
    batch = tf.constant(np.stack([flux, flux[::-1]]), tf.float32)
    graph = tf.function(lambda flux: find_continuum(flux, FINE))(batch)
    np.testing.assert_allclose(graph, find_continuum(batch, FINE), rtol=1e-5)


@GRIDS
def test_a_continuum_is_a_sum_of_smooth_modes_and_a_line_is_not(grid: Grid) -> None:
    modes = list_smooth_modes(grid)
    basis, _ = np.linalg.qr(modes)
    curve = smooth_curve(grid)
    np.testing.assert_allclose(basis @ (basis.T @ curve), curve, atol=0.003)
    line = 1.0 - absorb(grid, 1, depth=0.8, width=200.0)
    assert np.square(basis.T @ line).sum() < 0.1 * np.square(line).sum()
