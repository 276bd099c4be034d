"""Absorption by the Earth's atmosphere, in the observer's frame."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stellar_tf.simulator.emulator import PACKAGE_DATA
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

MEASURED_AIRMASS = 1.254
"""Mean airmass of the exposures the transmission was measured from."""


@dataclass(frozen=True)
class Tellurics:
    """
    Measured transmission of the atmosphere.

    Attributes
    ----------
    wave_min : float
        First air wavelength in the observer's frame [Angstrom].
    wave_step : float
        Distance of neighbouring pixels [Angstrom].
    depth : ndarray of float32, shape (n_pixels,)
        -ln of the transmission at `MEASURED_AIRMASS`; zero where there is no line.
    """

    wave_min: float
    wave_step: float
    depth: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path | None = None) -> Tellurics:
        """
        Read the transmission.

        Parameters
        ----------
        path : Path or None
            File written by ``scripts/build_emulator.py``; None reads the package's.

        Returns
        -------
        tellurics : Tellurics
            4800 to 6911 Angstrom.
        """
        source = path or resources.files("stellar_tf.simulator") / PACKAGE_DATA
        with source.open("rb") as stream, np.load(stream) as stored:
            scale = np.float32(stored["telluric_scale"])
            return cls(
                wave_min=float(stored["telluric_wave_min"]),
                wave_step=float(stored["telluric_wave_step"]),
                depth=-np.log(stored["telluric_u16"] / scale),
            )

    def transmission(
        self, wave: NDArray[np.float64], berv: float, airmass: float
    ) -> NDArray[np.float32]:
        """
        Transmission on barycentric wavelengths.

        Parameters
        ----------
        wave : ndarray of float64, shape (n_wave,)
            Ascending air wavelengths of the product, barycentric [Angstrom].
        berv : float
            Barycentric Earth radial velocity, positive towards the star [km/s].
        airmass : float
            Airmass of the exposure.

        Returns
        -------
        transmission : ndarray of float32, shape (n_wave,)
            1 outside the measured range.

        Notes
        -----
        A product's wavelengths are those of the observer times ``1 + berv / c``, and
        so a telluric line of the observer's wavelength l is found at
        ``l (1 + berv / c)``. Optical depth is proportional to the airmass.
        """
        observed = wave / (1.0 + berv / SPEED_OF_LIGHT)
        position = (observed - self.wave_min) / self.wave_step
        first, last = np.searchsorted(position, [0.0, len(self.depth) - 1.0])
        transmission = np.ones(len(wave), np.float32)
        if first == last:
            return transmission
        inside = position[first:last]
        left = inside.astype(np.intp)
        fraction = (inside - left).astype(np.float32)
        below, above = self.depth[left], self.depth[left + 1]
        depth = below + fraction * (above - below)
        transmission[first:last] = np.exp(-depth * (airmass / MEASURED_AIRMASS))
        return transmission
