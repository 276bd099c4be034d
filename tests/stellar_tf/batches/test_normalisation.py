from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from stellar_tf.batches import normalisation
from stellar_tf.batches.continuum import KEPT
from tfrecords_tools import spectrum
from tfrecords_tools.grid import Grid

GRID = Grid(wave_min=5000.0, wave_step=0.1, n_pixels=300)


def raw_flux(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flux = rng.normal(500.0, 200.0, (3, GRID.n_pixels)).astype(np.float32)
    for row in flux:
        for start in rng.integers(0, GRID.n_pixels, 2):
            row[start : start + rng.integers(1, 140)] = 0.0
        row[rng.random(row.size) < 0.05] = np.nan
    return flux


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), min_run=st.sampled_from([1, 7, 100, 400]))
def test_zero_runs_as_the_converter_finds_them(seed: int, min_run: int) -> None:
    flux = raw_flux(seed)
    masked = normalisation.mask_zero_runs(tf.constant(flux), min_run)
    expected = [spectrum.mask_zero_runs(row, min_run)[0] for row in flux]
    np.testing.assert_array_equal(masked, expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_median_is_numpys(seed: int) -> None:
    flux = raw_flux(seed)
    median = normalisation.median_valid(tf.constant(flux))
    np.testing.assert_allclose(median, np.nanmedian(flux, axis=1), rtol=1e-6)


def test_median_of_nothing_is_nan() -> None:
    median = normalisation.median_valid(tf.fill((2, 5), float("nan")))
    assert np.isnan(median).all()


def test_masked_normalisation() -> None:
    flux = np.where(raw_flux(1) == 0.0, np.float32(np.nan), raw_flux(1))
    result = normalisation.normalise_flux(tf.constant(flux), GRID, "masked")
    np.testing.assert_allclose(np.nanmedian(result.flux, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(result.valid_fraction, np.isfinite(flux).mean(axis=1))
    known = normalisation.normalise_flux(
        tf.constant(flux), GRID, "masked", result.median_flux
    )
    np.testing.assert_array_equal(known.flux, result.flux)


@pytest.mark.parametrize("max_ratio", [3.0, 1000.0])
@pytest.mark.parametrize("n_high", [0, 1, 40, 60, 99])
def test_spikes_as_the_converter_finds_them(max_ratio: float, n_high: int) -> None:
    rng = np.random.default_rng(n_high)
    flux = rng.normal(1.0, 2.0, (3, 101)).astype(np.float32)
    flux[0, :n_high] *= 1e10
    flux[1, :n_high] = np.nan
    flux[1, n_high] = -5e9
    flux[2, : n_high + 2] = 0.0
    masked, has_spikes = normalisation.mask_spikes(tf.constant(flux), max_ratio)
    expected = [spectrum.mask_spikes(row, max_ratio) for row in flux]
    np.testing.assert_array_equal(masked, np.stack([row for row, _ in expected]))
    np.testing.assert_array_equal(has_spikes, [n > 0 for _, n in expected])


def test_an_empty_spectrum_has_no_spikes() -> None:
    flux = np.stack([np.full(5, np.nan), np.zeros(5)]).astype(np.float32)
    masked, has_spikes = normalisation.mask_spikes(tf.constant(flux), 3.0)
    np.testing.assert_array_equal(masked, flux)
    assert not has_spikes.numpy().any()


def test_paper_normalisation_counts_bad_pixels_as_zeros() -> None:
    flux = np.abs(raw_flux(2)) + 1.0
    result = normalisation.normalise_flux(tf.constant(flux), GRID, "paper", n_zeros=84)
    padded = np.pad(np.nan_to_num(flux), ((0, 0), (42, 42)))
    median = np.median(padded, axis=1)
    np.testing.assert_allclose(result.median_flux, median, rtol=1e-6)
    np.testing.assert_allclose(result.flux, flux / median[:, np.newaxis], rtol=1e-5)


@pytest.mark.parametrize("kind", ["masked", "continuum"])
def test_normalised_flux_times_its_unit_is_the_flux(
    kind: Literal["masked", "continuum"],
) -> None:
    flux = np.abs(raw_flux(3)) + 100.0
    result = normalisation.normalise_flux(tf.constant(flux), GRID, kind)
    np.testing.assert_allclose(result.flux * result.unit, flux, rtol=1e-5)


def test_a_continuum_is_divided_out() -> None:
    grid = Grid(wave_min=4000.0, wave_step=1.0, n_pixels=3000)
    rises = np.linspace(1.0, 3.0, grid.n_pixels, dtype=np.float32)
    flux = tf.stack([rises, 40.0 * rises[::-1]])
    result = normalisation.normalise_flux(flux, grid, "continuum")
    level = rises / np.median(rises)
    flat = result.flux
    difference = np.log(level) - np.log(level).mean()
    left = np.exp(KEPT * np.arcsinh(difference / KEPT))
    np.testing.assert_allclose(flat[0], left, rtol=0.02)
    np.testing.assert_allclose(flat[1], flat[0][::-1], rtol=0.01)
    assert np.ptp(left) < 0.3 * np.ptp(level)


def test_small_slopes_stay_in_the_spectrum() -> None:
    grid = Grid(wave_min=4000.0, wave_step=1.0, n_pixels=3000)
    rises = np.linspace(0.995, 1.005, grid.n_pixels, dtype=np.float32)
    result = normalisation.normalise_flux(rises[np.newaxis], grid, "continuum")
    np.testing.assert_allclose(result.flux[0], rises, atol=2e-4)


@pytest.mark.parametrize("value", [np.nan, 0.0, -5.0])
def test_a_spectrum_without_light_is_bad_everywhere(value: float) -> None:
    flux = tf.fill((1, GRID.n_pixels), value)
    result = normalisation.normalise_flux(flux, GRID, "masked")
    assert np.isnan(result.flux).all()
