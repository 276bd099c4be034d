"""The wavelength grid all spectra of a data set share, and how they get onto it."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tfrecords_tools.config import MAX_PIXELS, Section
from tfrecords_tools.spectrum import SpectrumError

_BLOCK = np.arange(16_384, dtype=np.float64)
OVERLAP_TOLERANCE = 1e-6
"""Pixels: less overlap than this with a bad pixel is rounding of the edges."""


class Placement(NamedTuple):
    """A spectrum on the grid."""

    flux: NDArray[np.float32]
    """Shape (n_pixels,), NaN where the file has no valid pixel."""
    phase_error: float
    """Pixels by which shifted data stand right of their grid pixel; 0 if resampled."""
    resampled: bool
    """Whether the flux was integrated over the grid's pixels instead of shifted."""
    error: NDArray[np.float32] | None = None
    """Shape (n_pixels,), NaN where it is unknown; None if none was given."""


class Grid(Section):
    """
    Air wavelengths in the barycentric frame, equidistant or in equal ratios.

    Examples
    --------
    >>> from tfrecords_tools.grid import Grid
    >>> grid = Grid(wave_min=5000.0, wave_step=0.5, n_pixels=4)
    >>> grid.wave
    array([5000. , 5000.5, 5001. , 5001.5])
    >>> file_wave = np.array([5000.5, 5001.0, 5001.5, 5002.0])
    >>> file_flux = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    >>> grid.place(file_wave, file_flux, max_drift=0.05).flux
    array([nan,  1.,  2.,  3.], dtype=float32)
    """

    wave_min: float = Field(default=3785.0, gt=0.0)
    """First wavelength [Angstrom]."""
    wave_step: float = Field(default=0.01, gt=0.0)
    """Distance of neighbouring pixels; with spacing log, of the first two's centres
    to first order: ``wave_min * dv / c`` for pixels of the velocity dv [Angstrom]."""
    spacing: Literal["linear", "log"] = "linear"
    """In equal steps, or in equal ratios: equal steps of velocity (FITS paper III,
    eq. 5: wave_min is CRVAL1, wave_step CDELT1 of an axis AWAV-LOG)."""
    n_pixels: int = Field(default=312_501, ge=1, le=MAX_PIXELS)

    @model_validator(mode="before")
    @classmethod
    def _without_padding(cls, tree: Any) -> Any:
        # Records, runs and settings of before say how a network pads spectra. It finds
        # that out itself.
        if isinstance(tree, dict):
            return {k: value for k, value in tree.items() if k != "pad_to_multiple"}
        return tree

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelength of each pixel, shape (n_pixels,) [Angstrom]."""
        return self._wave_at(np.arange(self.n_pixels, dtype=np.float64))

    @property
    def edges(self) -> NDArray[np.float64]:
        """Borders of the pixels, shape (n_pixels + 1,) [Angstrom]."""
        return self._wave_at(np.arange(self.n_pixels + 1, dtype=np.float64) - 0.5)

    def place(
        self,
        wave: NDArray[np.float64],
        flux: NDArray[np.float32],
        max_drift: float,
        error: NDArray[np.float32] | None = None,
    ) -> Placement:
        """
        Put a spectrum onto the grid.

        Parameters
        ----------
        wave : ndarray of float64
            Wavelengths in air, increasing, shape (n,) [Angstrom].
        flux : ndarray of float32
            Flux density, NaN where bad, shape (n,).
        max_drift : float
            If the file's pixels drift less than this against the grid's, from the
            first to the last they share, they are moved by whole pixels; else they
            are resampled [pixel].
        error : ndarray of float32, optional
            Standard deviation of the flux, NaN where it is unknown, shape (n,).

        Returns
        -------
        placement : Placement
            The flux on the grid, and how it got there.

        Raises
        ------
        SpectrumError
            If the file has no wavelength on the grid.
        """
        ends = self._wave_at(np.array([-0.5, self.n_pixels - 0.5]))
        start, stop = (int(index) for index in np.searchsorted(wave, ends))
        if start == stop:
            raise SpectrumError(
                f"no overlap with the grid: {wave[0]:.1f} to {wave[-1]:.1f} Angstrom"
            )
        low, high = self._drift(wave[start:stop])
        if high - low >= max_drift:
            moved = resample(wave, flux, self.edges)
            spread = error if error is None else resample_error(wave, error, self.edges)
            return Placement(moved, 0.0, True, spread)
        # Rounding to even would move equal phases of one half to different sides.
        first = max(0, math.floor((low + high) / 2.0 + 0.5))
        stop = min(stop, start + self.n_pixels - first)

        def shift(values: NDArray[np.float32]) -> NDArray[np.float32]:
            placed = np.full(self.n_pixels, np.nan, dtype=np.float32)
            placed[first : first + stop - start] = values[start:stop]
            return placed

        spread = error if error is None else shift(error)
        return Placement(shift(flux), (low + high) / 2.0 - first, False, spread)

    def _drift(self, wave: NDArray[np.float64]) -> tuple[float, float]:
        """Extremes of the pixels' positions less those in the file."""
        extremes: list[float] = []
        for i in range(0, wave.size, _BLOCK.size):  # which fits into the cache
            offset = self.position(wave[i : i + _BLOCK.size])
            offset -= _BLOCK[: offset.size]
            extremes += (float(offset.min()) - i, float(offset.max()) - i)
        return min(extremes), max(extremes)

    def _wave_at(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wavelengths of positions in pixels, 0 at the first one's centre."""
        offset = self.wave_step * position
        if self.spacing == "log":
            return self.wave_min * np.exp(offset / self.wave_min)
        return self.wave_min + offset

    def position(self, wave: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Tell where wavelengths stand on the grid.

        Parameters
        ----------
        wave : ndarray of float64
            Any shape [Angstrom].

        Returns
        -------
        position : ndarray of float64
            In pixels, 0 at the centre of the first; same shape.
        """
        if self.spacing == "log":
            return np.log(wave / self.wave_min) * (self.wave_min / self.wave_step)
        position = wave * (1.0 / self.wave_step)
        position -= self.wave_min / self.wave_step
        return position


def resample(
    wave: NDArray[np.float64],
    flux: NDArray[np.float32],
    edges: NDArray[np.float64],
) -> NDArray[np.float32]:
    """
    Average a flux density over other pixels, conserving its integral.

    Parameters
    ----------
    wave : ndarray of float64
        Centres of the pixels, increasing, shape (n,) [Angstrom].
    flux : ndarray of float32
        Flux density, constant within each pixel, NaN where bad, shape (n,).
    edges : ndarray of float64
        Borders of the new pixels, increasing, shape (m + 1,) [Angstrom].

    Returns
    -------
    resampled : ndarray of float32
        Mean flux density of each new pixel, shape (m,); NaN exactly where the new
        pixel overlaps a bad one or leaves the spectrum.

    Notes
    -----
    The borders of old and new pixels cut the axis into segments that lie in one old
    and one new pixel each. Their fluxes are summed locally, in O(n + m): unlike with
    differences of a cumulative sum, one extreme pixel cannot spoil others' digits.

    Examples
    --------
    >>> from tfrecords_tools.grid import resample
    >>> density = np.array([4.0, 0.0, 1.0, np.nan], np.float32)
    >>> edges = np.array([0.5, 2.5, 3.5, 4.5])
    >>> resample(np.array([1.0, 2.0, 3.0, 4.0]), density, edges)
    array([ 2.,  1., nan], dtype=float32)
    """
    return _sum_overlaps(wave, flux, edges, 1)


def resample_error(
    wave: NDArray[np.float64],
    error: NDArray[np.float32],
    edges: NDArray[np.float64],
) -> NDArray[np.float32]:
    """
    Find the error of a flux density that `resample` averages.

    Parameters
    ----------
    wave : ndarray of float64
        Centres of the pixels, increasing, shape (n,) [Angstrom].
    error : ndarray of float32
        Standard deviation of the flux density, NaN where unknown, shape (n,).
    edges : ndarray of float64
        Borders of the new pixels, increasing, shape (m + 1,) [Angstrom].

    Returns
    -------
    resampled : ndarray of float32
        Of each new pixel, shape (m,); NaN where the new pixel overlaps one of unknown
        error or leaves the spectrum.

    Notes
    -----
    With independent errors s of the old pixels and overlaps w, the variance of the mean
    is ``sum(w**2 * s**2) / sum(w)**2``. New pixels that share an old one are
    correlated, which is not recorded.
    """
    return np.sqrt(_sum_overlaps(wave, error, edges, 2))


def _sum_overlaps(
    wave: NDArray[np.float64],
    values: NDArray[np.float32],
    edges: NDArray[np.float64],
    power: int,
) -> NDArray[np.float32]:
    """Sum powers of (overlap times value), over that power of the whole overlap."""
    old = pixel_edges(wave)
    n_new = edges.size - 1
    borders = np.concatenate([old, edges])
    order = np.argsort(borders, kind="stable")  # merges two sorted runs
    borders = borders[order]
    from_old = order < old.size
    in_old = np.cumsum(from_old)[:-1] - 1  # old pixel of each segment
    in_new = np.cumsum(~from_old)[:-1] - 1
    inside = (in_new >= 0) & (in_new < n_new) & (in_old >= 0) & (in_old < wave.size)
    in_old, in_new = in_old[inside], in_new[inside]
    width = np.diff(borders)[inside]

    density = values.astype(np.float64)[in_old]
    good = np.isfinite(density)
    good_width = np.where(good, width, 0.0)
    covered = np.bincount(in_new, weights=good_width, minlength=n_new)
    total = np.bincount(
        in_new,
        weights=(np.where(good, density, 0.0) * good_width) ** power,
        minlength=n_new,
    )
    whole = covered >= (1.0 - OVERLAP_TOLERANCE) * np.diff(edges)
    resampled = np.full(n_new, np.nan, dtype=np.float32)
    resampled[whole] = total[whole] / covered[whole] ** power
    return resampled


def pixel_edges(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Borders half way between neighbouring pixels, and as far beyond the outer two.

    Parameters
    ----------
    wave : ndarray of float64
        Centres of at least two pixels, increasing, shape (n,) [Angstrom].

    Returns
    -------
    edges : ndarray of float64
        Shape (n + 1,) [Angstrom].
    """
    middle = 0.5 * (wave[1:] + wave[:-1])
    first = 1.5 * wave[0] - 0.5 * wave[1]
    last = 1.5 * wave[-1] - 0.5 * wave[-2]
    return np.concatenate([[first], middle, [last]])
