from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.batches.augmentation import add_noise, shift_velocity
from tfrecords_tools.grid import Grid
from tfrecords_tools.spectrum import doppler_factor

GRIDS = {
    "linear": Grid(wave_min=6000.0, wave_step=0.01, n_pixels=4000),
    "log": Grid(wave_min=6000.0, wave_step=0.01, n_pixels=4000, spacing="log"),
}


def lines(wave):
    """Lines of the width of a slowly rotating star's at a resolution of 115,000."""
    depth = np.zeros_like(wave)
    for centre in np.linspace(6003.0, 6037.0, 12):
        depth += 0.6 * np.exp(-0.5 * ((wave - centre) / 0.04) ** 2)
    return 1.0 - depth


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("velocity", [-30.0, -0.2, 0.0, 0.3, 12.3, 30.0])
def test_lines_are_found_where_the_velocity_puts_them(name, velocity):
    grid = GRIDS[name]
    flux = lines(grid.wave).astype(np.float32)
    shifted = shift_velocity(flux, grid, velocity)
    expected = lines(grid.wave / doppler_factor(velocity))
    valid = np.isfinite(shifted)
    # Interpolation misses a curved line by step^2 / 8 of its second derivative.
    bound = 0.6 / 0.04**2 * 0.0101**2 / 8.0
    np.testing.assert_allclose(shifted[valid], expected[valid], atol=1.05 * bound)
    n_beyond = abs(velocity) / 299_792.458 * 6000.0 / 0.01
    assert (~valid).sum() <= np.ceil(n_beyond) + 1


@given(st.floats(-100.0, 100.0))
def test_the_centroid_moves_by_the_velocity(velocity):
    grid = GRIDS["linear"]
    depth = np.exp(-0.5 * ((grid.wave - 6020.0) / 0.05) ** 2).astype(np.float32)
    shifted = np.nan_to_num(shift_velocity(depth, grid, velocity))
    centroid = np.average(grid.wave, weights=shifted)
    assert centroid == pytest.approx(6020.0 * doppler_factor(velocity), abs=1e-5)


def test_bad_pixels_stay_bad_and_spoil_no_others():
    grid = GRIDS["linear"]
    flux = np.ones(4000, dtype=np.float32)
    flux[1000:1010] = np.nan
    shifted = shift_velocity(flux, grid, 5.0)  # by 10 pixels and a fraction
    (bad,) = np.nonzero(np.isnan(shifted[20:]))
    assert bad.min() + 20 in (1010, 1009)
    assert 10 <= bad.size <= 12


def test_noise_has_its_level_and_leaves_bad_pixels():
    flux = np.full(200_000, 5.0, dtype=np.float32)
    flux[7] = np.nan
    noisy = add_noise(flux, 0.25, np.random.default_rng(0))
    noise = np.delete(noisy - 5.0, 7)
    assert np.isnan(noisy[7])
    assert noise.mean() == pytest.approx(0.0, abs=0.25 * 4 / np.sqrt(noise.size))
    assert noise.std() == pytest.approx(0.25, rel=4 / np.sqrt(2 * noise.size))
