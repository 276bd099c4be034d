"""The wavelength grid all spectra of a data set share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tfrecords_tools.config import Section


class Grid(Section):
    """Equidistant air wavelengths in the barycentric frame."""

    wave_min: float = Field(default=3785.0, gt=0.0)
    """First wavelength [Angstrom]."""
    wave_step: float = Field(default=0.01, gt=0.0)
    """Distance of neighbouring pixels [Angstrom]."""
    n_pixels: int = Field(default=312_501, ge=1)
    pad_to_multiple: int = Field(default=16_384, ge=1)
    """The network's input is padded with zeros up to a multiple of this."""

    @property
    def wave(self) -> NDArray[np.float64]:
        """Wavelength of each pixel, shape (n_pixels,) [Angstrom]."""
        return self.wave_min + self.wave_step * np.arange(self.n_pixels)

    @property
    def padded_length(self) -> int:
        """Pixels of the network's input."""
        return -(-self.n_pixels // self.pad_to_multiple) * self.pad_to_multiple

    @property
    def pad_left(self) -> int:
        """Zeros before the first pixel."""
        return (self.padded_length - self.n_pixels) // 2

    @property
    def pad_right(self) -> int:
        """Zeros after the last pixel."""
        return self.padded_length - self.n_pixels - self.pad_left
