"""One spectrum with its metadata, and the corrections made before it is gridded."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SPEED_OF_LIGHT = 299_792.458
"""Of light in vacuum [km/s]."""

SHORTEST_IN_AIR = 2000.0
"""Below it wavelengths are given in vacuum, and the index of air is not known
[Angstrom]."""

Medium = Literal["air", "vacuum"]


class SpectrumError(ValueError):
    """A file is not taken; the message is the reason, in one line."""


class UnreadableError(SpectrumError):
    """The system does not give the file: that says nothing about its content."""


@dataclass(frozen=True)
class Metadata:
    """
    What a header says about an exposure: NaN and "" where it says nothing.

    Notes
    -----
    Every keyword is optional in the archive's files.
    """

    dp_id: str
    """Identifier of the data product."""
    target: str = ""
    """Name of the target as the observer wrote it."""
    instrument: str = ""
    ra: float = math.nan
    """Right ascension of the pointing [deg]."""
    dec: float = math.nan
    """Declination of the pointing [deg]."""
    mjd: float = math.nan
    """Modified Julian date of the start [d]."""
    exptime: float = math.nan
    """Exposure time [s]."""
    snr: float = math.nan
    """Median signal to noise per pixel."""
    berv: float = math.nan
    """Barycentric Earth radial velocity [km/s]."""
    airmass: float = math.nan
    """Airmass at the start."""
    specsys: str = "UNKNOWN"
    """Frame of the wavelengths, a value of the FITS keyword SPECSYS or UNKNOWN."""
    flux_unit: str = ""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """
    Wavelengths and flux of one exposure, checked when it is made.

    Raises
    ------
    SpectrumError
        If the arrays differ in length, the wavelengths are not finite, positive and
        increasing, or the flux is NaN or zero everywhere.
    """

    wave: NDArray[np.float64]
    """Shape (n,), increasing [Angstrom]."""
    flux: NDArray[np.float32]
    """Shape (n,), NaN where the pixel is bad [metadata.flux_unit]."""
    metadata: Metadata
    medium: Medium = "air"
    """What the wavelengths are measured in."""
    history: tuple[str, ...] = ()
    """What was done to the spectrum, or taken for granted, in order."""
    error: NDArray[np.float32] | None = None
    """Standard deviation of the flux, shape (n,), NaN where it is unknown; None if the
    file has none [metadata.flux_unit]."""
    is_medium_assumed: bool = False
    """Whether nothing says what the wavelengths are measured in."""
    n_spikes: int = 0
    """Pixels that are bad for being far from all others."""

    def __post_init__(self) -> None:
        _check_wave(self.wave, self.flux)
        _check_flux(self.flux)
        if self.error is not None and self.error.shape != self.flux.shape:
            raise SpectrumError(
                f"flux and its errors differ in length: {self.flux.size} and "
                f"{self.error.size}"
            )

    def with_bad_pixels(
        self, flux: NDArray[np.float32], step: str, n_spikes: int = 0
    ) -> Spectrum:
        """
        Replace the flux by one with more bad pixels, without checking all again.

        Parameters
        ----------
        flux : ndarray of float32
            Shape (n,); it still has valid pixels that are not zero.
        step : str
            What was masked, for the history.
        n_spikes : int
            How many of them are spikes.

        Returns
        -------
        spectrum : Spectrum
            Its history tells of it.
        """
        spectrum = copy.copy(self)
        object.__setattr__(spectrum, "flux", flux)
        object.__setattr__(spectrum, "history", (*self.history, step))
        object.__setattr__(spectrum, "n_spikes", self.n_spikes + n_spikes)
        return spectrum


def as_flux(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """
    Copy values to native float32, with NaN as the one mark of a bad pixel.

    Parameters
    ----------
    values : ndarray
        Numbers of any type and byte order, shape (n,).

    Returns
    -------
    flux : ndarray of float32
        Shape (n,); infinities, and values float32 cannot hold, are NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        flux = values.astype(np.float32)
    flux[np.isinf(flux)] = np.nan
    return flux


def mask_zero_runs(
    flux: NDArray[np.float32], min_zero_run: int
) -> tuple[NDArray[np.float32], int]:
    """
    Mark long runs of exact zeros, such as the gap between two CCDs, as bad.

    Parameters
    ----------
    flux : ndarray of float32
        Shape (n,).
    min_zero_run : int
        Shorter runs of zeros are data [pixel].

    Returns
    -------
    masked : ndarray of float32
        Shape (n,): the same array if there is no such run, else a copy with NaN.
    n_masked : int
        Pixels in the runs.
    """
    zeros = np.flatnonzero(flux == 0.0)
    runs = np.split(zeros, np.flatnonzero(np.diff(zeros) > 1) + 1)
    gaps = [run for run in runs if run.size >= min_zero_run]
    if not gaps:
        return flux, 0
    masked = flux.copy()
    for gap in gaps:
        masked[gap] = np.nan
    return masked, sum(gap.size for gap in gaps)


def mask_spikes(
    flux: NDArray[np.float32], max_ratio: float
) -> tuple[NDArray[np.float32], int]:
    """
    Mark pixels that are far from all others as bad.

    Parameters
    ----------
    flux : ndarray of float32
        Shape (n,), NaN where bad.
    max_ratio : float
        A pixel larger in size than so many medians is a spike. The median is that of
        the sizes of all valid pixels that are not zero.

    Returns
    -------
    masked : ndarray of float32
        Shape (n,): the same array if there is no spike, else a copy with NaN.
    n_spikes : int
        Pixels marked.
    """
    size = np.abs(flux)
    # More than half of the pixels reach that: so does the median, and none is beyond.
    n_high = np.count_nonzero(size >= np.fmax.reduce(size, initial=0.0) / max_ratio)
    if 2 * n_high > size.size:
        return flux, 0
    positive = size[size > 0.0]
    if not positive.size:
        return flux, 0
    median = np.median(positive)
    spikes = size > max_ratio * float(median)
    return np.where(spikes, np.float32(np.nan), flux), int(np.count_nonzero(spikes))


def vacuum_to_air(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Wavelengths in standard air of wavelengths in vacuum.

    Parameters
    ----------
    wave : ndarray of float64
        Vacuum wavelengths above 2000 [Angstrom].

    Returns
    -------
    air : ndarray of float64
        Same shape [Angstrom].

    Notes
    -----
    The refractive index is that of Edlen (1953, J. Opt. Soc. Am. 43, 339) as given
    by Morton (1991, ApJS 77, 119, eq. 3) and adopted by the IAU. The ESPRESSO
    pipeline uses it too: its two columns agree with it to 2e-6 Angstrom, while
    Ciddor (1996) is 1.3e-4 Angstrom away at 7900 Angstrom.

    Examples
    --------
    H alpha:

    >>> from tfrecords_tools.spectrum import vacuum_to_air
    >>> vacuum_to_air(np.array([6564.61])).round(2)
    array([6562.8])
    """
    sigma2 = (1.0e4 / wave) ** 2  # squared wavenumber [1 / um^2]
    index = (
        1.0
        + 6.4328e-5
        + 2.94981e-2 / (146.0 - sigma2)
        + 2.5540e-4 / (41.0 - sigma2)
    )  # fmt: skip
    return wave / index


def doppler_factor(velocity: float) -> float:
    """
    Ratio by which a receding velocity stretches wavelengths, relativistically.

    Parameters
    ----------
    velocity : float
        Positive when source and observer move apart [km/s].

    Returns
    -------
    factor : float
        ``sqrt((1 + v/c) / (1 - v/c))``.

    Examples
    --------
    >>> from tfrecords_tools.spectrum import doppler_factor
    >>> round(6562.8 * doppler_factor(30.0), 2)
    6563.46
    """
    beta = velocity / SPEED_OF_LIGHT
    return math.sqrt((1.0 + beta) / (1.0 - beta))


def to_barycentric(spectrum: Spectrum) -> Spectrum:
    """
    Shift topocentric wavelengths to the barycentre, if the BERV is known.

    Parameters
    ----------
    spectrum : Spectrum
        In any frame.

    Returns
    -------
    shifted : Spectrum
        The same object unless it was topocentric; its history tells what was done.

    Notes
    -----
    An observer moving towards the star (BERV > 0) sees it bluer, so the wavelengths
    are multiplied by `doppler_factor` (BERV), in vacuum or in air alike: the index
    of air changes by less than 1e-8 over such a shift.
    """
    metadata = spectrum.metadata
    if metadata.specsys != "TOPOCENT":
        return spectrum
    if not abs(metadata.berv) < SPEED_OF_LIGHT:
        step = "topocentric wavelengths kept: BERV unknown"
        return replace(spectrum, history=(*spectrum.history, step))
    return replace(
        spectrum,
        wave=spectrum.wave * doppler_factor(metadata.berv),
        metadata=replace(metadata, specsys="BARYCENT"),
        history=(
            *spectrum.history,
            f"topocentric to barycentric, BERV {metadata.berv:.4f} km/s",
        ),
    )


def to_air(spectrum: Spectrum) -> Spectrum:
    """
    Convert vacuum wavelengths to air.

    Parameters
    ----------
    spectrum : Spectrum
        In either medium.

    Returns
    -------
    converted : Spectrum
        The same object if it was in air already; its history tells what was done.

    Raises
    ------
    SpectrumError
        If it has fewer than two pixels from 2000 Angstrom on, where wavelengths are
        given in air at all.
    """
    if spectrum.medium == "air":
        return spectrum
    history = (*spectrum.history, "vacuum to air (Morton 1991)")
    first = int(np.searchsorted(spectrum.wave, SHORTEST_IN_AIR))
    if first:
        history += (f"{first} pixels below {SHORTEST_IN_AIR:g} Angstrom cut",)
    error = spectrum.error
    return replace(
        spectrum,
        wave=vacuum_to_air(spectrum.wave[first:]),
        flux=spectrum.flux[first:],
        error=None if error is None else error[first:],
        medium="air",
        history=history,
    )


def _check_wave(wave: NDArray[np.float64], flux: NDArray[np.float32]) -> None:
    if wave.ndim != 1 or wave.shape != flux.shape:
        raise SpectrumError(
            "wavelengths and flux must be two rows of the same length, "
            f"got shapes {wave.shape} and {flux.shape}"
        )
    if wave.size < 2:
        raise SpectrumError(f"the spectrum has {wave.size} pixels")
    # NaN is not greater than anything: between finite ends all that rises is finite.
    rises = bool((wave[1:] > wave[:-1]).all())
    if not (rises and np.isfinite(wave[[0, -1]]).all()):
        raise SpectrumError(_why_not_increasing(wave))
    if wave[0] <= 0.0:
        raise SpectrumError(f"wavelengths are not positive: {wave[0]:g} Angstrom")


def _why_not_increasing(wave: NDArray[np.float64]) -> str:
    if not np.isfinite(wave).all():
        return "wavelengths are not finite"
    n_back = int(np.count_nonzero(wave[1:] < wave[:-1]))
    if 0 < n_back < wave.size // 10:
        return (
            f"wavelengths step back {n_back} times, as overlapping orders of an "
            f"echelle do: merge them to one spectrum before"
        )
    return "wavelengths do not increase"


def _check_flux(flux: NDArray[np.float32]) -> None:
    for some in (flux[::101], flux):  # nearly always a few pixels tell
        if (np.isfinite(some) & (some != 0.0)).any():
            return
    everywhere = "zero" if np.isfinite(flux).any() else "NaN"
    raise SpectrumError(f"flux is {everywhere} everywhere")
