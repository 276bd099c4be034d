"""Rotational broadening, radial velocity and the way to linear wavelengths."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from stellar_tf.simulator.emulator import Emulator
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

LIMB_DARKENING = 0.6
"""Linear coefficient of Gray's profile, usual in the optical for cool stars."""
N_PAD = 512
"""Pixels by which the flux at each end is continued, against wrap-around."""


def rotation_transfer(
    frequency: NDArray[np.float64], vsini: float
) -> NDArray[np.float64]:
    """
    Fourier transform of the rotational profile.

    Parameters
    ----------
    frequency : ndarray of float64
        Cycles per km/s.
    vsini : float
        Projected rotation velocity [km/s].

    Returns
    -------
    transfer : ndarray of float64, same shape
        1 at frequency zero: rotation conserves equivalent widths.

    Notes
    -----
    Gray (2005, The Observation and Analysis of Stellar Photospheres, 3rd ed.), eq.
    18.14: with x = v / vsini and limb darkening ``e``, the profile is
    ``[2 (1 - e) sqrt(1 - x^2) + pi e / 2 (1 - x^2)] / [pi (1 - e / 3)]``. Its
    transform is closed, in k = 2 pi frequency vsini: that of the first term has the
    Bessel function J1(k) / k, that of the second (sin k - k cos k) / k^3. So no
    profile narrower than a pixel has to be sampled.
    """
    k = 2.0 * np.pi * np.asarray(frequency) * vsini
    # Below this the series is exact to 1e-9 and the closed form cancels.
    small = np.abs(k) < 1.0e-2
    safe = np.where(small, 1.0, k)
    ring = np.where(small, 0.5 - k**2 / 16.0, special.j1(safe) / safe)
    disc = np.where(
        small,
        1.0 / 3.0 - k**2 / 30.0,
        (np.sin(safe) - safe * np.cos(safe)) / safe**3,
    )
    dark = LIMB_DARKENING
    total = 2.0 * np.pi * ((1.0 - dark) * ring + dark * disc)
    transfer: NDArray[np.float64] = total / (np.pi * (1.0 - dark / 3.0))
    return transfer


def spline_coefficients(
    flux: NDArray[np.float32], vsini: float, velocity_step: float
) -> NDArray[np.float32]:
    """
    Broaden a spectrum and turn it into a cubic spline, in one Fourier filter.

    Parameters
    ----------
    flux : ndarray of float32, shape (n_pixels,)
        Flux on pixels of constant velocity.
    vsini : float
        Projected rotation velocity [km/s].
    velocity_step : float
        Width of a pixel [km/s].

    Returns
    -------
    coefficients : ndarray of float32, shape (n_pixels + 2 * N_PAD,)
        Of the cubic B-splines centred on the pixels and on `N_PAD` more each side.

    Notes
    -----
    A cubic spline's coefficients are the values divided by ``(2 + cos w) / 3`` at
    angular frequency w (Unser 1999, IEEE Signal Processing Magazine 16(6), 22).
    """
    n_padded = len(flux) + 2 * N_PAD
    n_fast = fft.next_fast_len(n_padded, real=True)
    extended = np.pad(flux, (N_PAD, N_PAD + n_fast - n_padded), mode="edge")
    frequency, spline = _spline_filter(n_fast)
    transfer = spline * rotation_transfer(frequency / velocity_step, vsini)
    spectrum = fft.rfft(extended) * transfer.astype(np.float32)
    coefficients: NDArray[np.float32] = fft.irfft(spectrum, n_fast)[:n_padded]
    return coefficients


@cache
def _spline_filter(n_fast: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies [cycles per pixel] and what turns values there into coefficients."""
    frequency = fft.rfftfreq(n_fast)
    return frequency, 3.0 / (2.0 + np.cos(2.0 * np.pi * frequency))


def observe(
    emulator: Emulator,
    flux: NDArray[np.float32],
    position: NDArray[np.float64],
    vsini: float,
    rv: float,
) -> NDArray[np.float32]:
    """
    Normalised flux of a rotating, moving star at given wavelengths.

    Parameters
    ----------
    emulator : Emulator
        Where the flux came from; its wavelengths are those of the star at rest.
    flux : ndarray of float32, shape (n_pixels,)
        What its `Emulator.flux` returned.
    position : ndarray of float64, shape (n_wave,)
        `Emulator.position` of the barycentric wavelengths wanted.
    vsini : float
        Projected rotation velocity [km/s].
    rv : float
        Radial velocity, positive when the star recedes [km/s].

    Returns
    -------
    sampled : ndarray of float32, shape (n_wave,)
        Normalised flux; beyond the emulator's ends that of its last pixel.

    Notes
    -----
    Wavelengths are multiplied by ``1 + rv / c``, as pipelines do that state a radial
    velocity; the relativistic factor would differ by 17 m/s at 100 km/s.
    """
    coefficients = spline_coefficients(flux, vsini, emulator.velocity_step)
    shift = np.log1p(rv / SPEED_OF_LIGHT) / emulator.log_step
    at_rest = np.clip(position - shift, 0, emulator.n_pixels - 1)
    sampled: NDArray[np.float32] = ndimage.map_coordinates(
        coefficients, [at_rest + N_PAD], order=3, prefilter=False, mode="nearest"
    )
    return sampled
