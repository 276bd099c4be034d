"""From raw flux on the grid to the network's input, as TensorFlow operations."""

from __future__ import annotations

from typing import Literal, NamedTuple

import tensorflow as tf

from tfrecords_tools.grid import Grid


class NormalisedFlux(NamedTuple):
    """What the network takes, and what was divided out."""

    flux: tf.Tensor
    """float32, shape (batch, padded_length): normalised, NaN at bad pixels."""
    median_flux: tf.Tensor
    """float32, shape (batch,): in the unit of the raw flux."""
    valid_fraction: tf.Tensor
    """float32, shape (batch,): share of the grid's pixels that are valid."""


def mask_zero_runs(flux: tf.Tensor, min_zero_run: int) -> tf.Tensor:
    """
    Mark runs of exact zeros, the gap between two detectors, as bad.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Raw flux.
    min_zero_run : int
        Shortest run that is no data.

    Returns
    -------
    flux : Tensor of float32, shape (batch, n_pixels)
        NaN in the runs.
    """
    n = min_zero_run
    is_zero = tf.cast(tf.equal(flux, 0.0), tf.int32)
    # A window of n pixels, which may reach beyond the ends, is all zero where its sum
    # is n; a pixel is in a run when any of the n windows that hold it is.
    count = tf.cumsum(tf.pad(is_zero, [[0, 0], [n, n - 1]]), axis=-1)
    starts = tf.cast(tf.equal(count[:, n:] - count[:, :-n], n), tf.int32)
    n_starts = tf.cumsum(tf.pad(starts, [[0, 0], [1, 0]]), axis=-1)
    in_run = n_starts[:, n:] - n_starts[:, :-n] > 0
    return tf.where(in_run, tf.constant(float("nan"), flux.dtype), flux)


def median_valid(flux: tf.Tensor) -> tf.Tensor:
    """
    Median over the finite pixels of each spectrum.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        NaN at bad pixels.

    Returns
    -------
    median : Tensor of float32, shape (batch,)
        NaN for a spectrum without finite pixels.
    """
    valid = tf.math.is_finite(flux)
    n_valid = tf.reduce_sum(tf.cast(valid, tf.int32), axis=-1)
    ordered = tf.sort(tf.where(valid, flux, tf.constant(float("inf"))), axis=-1)
    lower = tf.gather(ordered, tf.maximum(n_valid - 1, 0) // 2, axis=1, batch_dims=1)
    upper = tf.gather(ordered, n_valid // 2, axis=1, batch_dims=1)
    nan = tf.fill(tf.shape(lower), float("nan"))
    return tf.where(n_valid > 0, 0.5 * (lower + upper), nan)


def pad_flux(flux: tf.Tensor, grid: Grid) -> tf.Tensor:
    """
    Extend spectra with bad pixels to the length of the network's input.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        On the grid.
    grid : Grid
        Gives the padding on both sides.

    Returns
    -------
    flux : Tensor of float32, shape (batch, padded_length)
        NaN in the padding.
    """
    paddings = [[0, 0], [grid.pad_left, grid.pad_right]]
    return tf.pad(flux, paddings, constant_values=float("nan"))


def crop_flux(flux: tf.Tensor, grid: Grid) -> tf.Tensor:
    """
    Undo `pad_flux`.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, padded_length)
        The network's output.
    grid : Grid
        Gives the padding on both sides.

    Returns
    -------
    flux : Tensor of float32, shape (batch, n_pixels)
        On the grid.
    """
    return flux[:, grid.pad_left : grid.pad_left + grid.n_pixels]


def normalise_flux(
    flux: tf.Tensor,
    grid: Grid,
    kind: Literal["masked", "paper"],
    median_flux: tf.Tensor | None = None,
) -> NormalisedFlux:
    """
    Divide by the median and pad.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Raw flux on the grid, NaN at bad pixels.
    grid : Grid
        Gives the padding.
    kind : {"masked", "paper"}
        Median over the valid pixels, or over all pixels of the padded spectrum with
        invalid ones counted as zeros.
    median_flux : Tensor of float32, shape (batch,), optional
        Median over the valid pixels where it is known already.

    Returns
    -------
    normalised : NormalisedFlux
        The network's input. All pixels are bad where the median is not a positive
        number.

    Notes
    -----
    Sedaghat et al. 2021 released both variants; theirs of 2021 is "paper".
    """
    normalised, median_flux = normalise_padded(pad_flux(flux, grid), kind, median_flux)
    valid = tf.math.is_finite(flux)
    valid_fraction = tf.reduce_mean(tf.cast(valid, tf.float32), axis=-1)
    return NormalisedFlux(normalised, median_flux, valid_fraction)


def normalise_padded(
    flux: tf.Tensor,
    kind: Literal["masked", "paper"],
    median_flux: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """
    Divide what is padded already by the median.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, padded_length)
        Raw flux, NaN at bad pixels.
    kind : {"masked", "paper"}
        As in `normalise_flux`.
    median_flux : Tensor of float32, shape (batch,), optional
        Median over the valid pixels where it is known already.

    Returns
    -------
    normalised : Tensor of float32, shape (batch, padded_length)
        The network's input.
    median_flux : Tensor of float32, shape (batch,)
        What was divided by.
    """
    if kind == "paper":
        counted = tf.where(tf.math.is_finite(flux), flux, tf.zeros_like(flux))
        median_flux = median_valid(counted)
    elif median_flux is None:
        median_flux = median_valid(flux)
    usable = tf.where(median_flux > 0.0, median_flux, tf.constant(float("nan")))
    return flux / usable[:, tf.newaxis], median_flux
