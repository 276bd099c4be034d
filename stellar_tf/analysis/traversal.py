"""Spectra, and what the stars are like, along one latent dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from stellar_tf.analysis.columns import Label, is_category, is_known
from stellar_tf.analysis.lines import name_wavelengths
from stellar_tf.analysis.statistics import MIN_STARS

LOCAL_SHARE = 0.05
"""Of the stars with a known label, those nearest to a position that tell."""

Decode = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""From z, shape (m, n_latent), to normalised flux, shape (m, n_pixels)."""


class Traversal(NamedTuple):
    """Spectra along some latent dimensions."""

    wave: NDArray[np.float64]
    """Wavelengths in air, barycentric, shape (n_pixels,) [Angstrom]."""
    dimensions: NDArray[np.intp]
    """The dimensions moved, shape (n_dimensions,)."""
    positions: NDArray[np.float64]
    """Their values, ascending, shape (n_dimensions, n)."""
    flux: NDArray[np.float32]
    """Decoded normalised flux, shape (n_dimensions, n, n_pixels)."""

    @property
    def change(self) -> NDArray[np.float32]:
        """Largest minus smallest flux along each dimension, per pixel."""
        return np.asarray(np.ptp(self.flux, axis=1), np.float32)


def traverse(
    decode: Decode,
    wave: NDArray[np.floating],
    z_mean: NDArray[np.floating],
    dimensions: Sequence[int] | NDArray[np.integer],
    *,
    n: int,
    through_median: bool = False,
) -> Traversal:
    """
    Decode spectra while one dimension moves and the others rest.

    Parameters
    ----------
    decode : callable
        From z, float32 of shape (m, n_latent), to flux of shape (m, n_pixels).
    wave : ndarray of float, shape (n_pixels,)
        Wavelengths of the pixels [Angstrom].
    z_mean : ndarray of float, shape (n_stars, n_latent)
        Posterior means, one spectrum per star.
    dimensions : sequence of int
        The dimensions to move.
    n : int
        Positions along each, at least 2.
    through_median : bool, default False
        Make the position in the middle the median, where all dimensions meet; the
        steps are then even on each side of it. `n` must be odd.

    Returns
    -------
    traversal : Traversal
        From the 1st to the 99th percentile of each dimension, in even steps, with
        the other dimensions at their medians.

    Raises
    ------
    ValueError
        If `n` is below 2, or even where it must be odd, a dimension does not exist,
        or `decode` returns another number of pixels than `wave` has.
    """
    if through_median and n % 2 == 0:
        raise ValueError(f"n must be odd to have a middle, got {n}")
    chosen = np.asarray(dimensions, np.intp).reshape(-1)
    n_latent = z_mean.shape[1]
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}")
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < n_latent:
        raise ValueError(
            f"dimensions must lie in 0..{n_latent - 1}, got {chosen.tolist()}"
        )
    rest = np.median(z_mean, axis=0).astype(np.float32)
    positions = np.empty((chosen.size, n))
    flux = np.empty((chosen.size, n, len(wave)), np.float32)
    for row, dimension in enumerate(chosen):
        positions[row] = _positions(z_mean[:, dimension], n, through_median)
        z = np.tile(rest, (n, 1))  # (n, n_latent)
        z[:, dimension] = positions[row]
        decoded = np.asarray(decode(z))
        if decoded.shape != flux.shape[1:]:
            raise ValueError(
                f"decode must return shape {flux.shape[1:]}, got {decoded.shape}"
            )
        flux[row] = decoded
    return Traversal(np.asarray(wave, np.float64), chosen, positions, flux)


def _positions(
    z: NDArray[np.floating], n: int, through_median: bool
) -> NDArray[np.float64]:
    low, middle, high = np.percentile(z, [1.0, 50.0, 99.0])
    if not through_median:
        return np.linspace(low, high, n)
    half = np.linspace(low, middle, n // 2 + 1)
    return np.concatenate([half, np.linspace(middle, high, n // 2 + 1)[1:]])


def list_moving_wavelengths(
    traversal: Traversal, *, n: int = 8, separation: float = 1.0
) -> Table:
    """
    List the wavelengths each dimension moves most, with the lines there.

    Parameters
    ----------
    traversal : Traversal
        Decoded spectra.
    n : int, default 8
        Wavelengths per dimension.
    separation : float, default 1.0
        Of two maxima nearer than this only the larger one is listed [Angstrom].

    Returns
    -------
    table : astropy.table.Table
        Columns ``dimension``, ``rank`` (from 1), ``wave`` [Angstrom], ``change``
        (of the normalised flux) and ``line`` (within 0.3 Angstrom, or empty).
    """
    n_pixels = traversal.wave.size
    step = (traversal.wave[-1] - traversal.wave[0]) / max(n_pixels - 1, 1)
    width = 2 * int(np.ceil(separation / step)) + 1
    rows: list[tuple[int, int, float, float]] = []
    for dimension, change in zip(traversal.dimensions, traversal.change, strict=True):
        is_peak = (change == maximum_filter1d(change, width)) & (change > 0.0)
        peaks = np.flatnonzero(is_peak)
        peaks = peaks[np.argsort(-change[peaks], kind="stable")][:n]
        rows += [
            (int(dimension), rank, float(traversal.wave[pixel]), float(change[pixel]))
            for rank, pixel in enumerate(peaks, start=1)
        ]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    table = Table()
    table["dimension"] = np.array(columns[0], np.int64)
    table["rank"] = np.array(columns[1], np.int64)
    table["wave"] = np.array(columns[2], np.float64)
    table["change"] = np.array(columns[3], np.float64)
    table["line"] = name_wavelengths(table["wave"]) if rows else np.array([], "U1")
    table["wave"].unit = "Angstrom"
    table["change"].description = "range of the normalised flux along the dimension"
    table["line"].description = "named line within 0.3 Angstrom"
    return table


def local_percentiles(
    z: NDArray[np.floating], label: Label, positions: NDArray[np.floating]
) -> NDArray[np.float64]:
    """
    Measure a label among the stars nearest to some positions along a dimension.

    Parameters
    ----------
    z : ndarray of float, shape (n_stars,)
        Posterior means of the dimension.
    label : ndarray of float, shape (n_stars,)
        The label; NaN where unknown.
    positions : ndarray of float, shape (n,)
        Values of the dimension.

    Returns
    -------
    percentiles : ndarray of float, shape (n, 3)
        16th, 50th and 84th percentile of the label there; NaN for a category, or
        where too few stars have a known label.
    """
    percentiles = np.full((len(positions), 3), np.nan)
    if is_category(label):
        return percentiles
    known = is_known(label)
    n_near = max(MIN_STARS, round(LOCAL_SHARE * np.count_nonzero(known)))
    if np.count_nonzero(known) < n_near:
        return percentiles
    z, values = z[known], np.asarray(label[known], np.float64)
    for row, position in enumerate(positions):
        near = np.argpartition(np.abs(z - position), n_near - 1)[:n_near]
        percentiles[row] = np.percentile(values[near], [16.0, 50.0, 84.0])
    return percentiles
