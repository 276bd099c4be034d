"""Settings of the simulated survey."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tfrecords_tools.config import MAX_PIXELS, Section
from tfrecords_tools.records.schema import SPECTRUM_FEATURES


class Distribution(Section):
    """How one factor of the simulated stars is drawn."""

    kind: Literal["fixed", "uniform", "normal"]
    a: float
    """The value, the lower limit, or the mean."""
    b: float = 0.0
    """Unused, the upper limit, or the standard deviation."""

    @model_validator(mode="after")
    def _ordered(self) -> Distribution:
        if self.kind == "uniform" and self.b <= self.a:
            raise ValueError(f"b must exceed a for a uniform factor, got {self.b:g}")
        if self.kind == "normal" and self.b <= 0.0:
            raise ValueError(f"b must be positive for a normal factor, got {self.b:g}")
        return self


class Factors(Section):
    """The factors of variation of the simulated spectra."""

    teff: Distribution = Distribution(kind="uniform", a=4200.0, b=6800.0)
    """Effective temperature of the star [K]."""
    logg: Distribution = Distribution(kind="uniform", a=3.5, b=4.8)
    """Surface gravity of the star, log10 of cm/s^2."""
    mh: Distribution = Distribution(kind="normal", a=-0.1, b=0.25)
    """Metallicity of the star [dex]."""
    alpha_m: Distribution = Distribution(kind="uniform", a=0.0, b=0.3)
    """Enhancement of the alpha elements over the metals, of the star [dex]."""
    vsini: Distribution = Distribution(kind="uniform", a=1.0, b=12.0)
    """Projected rotation velocity of the star [km/s]."""
    rv: Distribution = Distribution(kind="normal", a=0.0, b=30.0)
    """Radial velocity of the star [km/s]."""
    berv: Distribution = Distribution(kind="uniform", a=-28.0, b=28.0)
    """Barycentric Earth radial velocity of the exposure [km/s]."""
    airmass: Distribution = Distribution(kind="uniform", a=1.0, b=2.2)
    """Airmass of the exposure."""
    tilt: Distribution = Distribution(kind="normal", a=0.0, b=0.15)
    """Slope of the exposure's continuum: log flux, blue end to red end."""
    log_snr: Distribution = Distribution(kind="uniform", a=1.3, b=2.5)
    """log10 of the exposure's signal to noise per pixel."""


UNITS = {
    "teff": "K",
    "logg": "dex(cm/s2)",
    "mh": "dex",
    "alpha_m": "dex",
    "vsini": "km/s",
    "rv": "km/s",
    **{feature.name: feature.unit for feature in SPECTRUM_FEATURES if feature.unit},
}
"""Of the factors and of what every record holds, as FITS writes them."""


class SimulateConfig(Section):
    """The simulated survey: its stars, its visits and the window of its files."""

    n_stars: int = Field(default=100, ge=1)
    """Stars, each drawn by itself."""
    n_visits: int = Field(default=1, ge=1, le=1000)
    """Exposures of each star."""
    wave_min: float = 3781.88
    """First wavelength that every file covers [Angstrom]."""
    wave_step: float = Field(default=0.01, gt=0.0)
    """Step of the files [Angstrom], a whole multiple of `native_step`."""
    n_pixels: int = Field(default=313_030, ge=256, le=MAX_PIXELS)
    """Pixels that every file covers; the detectors' edges add some at each end."""
    full_header: bool = True
    """Write all 3,000 cards of an ESO product, or the 70 that readers use."""
    factors: Factors = Factors()

    @property
    def native_step(self) -> float:
        """Step of HARPS products [Angstrom]; coarser pixels are averages of these."""
        return 0.01

    @property
    def n_average(self) -> int:
        """Native pixels in a pixel of the files."""
        return round(self.wave_step / self.native_step)

    @model_validator(mode="after")
    def _whole_multiple(self) -> SimulateConfig:
        multiple = self.wave_step / self.native_step
        if round(multiple) < 1 or abs(multiple - round(multiple)) > 1e-6:
            raise ValueError(
                f"wave_step must be a whole multiple of {self.native_step} Angstrom, "
                f"got {self.wave_step:g}"
            )
        return self
