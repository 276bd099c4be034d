"""The continuum of spectra: a smooth quantile, as TensorFlow operations."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfrecords_tools.grid import Grid
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

QUANTILE = 0.7
"""Share of the pixels that lie below the continuum: lines are more than noise."""
WIDTH = 3500.0
"""Standard deviation of the kernel, 58 Angstrom at 5000: of lines only the wings of the
Balmer series come near [km/s]."""
KEPT = 0.02
"""Differences of the continuum's logarithm from its mean that are left in the spectra;
larger ones grow with their logarithm only. Small slopes stay as they are, colours tell
of temperature, but reddening and calibration do not outweigh the lines."""
FAINTEST = 0.01
"""Where the continuum is fainter than this share of the median there is no light."""
_BIN_VELOCITY = 20.0
"""Width of the bins that are averaged first, that of a star's lines [km/s]."""
_KNOTS_PER_WIDTH = 3.0
_N_ITERATIONS = 10
_LIMITS = (-10.0, 30.0)
"""Of a bin, in medians: a cosmic ray may be any number."""
_DISTANT_WEIGHT, _DISTANT_WIDTH = 1.0e-4, 8.0
"""Of the wider kernel that counts where the narrow one finds no valid pixel."""
_SLOPE_PENALTY = 0.01
"""On the slope of each local line, so that few pixels do not set it."""


class _Plan(NamedTuple):
    """How the pixels of a grid become bins, the bins cells, and these knots."""

    n_pixels_per_bin: int
    n_bins_per_cell: int
    n_cells: int
    """A knot stands at each end of a cell."""
    moments: NDArray[np.float64]
    """Shape (3, n_cells, n_knots): kernel times distance to the power of 0 to 2."""

    @property
    def n_pixels_per_cell(self) -> int:
        """Pixels between two knots."""
        return self.n_pixels_per_bin * self.n_bins_per_cell


def list_smooth_modes(grid: Grid) -> NDArray[np.float64]:
    """
    List what is as smooth as a continuum, so that it is nearly a sum of them.

    Parameters
    ----------
    grid : Grid
        The wavelengths.

    Returns
    -------
    modes : ndarray of float64
        Legendre polynomials in the logarithm of the wavelength, shape (n_pixels,
        n_modes): as many as there are cosines of which the continuum's kernel lets at
        least a half pass.
    """
    place = np.log(grid.wave / grid.wave_min)
    degree = max(1, round(0.375 * place[-1] * SPEED_OF_LIGHT / WIDTH))
    return np.polynomial.legendre.legvander(2.0 * place / place[-1] - 1.0, degree)


def flatten(flux: tf.Tensor, grid: Grid) -> tuple[tf.Tensor, tf.Tensor]:
    """
    Divide spectra by their continuum, and leave its small differences in them.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        On the grid, in units of the median, NaN at bad pixels.
    grid : Grid
        Its wavelengths.

    Returns
    -------
    flat : Tensor of float32, shape (batch, n_pixels)
        The flux over the unit.
    unit : Tensor of float32, shape (batch, n_pixels)
        The continuum over what is left of it; NaN where there is none.

    Notes
    -----
    Left is ``exp(KEPT * asinh(x / KEPT))``, where x is the logarithm of the continuum
    less its mean, between knots by linear interpolation of the unit.
    """
    plan = _plan(grid)
    knots = _find_knots(flux, plan)
    exists = knots > FAINTEST
    logarithm = tf.math.log(tf.maximum(knots, FAINTEST))
    n_knots = tf.math.count_nonzero(exists, -1, keepdims=True, dtype=flux.dtype)
    total = tf.reduce_sum(tf.where(exists, logarithm, 0.0), -1, keepdims=True)
    difference = (logarithm - tf.math.divide_no_nan(total, n_knots)) / KEPT
    unit = _to_pixels(knots * tf.exp(-KEPT * tf.asinh(difference)), plan, grid)
    has_light = _to_pixels(knots, plan, grid) > FAINTEST
    unit = tf.where(has_light, unit, float("nan"))
    return flux / unit, unit


def find_continuum(flux: tf.Tensor, grid: Grid) -> tf.Tensor:
    """
    Find the continuum of spectra.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        On the grid, in units of the median, NaN at bad pixels.
    grid : Grid
        Its wavelengths.

    Returns
    -------
    continuum : Tensor of float32, shape (batch, n_pixels)
        In units of the median; NaN where it is fainter than `FAINTEST`.

    Notes
    -----
    Local linear quantile regression with a Gaussian kernel in velocity, by iteratively
    reweighted least squares on bins of 20 km/s. A quantile does not feel how deep lines
    and bands are, nor how high emission and cosmic rays, but how many pixels they take.
    At the ends and in gaps the local lines go on.
    """
    plan = _plan(grid)
    continuum = _to_pixels(_find_knots(flux, plan), plan, grid)
    return tf.where(continuum > FAINTEST, continuum, float("nan"))


def _find_knots(flux: tf.Tensor, plan: _Plan) -> tf.Tensor:
    """Find the continuum at the knots, shape (batch, n_knots)."""
    flux, weight = _average_bins(flux, plan)
    continuum = _smooth(flux, weight, plan)
    for _ in range(_N_ITERATIONS):
        within = _interpolate(continuum, plan.n_bins_per_cell)
        residual = flux - within
        asymmetry = tf.where(residual > 0.0, QUANTILE, 1.0 - QUANTILE)
        least = 0.01 * tf.maximum(within, FAINTEST)
        reweighted = weight * asymmetry / tf.maximum(tf.abs(residual), least)
        continuum = _smooth(flux, reweighted, plan)
    return continuum


def _to_pixels(knots: tf.Tensor, plan: _Plan, grid: Grid) -> tf.Tensor:
    return _interpolate(knots, plan.n_pixels_per_cell)[:, : grid.n_pixels]


@lru_cache(maxsize=8)
def _plan(grid: Grid) -> _Plan:
    velocity = SPEED_OF_LIGHT * np.log(grid.wave)
    step = float(np.ptp(velocity)) / max(1, grid.n_pixels - 1) or _BIN_VELOCITY
    n_pixels_per_bin = max(1, round(_BIN_VELOCITY / step))
    bins_per_width = WIDTH / (step * n_pixels_per_bin)
    n_bins_per_cell = max(1, round(bins_per_width / _KNOTS_PER_WIDTH))
    n_in_cell = n_pixels_per_bin * n_bins_per_cell
    n_cells = -(-grid.n_pixels // n_in_cell)

    place = np.arange(n_cells + 1) * n_in_cell - 0.5  # of the knots
    knots = np.interp(place, np.arange(grid.n_pixels), velocity)
    knots += step * np.maximum(0.0, place - (grid.n_pixels - 1))
    centres = 0.5 * (knots[1:] + knots[:-1])
    apart = (centres[:, np.newaxis] - knots) / WIDTH
    kernel = np.exp(-0.5 * apart**2)
    kernel += _DISTANT_WEIGHT * np.exp(-0.5 * (apart / _DISTANT_WIDTH) ** 2)
    moments = np.stack([kernel * apart**k for k in range(3)])
    return _Plan(n_pixels_per_bin, n_bins_per_cell, n_cells, moments)


def _average_bins(flux: tf.Tensor, plan: _Plan) -> tuple[tf.Tensor, tf.Tensor]:
    """Average the valid pixels of each bin; return also which share is valid."""
    beyond = plan.n_cells * plan.n_pixels_per_cell - flux.shape[-1]
    flux = tf.pad(flux, [[0, 0], [0, beyond]], constant_values=float("nan"))
    pixels = tf.reshape(
        flux, (-1, plan.n_cells * plan.n_bins_per_cell, plan.n_pixels_per_bin)
    )
    valid = tf.math.is_finite(pixels)
    share = tf.reduce_mean(tf.cast(valid, flux.dtype), axis=-1)
    total = tf.reduce_mean(tf.where(valid, pixels, 0.0), axis=-1)
    average = tf.math.divide_no_nan(total, share)
    return tf.clip_by_value(average, *_LIMITS), share


def _smooth(flux: tf.Tensor, weight: tf.Tensor, plan: _Plan) -> tf.Tensor:
    """Fit a line around each knot, shape (batch, n_knots); 0 without any pixel."""

    def sum_cells(bins: tf.Tensor) -> tf.Tensor:
        cells = tf.reshape(bins, (-1, plan.n_cells, plan.n_bins_per_cell))
        # Differences of moments lose digits.
        return tf.cast(tf.reduce_sum(cells, axis=-1), tf.float64)

    weights, fluxes = sum_cells(weight), sum_cells(weight * flux)
    w0, w1, w2 = (tf.matmul(weights, moment) for moment in plan.moments)
    f0, f1 = (tf.matmul(fluxes, moment) for moment in plan.moments[:2])
    w2 += _SLOPE_PENALTY * w0
    intercept = tf.math.divide_no_nan(w2 * f0 - w1 * f1, w0 * w2 - w1**2)
    return tf.cast(intercept, flux.dtype)


def _interpolate(knots: tf.Tensor, n_per_cell: int) -> tf.Tensor:
    """Interpolate linearly between knots, shape (batch, n_cells * n_per_cell)."""
    place = (np.arange(n_per_cell) + 0.5) / n_per_cell
    weights = np.stack([1.0 - place, place]).astype(np.float32)
    ends = tf.stack([knots[:, :-1], knots[:, 1:]], axis=-1)  # (batch, n_cells, 2)
    n_values = (knots.shape[-1] - 1) * n_per_cell
    return tf.reshape(tf.matmul(ends, weights), (-1, n_values))
