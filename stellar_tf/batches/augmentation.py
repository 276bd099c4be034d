"""What training does to a spectrum afresh each time it meets it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.grid import Grid
from tfrecords_tools.spectrum import doppler_factor


def shift_velocity(
    flux: NDArray[np.float32], grid: Grid, velocity: float
) -> NDArray[np.float32]:
    """
    Shift a spectrum as if its source receded faster.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_pixels,)
        On the grid, NaN at bad pixels.
    grid : Grid
        Its wavelengths.
    velocity : float
        Added to that of all lines, telluric ones too [km/s].

    Returns
    -------
    shifted : ndarray of float32, shape (n_pixels,)
        NaN where a pixel needs a bad one, or one beyond the ends.

    Notes
    -----
    Interpolated linearly between neighbouring pixels, which averages their noise: by
    a shift of half a pixel it loses up to 30 % where neighbours are independent.
    """
    source = grid.position(grid.wave / doppler_factor(velocity))
    pixel = np.arange(flux.size, dtype=np.float64)
    shifted = np.interp(source, pixel, flux, left=np.nan, right=np.nan)
    return shifted.astype(np.float32)


def add_noise(
    flux: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """
    Add normal noise, the same on every pixel.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_pixels,)
        NaN at bad pixels, which stay bad.
    sigma : float
        Standard deviation, in the unit of the flux.
    rng : numpy.random.Generator
        Draws it.

    Returns
    -------
    noisy : ndarray of float32, shape (n_pixels,)
        A new array.
    """
    noise = rng.standard_normal(flux.size, dtype=np.float32)
    noise *= np.float32(sigma)
    noise += flux
    return noise
