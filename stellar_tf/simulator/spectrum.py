"""From a star and an exposure to the pixels of one file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.config import ConfigError, SimulateConfig
from stellar_tf.simulator.broadening import observe
from stellar_tf.simulator.emulator import Emulator
from stellar_tf.simulator.factors import LIMITS, Exposure, Star
from stellar_tf.simulator.instrument import (
    black_body,
    correlated_noise,
    gap_pixels,
    level_for_snr,
    noise_deviation,
    response,
    tilt_factor,
)
from stellar_tf.simulator.tellurics import Tellurics
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

EMULATED_WAVE = (3780.0, 6914.99)
"""Wavelengths of the grid of synthetic spectra [Angstrom]."""
START_JITTER = 0.05
"""The first wavelength differs by so much from night to night [Angstrom]."""


class SimulatedSpectrum(NamedTuple):
    """One simulated exposure."""

    wave: NDArray[np.float64]
    """Air wavelengths, barycentric, shape (n_pixels,) [Angstrom]."""
    flux: NDArray[np.float32]
    """Shape (n_pixels,) [ADU]; exact zeros between the detectors."""


class SpectrumSimulator:
    """
    Makes the spectra of one configuration.

    Parameters
    ----------
    config : SimulateConfig
        The window and step of the files.

    Raises
    ------
    ConfigError
        If the files would reach beyond the grid of synthetic spectra.

    Notes
    -----
    A HARPS product is barycentric, its detectors stand still in the observer's
    frame: so its first and last wavelength and its gap move with BERV. The files'
    detectors are just wide enough that every file covers the window, whatever BERV.
    """

    def __init__(self, config: SimulateConfig) -> None:
        self._config = config
        berv_max = LIMITS["berv"][1] / SPEED_OF_LIGHT
        wave_max = config.wave_min + config.wave_step * (config.n_pixels - 1)
        self._detector = (
            config.wave_min / (1.0 + berv_max),
            wave_max / (1.0 - berv_max),
        )
        self._n_jitter = int(START_JITTER / config.wave_step)
        self._first, _ = self._extent(LIMITS["berv"][0], self._n_jitter)
        _, last = self._extent(LIMITS["berv"][1], 0)
        pixels = np.arange(self._first, last + 1)
        self._wave = np.round(config.wave_min + config.wave_step * pixels, 6)
        self._check_range()
        self._response = response(self._wave)
        self._native = self._native_wave()
        margin = (LIMITS["rv"][1] + LIMITS["vsini"][1]) / SPEED_OF_LIGHT
        self._emulator = Emulator.load().window(
            self._wave[0] * (1.0 - margin), self._wave[-1] * (1.0 + margin)
        )
        self._position = self._emulator.position(self._native)
        self._tellurics = Tellurics.load()

    def simulate(
        self, star: Star, exposure: Exposure, rng: np.random.Generator
    ) -> SimulatedSpectrum:
        """
        Simulate one exposure.

        Parameters
        ----------
        star : Star
            Its atmosphere and velocities.
        exposure : Exposure
            Its circumstances.
        rng : numpy.random.Generator
            Source of the noise and of the first pixel.

        Returns
        -------
        spectrum : SimulatedSpectrum
            With noise.
        """
        jitter = int(rng.integers(0, self._n_jitter + 1))
        first, last = self._extent(exposure.berv, jitter)
        wave = self._wave[first - self._first : last + 1 - self._first]
        flux = self._without_noise(star, exposure, first, last)
        flux += noise_deviation(flux) * correlated_noise(len(flux), rng)
        gap = gap_pixels(wave[0], self._config.wave_step, len(wave), exposure.berv)
        flux[gap.first : gap.last] = 0.0
        return SimulatedSpectrum(wave, flux)

    def expect(self, star: Star, exposure: Exposure) -> SimulatedSpectrum:
        """
        Simulate what an exposure would be without noise.

        Parameters
        ----------
        star : Star
            Its atmosphere and velocities.
        exposure : Exposure
            Its circumstances.

        Returns
        -------
        spectrum : SimulatedSpectrum
            The window's pixels alone, which are the same for all.
        """
        first, last = self._extent(exposure.berv, 0)
        flux = self._without_noise(star, exposure, first, last)
        wave = self._wave[first - self._first : last + 1 - self._first]
        gap = gap_pixels(wave[0], self._config.wave_step, len(wave), exposure.berv)
        flux[gap.first : gap.last] = 0.0
        window = slice(-first, self._config.n_pixels - first)
        return SimulatedSpectrum(wave[window], flux[window])

    def _without_noise(
        self, star: Star, exposure: Exposure, first: int, last: int
    ) -> NDArray[np.float32]:
        """Flux [ADU] of the file's pixels, shape (last - first + 1,)."""
        n_average = self._config.n_average
        pixels = slice(first - self._first, last + 1 - self._first)
        native = slice(pixels.start * n_average, pixels.stop * n_average)
        rest = self._emulator.flux(star.teff, star.logg, star.mh, star.alpha_m)
        flux = observe(
            self._emulator, rest, self._position[native], star.vsini, star.rv
        )
        flux *= self._tellurics.transmission(
            self._native[native], exposure.berv, exposure.airmass
        )
        flux = self._average(flux)
        wave = self._wave[pixels]
        flux *= self._response[pixels] * black_body(wave, star.teff)
        flux *= tilt_factor(wave, exposure.tilt)
        flux *= level_for_snr(10.0**exposure.log_snr) / np.median(flux)
        return flux

    def _average(self, native: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean over the native pixels of each file pixel, shape (n_pixels,)."""
        averaged: NDArray[np.float32] = native.reshape(-1, self._config.n_average).mean(
            axis=1
        )
        return averaged

    def _extent(self, berv: float, jitter: int) -> tuple[int, int]:
        """First and last pixel, counted from the window's first."""
        config = self._config
        doppler = 1.0 + berv / SPEED_OF_LIGHT
        ends = (np.array(self._detector) * doppler - config.wave_min) / config.wave_step
        return int(np.floor(ends[0])) - jitter, int(np.ceil(ends[1]))

    def _native_wave(self) -> NDArray[np.float64]:
        """Wavelengths of the native pixels behind each file pixel, flattened."""
        n_average, step = self._config.n_average, self._config.native_step
        offsets = (np.arange(n_average) - 0.5 * (n_average - 1)) * step
        wave: NDArray[np.float64] = (self._wave[:, None] + offsets).ravel()
        return wave

    def _check_range(self) -> None:
        low, high = EMULATED_WAVE
        if self._wave[0] < low or self._wave[-1] > high:
            raise ConfigError(
                "simulate.wave_min, wave_step and n_pixels must stay within "
                f"{low:g} to {high:g} Angstrom, got files from {self._wave[0]:.2f} "
                f"to {self._wave[-1]:.2f}"
            )
