from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfrecords_tools.grid import Grid, pixel_edges, resample, resample_error
from tfrecords_tools.spectrum import SPEED_OF_LIGHT, SpectrumError

GRID = Grid(wave_min=5000.0, wave_step=0.01, n_pixels=100)


def integrate(wave, flux, low, high):
    """Mean flux density in a pixel, by summing its overlap with every old pixel."""
    edges = pixel_edges(wave)
    total = covered = 0.0
    for i, value in enumerate(flux):
        overlap = min(high, edges[i + 1]) - max(low, edges[i])
        if overlap <= 1e-9:
            continue
        total += overlap * value
        covered += overlap
    return total / covered if covered >= (high - low) * (1 - 1e-6) else np.nan


def test_pixels_and_edges():
    grid = Grid(wave_min=3785.0, wave_step=0.01, n_pixels=312_501)
    assert grid.wave[-1] == pytest.approx(6910.0)
    assert grid.edges.size == grid.n_pixels + 1
    np.testing.assert_allclose(grid.edges[:2], [3784.995, 3785.005])


def test_how_a_network_pads_is_no_part_of_a_grid():
    grid = Grid.model_validate({"n_pixels": 9000, "pad_to_multiple": 1024})
    assert grid == Grid(n_pixels=9000)
    assert "pad_to_multiple" not in grid.model_dump()


def test_log_spacing_is_even_in_velocity():
    step = 3772.0 * 0.5 / SPEED_OF_LIGHT
    grid = Grid(wave_min=3772.0, wave_step=step, n_pixels=442_868, spacing="log")
    assert grid.wave[0] == 3772.0
    velocity = SPEED_OF_LIGHT * np.diff(np.log(grid.wave))
    np.testing.assert_allclose(velocity, 0.5, rtol=1e-9)
    assert np.log(grid.edges[7] * grid.edges[8]) == pytest.approx(
        2.0 * np.log(grid.wave[7]), abs=1e-12
    )


@given(st.integers(-90, 90), st.floats(-0.49, 0.49))
def test_a_spectrum_in_steps_of_the_log_grid_is_shifted(first, phase):
    grid = GRID.model_copy(update={"spacing": "log"})
    wave = 5000.0 * np.exp(2e-6 * (first + phase + np.arange(200)))
    flux = np.arange(200, dtype=np.float32)
    placed = grid.place(wave, flux, 0.05)
    assert not placed.resampled
    assert placed.phase_error == pytest.approx(phase, abs=1e-6)
    pixel = np.arange(100)
    inside = (pixel >= first) & (pixel < first + 200)
    np.testing.assert_array_equal(placed.flux[inside], flux[pixel[inside] - first])
    assert np.isnan(placed.flux[~inside]).all()


def test_an_even_spectrum_is_resampled_to_a_log_grid():
    grid = Grid(wave_min=5000.0, wave_step=0.02, n_pixels=400, spacing="log")
    wave = 4999.0 + 0.01 * np.arange(1000)
    flux = np.random.default_rng(0).normal(100.0, 5.0, 1000).astype(np.float32)
    placed = grid.place(wave, flux, 0.05)
    expected = [integrate(wave, flux, *ends) for ends in pairwise(grid.edges)]
    assert placed.resampled
    np.testing.assert_allclose(placed.flux, expected, rtol=1e-6)


@given(st.integers(-150, 150), st.integers(2, 300), st.floats(-0.49, 0.49))
def test_same_step_is_shifted_by_whole_pixels(first, n, phase):
    wave = 5000.0 + 0.01 * (first + phase + np.arange(n))
    flux = np.arange(n, dtype=np.float32)
    expected = np.full(100, np.nan, dtype=np.float32)
    for i in range(n):
        if 0 <= first + i < 100:
            expected[first + i] = flux[i]
    if np.isnan(expected).all():
        with pytest.raises(SpectrumError, match="no overlap with the grid"):
            GRID.place(wave, flux, 0.05)
        return
    placed = GRID.place(wave, flux, 0.05)
    np.testing.assert_array_equal(placed.flux, expected)
    assert placed.phase_error == pytest.approx(phase, abs=1e-6)
    assert not placed.resampled


@pytest.mark.parametrize(("drift", "resampled"), [(0.049, False), (0.051, True)])
def test_drift_over_the_grid_decides(drift, resampled):
    # The drift counts from the first to the last of the 100 pixels on the grid.
    step = 0.01 * (1.0 + drift / 99.0)
    wave = 5000.0 + step * np.arange(-40, 140)
    placed = GRID.place(wave, np.ones(wave.size, dtype=np.float32), 0.05)
    assert placed.resampled == resampled
    assert np.isfinite(placed.flux).all()


def test_no_overlap_names_the_wavelengths():
    wave = np.linspace(6000.0, 6001.0, 50)
    with pytest.raises(SpectrumError, match=r"grid: 6000\.0 to 6001\.0 Angstrom"):
        GRID.place(wave, np.ones(50, dtype=np.float32), 0.05)


@settings(max_examples=60)
@given(
    hnp.arrays(
        np.float32,
        st.integers(2, 60),
        elements=st.one_of(st.floats(-1e3, 1e6, width=32), st.just(np.nan)),
    ),
    st.floats(0.003, 0.05),
    st.floats(4999.5, 5000.5),
    st.floats(-2e-4, 2e-4),
)
def test_resampling_is_the_direct_integral(flux, step, start, curvature):
    i = np.arange(flux.size)
    wave = start + step * (i + curvature * i**2)
    edges = GRID.edges
    expected = [integrate(wave, flux, low, high) for low, high in pairwise(edges)]
    resampled = resample(wave, flux, edges)
    np.testing.assert_array_equal(np.isnan(resampled), np.isnan(expected))
    np.testing.assert_allclose(resampled, expected, rtol=1e-5, atol=1e-4)


def test_resampling_conserves_flux():
    rng = np.random.default_rng(1)
    wave = 4999.0 * np.exp(1.3e-6 * np.arange(400))  # constant step in velocity
    flux = rng.normal(100.0, 5.0, 400).astype(np.float32)
    edges = np.linspace(4999.4, 5000.7, 77)
    resampled = resample(wave, flux, edges)
    old = pixel_edges(wave)
    cumulative = np.concatenate([[0.0], np.cumsum(flux * np.diff(old))])
    inside = np.diff(np.interp(edges[[0, -1]], old, cumulative))[0]
    assert np.sum(resampled * np.diff(edges)) == pytest.approx(inside, rel=1e-6)


def test_a_bad_pixel_spoils_only_what_it_overlaps():
    wave = 5000.0 + 0.013 * np.arange(60)
    flux = np.ones(60, dtype=np.float32)
    flux[30] = np.nan
    low, high = pixel_edges(wave)[30:32]
    resampled = resample(wave, flux, GRID.edges[:70])
    touched = (GRID.edges[1:70] > low) & (GRID.edges[:69] < high)
    np.testing.assert_array_equal(np.isnan(resampled[1:]), touched[1:])


def test_an_extreme_pixel_leaves_the_others_their_digits():
    wave = 5000.0 + 0.013 * np.arange(60)
    flux = np.ones(60, dtype=np.float32)
    flux[5] = 1e30
    resampled = resample(wave, flux, GRID.edges[:70])
    np.testing.assert_array_equal(resampled[20:], 1.0)


def test_errors_move_with_the_flux():
    grid = Grid(wave_min=5000.0, wave_step=0.5, n_pixels=4)
    wave, flux = grid.wave[1:] + 0.01, np.array([1.0, 2.0, 3.0], np.float32)
    placed = grid.place(wave, flux, 0.05, 0.1 * flux)
    np.testing.assert_array_equal(placed.flux, [np.nan, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(placed.error, 0.1 * placed.flux)
    assert grid.place(wave, flux, 0.05).error is None


def test_variance_of_a_mean_of_overlaps():
    """By a matrix of all overlaps, and by means of noise."""
    rng = np.random.default_rng(3)
    wave = np.cumsum(rng.uniform(0.5, 1.5, 40)) + 100.0
    edges = np.linspace(wave[3], wave[-4], 15)
    error = rng.uniform(1.0, 2.0, 40).astype(np.float32)
    old = pixel_edges(wave)
    low = np.maximum(old[:-1], edges[:-1, np.newaxis])
    high = np.minimum(old[1:], edges[1:, np.newaxis])
    overlap = np.maximum(high - low, 0.0)  # (new, old)
    mean = overlap / overlap.sum(axis=1, keepdims=True)
    found = resample_error(wave, error, edges)
    np.testing.assert_allclose(found, np.sqrt(mean**2 @ error**2.0), rtol=1e-6)

    noise = rng.normal(size=(4000, 40)) * error
    means = [resample(wave, row.astype(np.float32), edges) for row in noise]
    np.testing.assert_allclose(found, np.std(means, axis=0), rtol=0.06)

    error[20] = np.nan
    unknown = np.isnan(resample_error(wave, error, edges))
    np.testing.assert_array_equal(unknown, overlap[:, 20] > 0.0)
