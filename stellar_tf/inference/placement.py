"""A spectrum of any wavelengths onto the grid, as TensorFlow operations."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from stellar_tf.batches.normalisation import mask_spikes, mask_zero_runs
from stellar_tf.flags import Flag
from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.grid import OVERLAP_TOLERANCE, Grid


class PlacedFlux(NamedTuple):
    """A spectrum on the grid."""

    flux: tf.Tensor
    """float32, shape (n_pixels,), NaN where there is no valid pixel."""
    flags: tf.Tensor
    """int32 scalar: `Flag.WAVE_INVALID`, or `Flag.NO_OVERLAP` and
    `Flag.SPIKES_MASKED`; else 0."""


def place_flux(
    wave: tf.Tensor, flux: tf.Tensor, grid: Grid, convert: ConvertConfig
) -> PlacedFlux:
    """
    Mask gaps and spikes and put a spectrum onto the grid, as the converter does.

    Parameters
    ----------
    wave : Tensor of float64, shape (n,)
        Wavelengths in air, barycentric [Angstrom].
    flux : Tensor of float32, shape (n,)
        Flux density, NaN where bad.
    grid : Grid
        The wavelengths of the model.
    convert : ConvertConfig
        What is a gap or a spike, and what is shifted by whole pixels.

    Returns
    -------
    placed : PlacedFlux
        The flux on the grid.

    Notes
    -----
    The same in numpy is `tfrecords_tools.grid.Grid.place` behind
    `tfrecords_tools.spectrum.mask_zero_runs` and `mask_spikes`; the tests hold the two
    together.
    """

    def place_valid() -> PlacedFlux:
        masked = mask_zero_runs(flux[tf.newaxis], convert.min_zero_run)
        masked, has_spikes = mask_spikes(masked, convert.max_flux_ratio)
        placed = _place_valid(wave, masked[0], grid, convert.max_drift)
        told = tf.where(has_spikes[0], int(Flag.SPIKES_MASKED), 0)
        return placed._replace(flags=placed.flags + told)

    placed = tf.cond(
        _is_axis(wave), place_valid, lambda: _nothing(grid, Flag.WAVE_INVALID)
    )
    return PlacedFlux(tf.ensure_shape(placed.flux, [grid.n_pixels]), placed.flags)


def resample(wave: tf.Tensor, flux: tf.Tensor, edges: tf.Tensor) -> tf.Tensor:
    """
    Average a flux density over other pixels, conserving its integral.

    Parameters
    ----------
    wave : Tensor of float64, shape (n,)
        Centres of the pixels, increasing [Angstrom].
    flux : Tensor of float32, shape (n,)
        Flux density, constant within each pixel, NaN where bad.
    edges : Tensor of float64, shape (m + 1,)
        Borders of the new pixels, increasing [Angstrom].

    Returns
    -------
    resampled : Tensor of float32, shape (m,)
        Mean flux density of each new pixel; NaN exactly where the new pixel overlaps
        a bad one or leaves the spectrum.

    Notes
    -----
    The method is that of `tfrecords_tools.grid.resample`: all borders together cut
    the axis into segments that lie in one old and one new pixel each.
    """
    old = _pixel_edges(wave)
    n_new = tf.size(edges) - 1
    borders = tf.sort(tf.concat([old, edges], axis=0))
    width = borders[1:] - borders[:-1]
    in_old = tf.searchsorted(old, borders[:-1], side="right") - 1
    in_new = tf.searchsorted(edges, borders[:-1], side="right") - 1
    inside = (in_old >= 0) & (in_old < tf.size(wave)) & (in_new < n_new)

    density = tf.gather(flux, tf.clip_by_value(in_old, 0, tf.size(wave) - 1))
    good = inside & tf.math.is_finite(density)
    density = tf.where(good, tf.cast(density, tf.float64), 0.0)
    width = tf.where(good, width, 0.0)
    new_pixel = tf.where(good, in_new, -1)  # of no pixel
    covered = tf.math.unsorted_segment_sum(width, new_pixel, n_new)
    total = tf.math.unsorted_segment_sum(density * width, new_pixel, n_new)
    whole = covered >= (1.0 - OVERLAP_TOLERANCE) * (edges[1:] - edges[:-1])
    mean = tf.where(whole, total / covered, float("nan"))
    return tf.cast(mean, tf.float32)


def _is_axis(wave: tf.Tensor) -> tf.Tensor:
    """Tell whether there are two wavelengths or more: finite, positive, increasing."""
    is_positive = tf.math.is_finite(wave) & (wave > 0.0)
    rises = tf.reduce_all(wave[1:] > wave[:-1])
    return (tf.size(wave) >= 2) & tf.reduce_all(is_positive) & rises


def _place_valid(
    wave: tf.Tensor, flux: tf.Tensor, grid: Grid, max_drift: float
) -> PlacedFlux:
    edges = tf.constant(grid.edges)
    ends = tf.stack([edges[0], edges[-1]])
    start, stop = tf.unstack(tf.searchsorted(wave, ends))

    def place_overlap() -> PlacedFlux:
        low, high = _drift(wave[start:stop], grid)
        placed = tf.cond(
            high - low >= max_drift,
            lambda: resample(wave, flux, edges),
            lambda: _shift(flux[start:stop], (low + high) / 2.0, grid.n_pixels),
        )
        return PlacedFlux(placed, tf.constant(0))

    placed = tf.cond(
        start < stop, place_overlap, lambda: _nothing(grid, Flag.NO_OVERLAP)
    )
    return PlacedFlux(*placed)


def _shift(flux: tf.Tensor, offset: tf.Tensor, n_pixels: int) -> tf.Tensor:
    """Put what stands at `offset` pixels, up to half a pixel, onto whole ones."""
    first = tf.maximum(0, tf.cast(tf.floor(offset + 0.5), tf.int32))
    flux = flux[: n_pixels - first]
    paddings = [[first, n_pixels - first - tf.size(flux)]]
    return tf.pad(flux, paddings, constant_values=float("nan"))


def _drift(wave: tf.Tensor, grid: Grid) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the extremes of the pixels' positions less those in the file."""
    if grid.spacing == "log":
        position = tf.math.log(wave / grid.wave_min) * (grid.wave_min / grid.wave_step)
    else:
        position = wave * (1.0 / grid.wave_step) - grid.wave_min / grid.wave_step
    offset = position - tf.range(tf.size(wave, tf.int64), dtype=tf.float64)
    return tf.reduce_min(offset), tf.reduce_max(offset)


def _pixel_edges(wave: tf.Tensor) -> tf.Tensor:
    """Return borders half way between pixels, and as far beyond the outer two."""
    middle = 0.5 * (wave[1:] + wave[:-1])
    first = 1.5 * wave[:1] - 0.5 * wave[1:2]
    last = 1.5 * wave[-1:] - 0.5 * wave[-2:-1]
    return tf.concat([first, middle, last], axis=0)


def _nothing(grid: Grid, flag: Flag) -> PlacedFlux:
    flux = tf.fill([grid.n_pixels], tf.constant(float("nan")))
    return PlacedFlux(flux, tf.constant(int(flag)))
