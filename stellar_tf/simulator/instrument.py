"""HARPS as a camera: its response, detectors and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from tfrecords_tools.spectrum import SPEED_OF_LIGHT

GAIN = 1.42
"""Electrons per ADU."""
READ_NOISE = 4.94
"""Of one detector pixel [electrons]."""
EXTRACTION_WIDTH = 17
"""Detector pixels across the order that are added up into one of the spectrum."""
GAP = (5304.317, 5337.262)
"""Between the two detectors, in the observer's frame [Angstrom]."""
SECOND_RADIATION = 1.438777e8
"""hc / k [Angstrom K]."""
RESPONSE_WAVE = (
    3780.0, 3850.0, 3900.0, 4000.0, 4200.0, 4500.0, 5000.0, 5500.0,
    6000.0, 6400.0, 6700.0, 6920.0,
)  # fmt: skip
RESPONSE = (0.05, 0.10, 0.18, 0.35, 0.58, 0.74, 0.87, 0.95, 1.0, 0.97, 0.90, 0.82)
"""Atmosphere, telescope, fibre and spectrograph at `RESPONSE_WAVE`: photons counted
over photons of a black body, as the continua of real products have it, rounded."""

_response = PchipInterpolator(RESPONSE_WAVE, np.log(RESPONSE), extrapolate=True)


def response(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Relative efficiency of atmosphere, telescope and instrument.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_wave,)
        Air wavelengths [Angstrom].

    Returns
    -------
    response : ndarray of float64, shape (n_wave,)
        1 at 6000 Angstrom, 0.05 at the blue end.
    """
    return np.asarray(np.exp(_response(wave)), np.float64)


def black_body(wave: NDArray[np.float64], teff: float) -> NDArray[np.float64]:
    """
    Photons per Angstrom of a black body, by Planck's law.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_wave,)
        Wavelengths [Angstrom].
    teff : float
        Its temperature [K].

    Returns
    -------
    photons : ndarray of float64, shape (n_wave,)
        In units of its mean over the wavelengths given.
    """
    photons = (wave / wave[0]) ** -4 / np.expm1(SECOND_RADIATION / (wave * teff))
    return np.asarray(photons / photons.mean(), np.float64)


def tilt_factor(wave: NDArray[np.float64], tilt: float) -> NDArray[np.float64]:
    """
    Slope of an exposure's continuum, as clouds and guiding leave it.

    Parameters
    ----------
    wave : ndarray of float64, shape (n_wave,)
        Ascending wavelengths [Angstrom].
    tilt : float
        Difference of ln flux between the last and the first wavelength.

    Returns
    -------
    factor : ndarray of float64, shape (n_wave,)
        Linear in ln, 1 in the middle.
    """
    middle = 0.5 * (wave[0] + wave[-1])
    factor: NDArray[np.float64] = np.exp(tilt * (wave - middle) / (wave[-1] - wave[0]))
    return factor


def read_noise() -> float:
    """Compute the standard deviation of an extracted pixel's read noise [electrons]."""
    return float(READ_NOISE * np.sqrt(EXTRACTION_WIDTH))


def level_for_snr(snr: float) -> float:
    """
    Flux at which a pixel has a signal-to-noise ratio.

    Parameters
    ----------
    snr : float
        Signal to noise of one pixel of the file.

    Returns
    -------
    flux : float
        Its flux [ADU].

    Notes
    -----
    The positive root of ``electrons = snr sqrt(electrons + read_noise^2)``.
    """
    square = snr**2
    electrons = 0.5 * (square + np.sqrt(square**2 + 4.0 * square * read_noise() ** 2))
    return float(electrons / GAIN)


def noise_deviation(flux: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the standard deviation of photon and read noise [ADU] at a flux [ADU]."""
    electrons = np.maximum(flux, 0.0) * GAIN + read_noise() ** 2
    return np.asarray(np.sqrt(electrons) / GAIN, np.float32)


def correlated_noise(n_pixels: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """
    Draw normal deviates whose neighbours correlate by one half.

    Parameters
    ----------
    n_pixels : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    noise : ndarray of float32, shape (n_pixels,)
        Variance 1; correlation 0.5 with the next pixel, none beyond.

    Notes
    -----
    Neighbours in real products correlate by 0.5, since rebinning mixes detector
    pixels. Of the mixtures of two, equal shares are the one that yields 0.5.
    """
    white = rng.standard_normal(n_pixels + 1, dtype=np.float32)
    return (white[1:] + white[:-1]) * np.float32(np.sqrt(0.5))


class Interval(NamedTuple):
    """Consecutive pixels, the last one excluded."""

    first: int
    last: int


def gap_pixels(
    wave_min: float, wave_step: float, n_pixels: int, berv: float
) -> Interval:
    """
    Pixels that fall between the two detectors.

    Parameters
    ----------
    wave_min : float
        First wavelength of the file, barycentric [Angstrom].
    wave_step : float
        Distance of its pixels [Angstrom].
    n_pixels : int
        Their number.
    berv : float
        Barycentric Earth radial velocity [km/s].

    Returns
    -------
    pixels : Interval
        Empty where the file does not reach the gap.

    Notes
    -----
    The detectors stand still in the observer's frame. In 14 real products the gap's
    first pixel divided by ``1 + berv / c`` is the same within 0.01 Angstrom.
    """
    doppler = 1.0 + berv / SPEED_OF_LIGHT
    ends = (np.array(GAP) * doppler - wave_min) / wave_step
    first, last = np.clip(np.ceil(ends), 0, n_pixels).astype(int)
    return Interval(int(first), int(last))
