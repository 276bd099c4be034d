"""Positions in a label table, and the rows that are near one on the sky."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from tfrecords_tools.labels.values import Cells, read_values

_NAMES = (
    *(("ra", "dec"), ("raj2000", "dej2000"), ("raj2000", "decj2000")),
    *(("_raj2000", "_dej2000"), ("ra_icrs", "de_icrs"), ("ra_icrs", "dec_icrs")),
    *(("radeg", "dedeg"), ("radeg", "decdeg"), ("ra_deg", "dec_deg")),
    *(("_ra", "_de"), ("ra_d", "dec_d"), ("ra_j2000", "dec_j2000"), ("s_ra", "s_dec")),
    *(("ra_hms", "dec_dms"), ("right_ascension", "declination")),
)
"""Columns of right ascension and declination, in lower case; the first go first."""
_SEXAGESIMAL = re.compile(
    r"([+\-−]?)\s*([0-9]{1,3})\s*([:hd°\s])\s*([0-9]{1,2}(?:\.[0-9]*)?)\s*"
    r"(?:[:m'′\s]\s*([0-9]{1,2}(?:\.[0-9]*)?)?\s*[s\"″]?)?",
    re.IGNORECASE,
)
_MIN_SPREAD = 12.0
"""Right ascensions that are all below 24 and spread so far may be hours."""


class Positions(NamedTuple):
    """Where the rows of a table are on the sky."""

    names: tuple[str, str]
    """Of the two columns."""
    ra: NDArray[np.float64]
    """Right ascension [deg], NaN where unknown, shape (n_rows,)."""
    dec: NDArray[np.float64]
    """Declination [deg], likewise."""
    notes: tuple[str, ...]
    """What looks wrong."""


def read_positions(columns: Sequence[Cells]) -> Positions | None:
    """
    Find the positions of a table.

    Parameters
    ----------
    columns : sequence of Cells
        All columns.

    Returns
    -------
    positions : Positions or None
        None if there are no two columns of that name, such as ``ra`` and ``dec`` or
        ``RAJ2000`` and ``DEJ2000``. Numbers are degrees unless the column has another
        unit; sexagesimal right ascensions are hours unless marked as degrees.
    """
    by_lower = {cells.name.lower(): cells for cells in reversed(columns)}
    pair = next((pair for pair in _NAMES if set(pair) <= set(by_lower)), None)
    if pair is None:
        return None
    first, second = (by_lower[name] for name in pair)
    ra, is_decimal = _to_degrees(first, is_ra=True)
    dec, _ = _to_degrees(second, is_ra=False)
    names, notes = (first.name, second.name), []
    stray = (ra < -180.0) | (ra > 360.0) | (np.abs(dec) > 90.0)
    if stray.any():
        notes.append(f"{stray.sum()} rows have {' or '.join(names)} out of range")
    ra[stray] = dec[stray] = np.nan
    if is_decimal and first.unit is None and _may_be_hours(ra):
        notes.append(
            f"{first.name} is taken as degrees, though all of it is below 24; if it is "
            "in hours, give the column the unit h"
        )
    unknown = ~np.isfinite(ra + dec)
    ra[unknown] = dec[unknown] = np.nan
    return Positions(names, ra % 360.0, dec, tuple(notes))


def find_near(
    ra: NDArray[np.float64], dec: NDArray[np.float64], rows: Positions, radius: float
) -> list[list[int]]:
    """
    Find the rows near each position.

    Parameters
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Positions [deg], NaN where unknown.
    rows : Positions
        Those of the table.
    radius : float
        How near [arcsec].

    Returns
    -------
    near : list of list of int
        Numbers of rows for each position, the nearest first.
    """
    near: list[list[int]] = [[] for _ in ra]
    here = np.flatnonzero(np.isfinite(ra + dec) & (np.abs(dec) <= 90.0))
    there = np.flatnonzero(np.isfinite(rows.ra))
    if here.size == 0 or there.size == 0:
        return near
    sky = SkyCoord(ra[here], dec[here], unit="deg")
    table = SkyCoord(rows.ra[there], rows.dec[there], unit="deg")
    found = table.search_around_sky(sky, radius * u.arcsec)
    at, row, distance = found[0], found[1], found[2]
    for i in np.argsort(distance, kind="stable"):
        near[here[at[i]]].append(int(there[row[i]]))
    return near


def _to_degrees(cells: Cells, *, is_ra: bool) -> tuple[NDArray[np.float64], bool]:
    """Return degrees, and whether they were written as decimal numbers."""
    values = read_values(cells).values
    if values.dtype.kind == "f":
        return values.astype(np.float64) * _degrees_per(cells.unit), True
    # VizieR marks sexagesimal columns as "h:m:s" or "d:m:s".
    is_hours = is_ra and not str(cells.unit).startswith("d")
    degrees = [_parse_sexagesimal(str(t), is_hours=is_hours) for t in values]
    return np.array(degrees, np.float64), False


def _degrees_per(unit: Any) -> float:
    if unit == u.hour or str(unit).lower().startswith("hour"):
        return 15.0
    if unit is None or isinstance(unit, u.UnrecognizedUnit):
        return 1.0
    return float(unit.to(u.deg)) if u.deg.is_equivalent(unit) else np.nan


def _parse_sexagesimal(text: str, *, is_hours: bool) -> float:
    match = _SEXAGESIMAL.fullmatch(text)
    if match is None:
        return np.nan
    sign, whole, mark, minutes, seconds = match.groups()
    value = float(whole) + float(minutes) / 60.0 + float(seconds or 0.0) / 3600.0
    degrees = 15.0 * value if is_hours and mark.lower() not in "d°" else value
    return -degrees if sign in ("-", "−") else degrees


def _may_be_hours(ra: NDArray[np.float64]) -> bool:
    known = ra[np.isfinite(ra)]
    if known.size < 2:
        return False
    return bool(
        known.min() >= 0.0 and known.max() < 24.0 and np.ptp(known) > _MIN_SPREAD
    )
