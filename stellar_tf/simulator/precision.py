"""How precisely one spectrum can tell the factors it was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from stellar_tf.simulator.domain import is_inside
from stellar_tf.simulator.factors import LIMITS, Exposure, Star
from stellar_tf.simulator.instrument import noise_deviation
from stellar_tf.simulator.spectrum import SpectrumSimulator

NEIGHBOURS_CORRELATE = 0.5
"""As `stellar_tf.simulator.instrument.correlated_noise` draws them."""
STEPS = {
    "teff": 5.0,
    "logg": 0.01,
    "mh": 0.01,
    "alpha_m": 0.01,
    "vsini": 0.1,
    "rv": 0.05,
    "tilt": 0.01,
}
"""By which factors are moved to see what the spectrum does, in their units."""


class Precision(NamedTuple):
    """The Cramer-Rao bound of some factors of one spectrum."""

    factors: tuple[str, ...]
    covariance: NDArray[np.float64]
    """No unbiased estimate of them all has a smaller one, shape (n, n)."""

    @property
    def deviation(self) -> dict[str, float]:
        """Smallest standard deviation of each factor, in its unit."""
        roots = np.sqrt(np.diag(self.covariance))
        return dict(zip(self.factors, map(float, roots), strict=True))


def bound_precision(
    simulator: SpectrumSimulator,
    star: Star,
    exposure: Exposure,
    factors: Sequence[str],
    *,
    correlation: float = NEIGHBOURS_CORRELATE,
) -> Precision:
    """
    Compute the Cramer-Rao bound of the factors of a spectrum.

    Parameters
    ----------
    simulator : SpectrumSimulator
        Of the window whose pixels count.
    star : Star
        The truth about the star.
    exposure : Exposure
        The truth about the exposure.
    factors : sequence of str
        What is unknown, of `STEPS`, beside the level of the flux, which always is.
    correlation : float, default 0.5
        Of the noise of neighbouring pixels. 0 counts each pixel as a measurement of
        its own, as the formula of Bouchy et al. does.

    Returns
    -------
    precision : Precision
        Of all factors at the same time.

    Raises
    ------
    ValueError
        If a factor is not one of `STEPS`.

    Notes
    -----
    The inverse of Fisher's matrix ``J^T C^-1 J``, where J is how the expected flux
    changes with each factor, by central differences, and C the covariance of photon and
    read noise. For the velocity alone and a correlation of 0 that is Bouchy, Pepe &
    Queloz (2001, A&A 374, 733), eq. 12. What the size of the noise tells of the factors
    is left out: it is less by the signal to noise of a pixel.

    Neighbours that correlate by exactly one half have no noise in what alternates from
    pixel to pixel. Where lines are narrower than two pixels, the bound may then be far
    below that of independent pixels, more than any real instrument would grant.
    """
    unknown = [name for name in factors if name not in STEPS]
    if unknown:
        raise ValueError(
            f"factors must be among {', '.join(STEPS)}, got {', '.join(unknown)}"
        )

    def expect(star: Star, exposure: Exposure) -> NDArray[np.float64]:
        return np.asarray(simulator.expect(star, exposure).flux, np.float64)

    flux = expect(star, exposure)
    seen = flux > 0.0  # not between the detectors
    slopes = [_differentiate(expect, star, exposure, name) for name in factors]
    deviation = noise_deviation(flux[seen].astype(np.float32)).astype(np.float64)
    scaled = np.stack([*slopes, flux], axis=1)[seen] / deviation[:, np.newaxis]

    follows = np.diff(np.flatnonzero(seen)) == 1
    banded = np.ones((2, deviation.size))
    banded[0, 1:] = correlation * follows
    information = scaled.T @ solveh_banded(banded, scaled)
    n_factors = len(factors)
    covariance = np.linalg.inv(information)[:n_factors, :n_factors]
    return Precision(tuple(factors), covariance)


def _differentiate(
    expect: Callable[[Star, Exposure], NDArray[np.float64]],
    star: Star,
    exposure: Exposure,
    name: str,
) -> NDArray[np.float64]:
    """Return what the flux changes by per unit of a factor."""
    is_of_star = name in Star._fields
    here = getattr(star if is_of_star else exposure, name)
    fluxes, values = [], []
    for value in (here - STEPS[name], here + STEPS[name]):
        moved = star._replace(**{name: value}) if is_of_star else star
        # At the border of what can be simulated from one side.
        if not _can_simulate(moved):
            moved, value = star, here
        shifted = exposure if is_of_star else exposure._replace(**{name: value})
        fluxes.append(expect(moved, shifted))
        values.append(value)
    slope: NDArray[np.float64] = (fluxes[1] - fluxes[0]) / (values[1] - values[0])
    return slope


def _can_simulate(star: Star) -> bool:
    atmosphere = (star.teff, star.logg, star.mh, star.alpha_m)
    return is_inside(*atmosphere) and star.vsini >= LIMITS["vsini"][0]
