"""Units of labels: read as tables write them, written as FITS does."""

from __future__ import annotations

import warnings
from typing import Any

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

_STANDARDS = (u.K, u.km / u.s)
"""Labels of other units of temperature and velocity are converted to these."""


def parse_unit(text: str) -> Any:
    """
    Read a unit.

    Parameters
    ----------
    text : str
        As the CDS writes it (``m/s``, ``[cm/s2]`` for a logarithm), or anyone else.

    Returns
    -------
    unit : astropy.units.Unit or None
        Of astropy's unrecognised kind, with its text, for what is no unit; None for no
        text.
    """
    if not text.strip("- "):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            return u.Unit(text, format="cds")
        except ValueError:
            return u.Unit(text, parse_strict="silent")


def is_unit(text: str) -> bool:
    """Tell whether text is a unit."""
    unit = parse_unit(text.strip("[]() "))
    return unit is not None and not isinstance(unit, u.UnrecognizedUnit)


def standardise(
    values: NDArray[np.generic], unit: Any
) -> tuple[NDArray[np.generic], str]:
    """
    Convert temperatures to K and velocities to km/s.

    Parameters
    ----------
    values : ndarray of float64 or str
        One column.
    unit : astropy.units.Unit or None
        Its unit.

    Returns
    -------
    values : ndarray of float64 or str
        Converted, or as they are.
    unit : str
        As FITS writes it, else as astropy does; "" if there is none.
    """
    if unit is None or unit == u.dimensionless_unscaled:
        return values, ""
    # A logarithm of a temperature is none.
    if values.dtype.kind == "f" and isinstance(unit, u.UnitBase):
        for standard in _STANDARDS:
            if unit.is_equivalent(standard, u.temperature()):
                quantity = u.Quantity(values, unit)
                values = quantity.to_value(standard, u.temperature())
                return values, _to_fits(standard)
    return values, _to_fits(unit)


def _to_fits(unit: Any) -> str:
    try:
        return str(unit.to_string("fits"))
    except (ValueError, TypeError):
        return str(unit)
