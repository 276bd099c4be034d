"""Where the grid of synthetic spectra is defined, and with it the simulator."""

from __future__ import annotations

import numpy as np

TEFF_RANGE = (4000.0, 7000.0)
"""Effective temperature [K]."""
LOGG_MAX = 4.9
"""Surface gravity, log10 of cm/s^2."""
MH_RANGE = (-1.6, 0.5)
"""Metallicity [dex]."""
ALPHA_M_RANGE = (0.0, 0.4)
"""Alpha elements over metals [dex]."""
LOGG_MIN_TEFF = (4000.0, 4750.0, 5060.0, 5450.0, 5640.0, 6400.0, 7000.0)
LOGG_MIN = (1.35, 1.82, 2.70, 2.95, 3.29, 3.72, 3.80)
"""Lowest gravity at each of `LOGG_MIN_TEFF`: the lower envelope of the nodes."""


def logg_min(teff: float) -> float:
    """Lowest log10 of gravity [cm/s^2] on the grid at an effective temperature [K]."""
    return float(np.interp(teff, LOGG_MIN_TEFF, LOGG_MIN))


def is_inside(teff: float, logg: float, mh: float, alpha_m: float) -> bool:
    """
    Whether a star lies inside the grid.

    Parameters
    ----------
    teff : float
        Effective temperature [K].
    logg : float
        Surface gravity, log10 of cm/s^2.
    mh : float
        Metallicity [dex].
    alpha_m : float
        Alpha elements over metals [dex].

    Returns
    -------
    inside : bool
        True where the emulator interpolates; outside it would extrapolate.
    """
    return (
        TEFF_RANGE[0] <= teff <= TEFF_RANGE[1]
        and logg_min(teff) <= logg <= LOGG_MAX
        and MH_RANGE[0] <= mh <= MH_RANGE[1]
        and ALPHA_M_RANGE[0] <= alpha_m <= ALPHA_M_RANGE[1]
    )
