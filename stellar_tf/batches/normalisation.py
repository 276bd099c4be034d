"""From raw flux on the grid to the network's input, as TensorFlow operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from stellar_tf.batches.continuum import flatten
from stellar_tf.config import Normalisation
from tfrecords_tools.grid import Grid


class NormalisedFlux(NamedTuple):
    """What the network takes, and what was divided out."""

    flux: tf.Tensor
    """float32, shape (batch, n_pixels): normalised, NaN at bad pixels."""
    median_flux: tf.Tensor
    """float32, shape (batch,): in the unit of the raw flux."""
    unit: tf.Tensor
    """float32, shape (batch, 1) or (batch, n_pixels): what the raw flux was divided by,
    the median or the continuum; not finite where there is none."""
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
    is_zero = tf.equal(flux, 0.0)
    # A pixel is in a run when any of the n windows that hold it, which may reach beyond
    # the ends, is all zero.
    padded = tf.pad(is_zero, [[0, 0], [n - 1, n - 1]])
    starts = _over_windows(tf.logical_and, padded, n)
    in_run = _over_windows(tf.logical_or, starts, n)
    return tf.where(in_run, tf.constant(float("nan"), flux.dtype), flux)


def mask_spikes(flux: tf.Tensor, max_ratio: float) -> tuple[tf.Tensor, tf.Tensor]:
    """
    Mark pixels that are far from all others as bad.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Raw flux, finite or NaN.
    max_ratio : float
        A pixel larger in size than so many medians is a spike. The median is that of
        the sizes of all valid pixels that are not zero.

    Returns
    -------
    flux : Tensor of float32, shape (batch, n_pixels)
        NaN at spikes.
    has_spikes : Tensor of bool, shape (batch,)
        Whether there are any.
    """
    size = tf.abs(flux)
    size = tf.where(size > 0.0, size, tf.constant(float("nan")))
    counted = tf.math.is_finite(size)
    largest = tf.reduce_max(tf.where(counted, size, 0.0), axis=-1, keepdims=True)
    # Where more than half of the pixels reach that, so does the median: no spikes.
    n_high = tf.math.count_nonzero(counted & (size >= largest / max_ratio), axis=-1)
    is_even = 2 * n_high > tf.math.count_nonzero(counted, axis=-1)

    def find_spikes() -> tf.Tensor:
        median = tf.cast(median_valid(size), tf.float64)
        limit = tf.cast(max_ratio * median, tf.float32)
        return size > limit[:, tf.newaxis]

    is_spike = tf.cond(
        tf.reduce_all(is_even), lambda: tf.zeros_like(counted), find_spikes
    )
    masked = tf.where(is_spike, tf.constant(float("nan")), flux)
    return masked, tf.reduce_any(is_spike, axis=-1)


def _over_windows(
    operation: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], values: tf.Tensor, n: int
) -> tf.Tensor:
    """Reduce every window of n pixels, doubling the windows until they are as long."""
    width = 1
    while width < n:
        step = min(width, n - width)
        values = operation(values[:, :-step], values[:, step:])
        width += step
    return values


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
    at_the_end = tf.where(valid, flux, tf.constant(float("inf")))
    median = tf.map_fn(
        lambda row: _median_of_first(*row),
        (at_the_end, n_valid),
        fn_output_signature=flux.dtype,
    )
    return tf.where(n_valid > 0, median, tf.constant(float("nan")))


def _median_of_first(values: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
    """Median of the n smallest, by a selection: sorting takes five times as long."""
    upper = tf.raw_ops.NthElement(input=values, n=n // 2)
    is_below = values < upper
    n_below = tf.reduce_sum(tf.cast(is_below, tf.int32))
    below = tf.reduce_max(tf.where(is_below, values, tf.constant(-float("inf"))))
    # Of an even number the median is between two, which may be equal.
    between = tf.equal(n % 2, 0) & tf.equal(n_below, n // 2) & (n > 0)
    return 0.5 * (tf.where(between, below, upper) + upper)


def normalise_flux(
    flux: tf.Tensor,
    grid: Grid,
    kind: Normalisation,
    median_flux: tf.Tensor | None = None,
    n_zeros: int = 0,
) -> NormalisedFlux:
    """
    Divide by the median or the continuum.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Raw flux on the grid, NaN at bad pixels.
    grid : Grid
        Its wavelengths.
    kind : {"masked", "paper", "continuum"}
        By the median over the valid pixels, by that over all pixels with invalid ones
        counted as zeros, or by the continuum.
    median_flux : Tensor of float32, shape (batch,), optional
        Median over the valid pixels where it is known already.
    n_zeros : int, default 0
        Pixels by which the network pads: "paper" counts them, too.

    Returns
    -------
    normalised : NormalisedFlux
        The network's input. All pixels are bad where the median is not a positive
        number.

    Notes
    -----
    Sedaghat et al. 2021 released both variants; theirs of 2021 is "paper".

    Examples
    --------
    >>> import tensorflow as tf
    >>> from stellar_tf.batches.normalisation import normalise_flux
    >>> from tfrecords_tools.grid import Grid
    >>> grid = Grid(n_pixels=4)
    >>> raw = tf.constant([[10.0, 20.0, np.nan, 40.0]])
    >>> normalised = normalise_flux(raw, grid, "masked")
    >>> normalised.flux.numpy(), normalised.median_flux.numpy()
    (array([[0.5, 1. , nan, 2. ]], dtype=float32), array([20.], dtype=float32))
    """
    flat, median_flux = divide_by_median(flux, kind, median_flux, n_zeros)
    unit = median_flux[:, tf.newaxis]
    if kind == "continuum":
        flat, continuum = flatten(flat, grid)
        unit *= continuum
    valid = tf.math.is_finite(flux)
    valid_fraction = tf.reduce_mean(tf.cast(valid, tf.float32), axis=-1)
    return NormalisedFlux(flat, median_flux, unit, valid_fraction)


def divide_by_median(
    flux: tf.Tensor,
    kind: Normalisation,
    median_flux: tf.Tensor | None = None,
    n_zeros: int = 0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """
    Divide by the median, with which every normalisation begins.

    Parameters
    ----------
    flux : Tensor of float32, shape (batch, n_pixels)
        Raw flux, NaN at bad pixels.
    kind : {"masked", "paper", "continuum"}
        As in `normalise_flux`; "continuum" only begins with the median.
    median_flux : Tensor of float32, shape (batch,), optional
        Median over the valid pixels where it is known already.
    n_zeros : int, default 0
        As in `normalise_flux`.

    Returns
    -------
    normalised : Tensor of float32, shape (batch, n_pixels)
        The flux over its median.
    median_flux : Tensor of float32, shape (batch,)
        What was divided by.
    """
    if kind == "paper":
        counted = tf.where(tf.math.is_finite(flux), flux, tf.zeros_like(flux))
        median_flux = median_valid(tf.pad(counted, [[0, 0], [0, n_zeros]]))
    elif median_flux is None:
        median_flux = median_valid(flux)
    usable = tf.where(median_flux > 0.0, median_flux, tf.constant(float("nan")))
    return flux / usable[:, tf.newaxis], median_flux
