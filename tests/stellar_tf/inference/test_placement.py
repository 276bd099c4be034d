"""The graph against the converter, which does the same in numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from stellar_tf.flags import Flag
from stellar_tf.inference.placement import place_flux, resample
from tests.tfrecords_tools import fits_files
from tfrecords_tools import grid as numpy_grid
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.conversion.inputs import discover
from tfrecords_tools.conversion.prepare import correct_spectrum, prepare_spectrum
from tfrecords_tools.grid import Grid, Placement
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.spectrum import SpectrumError, mask_zero_runs

GRIDS = {
    spacing: Grid(
        wave_min=5000.0, wave_step=0.02, n_pixels=300, spacing=spacing,
    )
    for spacing in ("linear", "log")
}  # fmt: skip
CONVERT = ConvertConfig(min_zero_run=20)
Place = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, int]]


@cache
def build_place(grid: Grid, min_zero_run: int) -> Place:
    convert = CONVERT.model_copy(update={"min_zero_run": min_zero_run})

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float64), tf.TensorSpec([None])]
    )
    def graph(wave: tf.Tensor, flux: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(place_flux(wave, flux, grid, convert))

    def place(wave: np.ndarray, flux: np.ndarray) -> tuple[np.ndarray, int]:
        placed, flags = graph(tf.constant(wave), tf.constant(flux))
        return placed.numpy(), int(flags)

    return place


def place_in_numpy(wave: np.ndarray, flux: np.ndarray, grid: Grid) -> Placement | None:
    masked, _ = mask_zero_runs(flux, CONVERT.min_zero_run)
    try:
        return grid.place(wave, masked, CONVERT.max_drift)
    except SpectrumError:
        return None


@st.composite
def spectra(draw: st.DrawFn, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Same step and any phase, another step, or uneven; gaps; any overlap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 500))
    # Halfway between two pixels the last bit decides to which a spectrum is shifted.
    start = draw(st.floats(-400.0, 400.0).filter(lambda x: abs(x % 1.0 - 0.5) > 1e-6))
    step = draw(st.sampled_from([1.0, 1.0, 1.00005, 0.3, 0.9, 2.5]))
    position = start + step * np.arange(n)
    if draw(st.booleans()) and step != 1.0:
        position += rng.uniform(0.0, 0.8 * step, n)
    wave = grid.wave_min + grid.wave_step * position
    if grid.spacing == "log":
        wave = grid.wave_min * np.exp(grid.wave_step * position / grid.wave_min)
    flux = rng.normal(100.0, 40.0, n).astype(np.float32)
    for length in draw(st.lists(st.integers(1, 60), max_size=3)):
        first = rng.integers(n)
        flux[first : first + length] = draw(st.sampled_from([0.0, np.nan]))
    return wave, flux


@pytest.mark.parametrize("spacing", ["linear", "log"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_spectrum_is_placed_as_the_converter_does(
    spacing: str, data: st.DataObject
) -> None:
    grid = GRIDS[spacing]
    wave, flux = data.draw(spectra(grid))
    placed, flags = build_place(grid, CONVERT.min_zero_run)(wave, flux)
    expected = place_in_numpy(wave, flux, grid)
    if expected is None:
        assert flags == Flag.NO_OVERLAP
        assert np.isnan(placed).all()
        return
    assert flags == 0
    if expected.resampled:
        np.testing.assert_allclose(placed, expected.flux, rtol=1e-6, atol=1e-4)
    else:
        np.testing.assert_array_equal(placed, expected.flux)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_resampling_conserves_the_integral(data: st.DataObject) -> None:
    """Of new pixels that cover the spectrum, whatever they are."""
    n = data.draw(st.integers(2, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    wave = 5000.0 + np.cumsum(rng.uniform(0.01, 1.0, n))
    flux = rng.normal(10.0, 5.0, n).astype(np.float32)
    old = numpy_grid.pixel_edges(wave)
    edges = np.sort(
        np.concatenate([[old[0], old[-1]], rng.uniform(old[0], old[-1], 30)])
    )
    placed = resample(tf.constant(wave), tf.constant(flux), tf.constant(edges))
    total = np.sum(placed.numpy() * np.diff(edges))
    assert total == pytest.approx(np.sum(flux * np.diff(old)), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize(
    "wave",
    [
        [], [5000.0], [5002.0, 5001.0, 5000.0], [5000.0, 5000.0, 5001.0],
        [5000.0, np.nan, 5001.0], [5000.0, 5001.0, np.inf], [-1.0, 5000.0, 5001.0],
        [0.0, 5000.0],
    ],
)  # fmt: skip
def test_what_is_no_axis_of_wavelengths_is_flagged(wave: list[float]) -> None:
    place = build_place(GRIDS["linear"], 20)
    placed, flags = place(np.array(wave), np.ones(len(wave), np.float32))
    assert flags == Flag.WAVE_INVALID
    assert placed.shape == (300,)
    assert np.isnan(placed).all()


def test_simulated_products_are_shifted_to_the_same_bits(fits_folder: Path) -> None:
    grid = Grid(wave_min=5160.02, wave_step=0.04, n_pixels=1000)
    for path in sorted(fits_folder.glob("*.fits"))[:4]:
        compare_file(path, grid, ConvertConfig(), exact=True)


def test_other_forms_are_resampled_alike(tmp_path: Path) -> None:
    """ESPRESSO's uneven steps in air, and a table in vacuum of another frame."""
    air = 4999.0 * np.exp(1.7e-6 * np.arange(900))
    flux, quality = fits_files.make_flux(air.size), np.zeros(air.size, np.int32)
    quality[400:430] = 1
    espresso = fits_files.write_espresso(
        tmp_path / "espresso.fits", air, flux.astype(np.float64), quality,
        fits_files.CARDS,
    )  # fmt: skip
    vacuum = fits_files.write_adp(tmp_path / "a.fits", names=("WAVE_VAC", "FLUX"))
    for path in (espresso, vacuum):
        compare_file(path, fits_files.GRID, ConvertConfig(), exact=False)


def test_real_files_at_full_size(real_data: Path) -> None:
    """One of each form: a whole-pixel shift, steps in velocity, other steps."""
    grid = Grid()
    for form in ("eso_adp", "espresso", "harpsn"):
        path = discover([real_data / "real" / form])[0]
        compare_file(path, grid, ConvertConfig(), exact=False)


def compare_file(
    path: Path, grid: Grid, convert: ConvertConfig, *, exact: bool
) -> None:
    prepared = prepare_spectrum(path, grid, convert)
    spectrum = correct_spectrum(read_spectrum(path), convert)
    place = build_place(grid, convert.min_zero_run)
    placed, flags = place(spectrum.wave, spectrum.flux)
    assert flags == 0
    if exact:
        np.testing.assert_array_equal(placed, prepared.flux)
    else:
        scale = prepared.median_flux
        np.testing.assert_allclose(placed, prepared.flux, rtol=1e-6, atol=1e-6 * scale)
