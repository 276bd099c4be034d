"""Draws of the factors of variation: the truth about each star and exposure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stellar_tf.config import ConfigError, Distribution, Factors
from stellar_tf.simulator.domain import is_inside

LIMITS = {
    "vsini": (0.0, 200.0),
    "rv": (-400.0, 400.0),
    "berv": (-30.0, 30.0),
    "airmass": (1.0, 4.0),
    "tilt": (-5.0, 5.0),
    "log_snr": (0.0, 4.0),
}
"""Ranges of the factors that the grid of spectra leaves free; draws outside are
repeated. Their units are those of `Star` and `Exposure`."""
N_TRIES = 10_000


class Star(NamedTuple):
    """What all exposures of a star share."""

    teff: float
    """Effective temperature [K]."""
    logg: float
    """Surface gravity, log10 of cm/s^2."""
    mh: float
    """Metallicity [dex]."""
    alpha_m: float
    """Alpha elements over metals [dex]."""
    vsini: float
    """Projected rotation velocity [km/s]."""
    rv: float
    """Radial velocity, barycentric [km/s]."""


class Exposure(NamedTuple):
    """What differs between the exposures of a star."""

    berv: float
    """Barycentric Earth radial velocity [km/s]."""
    airmass: float
    """Airmass at the start."""
    tilt: float
    """Slope of the continuum: ln flux, red end minus blue end."""
    log_snr: float
    """log10 of the signal to noise per pixel at the median flux."""


def draw_star(factors: Factors, rng: np.random.Generator) -> Star:
    """
    Draw the factors of a star.

    Parameters
    ----------
    factors : Factors
        Their distributions.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    star : Star
        Inside the grid of synthetic spectra.

    Raises
    ------
    ConfigError
        If the distributions do not reach the grid, or a factor not its `LIMITS`.

    Notes
    -----
    A star outside the grid is drawn again as a whole, since the lowest gravity
    depends on the temperature: truncated, the distributions keep their shape, while
    clipping would pile stars up on the border.
    """
    vsini = _draw_within("vsini", factors.vsini, rng)
    rv = _draw_within("rv", factors.rv, rng)
    for _ in range(N_TRIES):
        atmosphere = (
            _draw(factors.teff, rng),
            _draw(factors.logg, rng),
            _draw(factors.mh, rng),
            _draw(factors.alpha_m, rng),
        )
        if is_inside(*atmosphere):
            return Star(*atmosphere, vsini=vsini, rv=rv)
    raise ConfigError(
        "simulate.factors: teff, logg, mh and alpha_m must lie inside the grid of "
        f"synthetic spectra, got none in {N_TRIES} draws, the last {atmosphere}"
    )


def draw_exposure(factors: Factors, rng: np.random.Generator) -> Exposure:
    """
    Draw the factors of an exposure.

    Parameters
    ----------
    factors : Factors
        Their distributions.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    exposure : Exposure
        Inside the `LIMITS`.

    Raises
    ------
    ConfigError
        If a distribution does not reach its limits.
    """
    return Exposure(
        berv=_draw_within("berv", factors.berv, rng),
        airmass=_draw_within("airmass", factors.airmass, rng),
        tilt=_draw_within("tilt", factors.tilt, rng),
        log_snr=_draw_within("log_snr", factors.log_snr, rng),
    )


def _draw(distribution: Distribution, rng: np.random.Generator) -> float:
    if distribution.kind == "fixed":
        return distribution.a
    if distribution.kind == "uniform":
        return float(rng.uniform(distribution.a, distribution.b))
    return float(rng.normal(distribution.a, distribution.b))


def _draw_within(
    name: str, distribution: Distribution, rng: np.random.Generator
) -> float:
    low, high = LIMITS[name]
    for _ in range(N_TRIES):
        value = _draw(distribution, rng)
        if low <= value <= high:
            return value
    raise ConfigError(
        f"simulate.factors.{name} must reach {low:g} to {high:g}, "
        f"got none in {N_TRIES} draws, the last {value:g}"
    )
