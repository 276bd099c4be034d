"""The question to the archive, in the Astronomical Data Query Language."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stellar_tf.archive.errors import ArchiveError

COLUMNS = (
    *("dp_id", "target_name", "s_ra", "s_dec", "snr", "t_min", "t_exptime"),
    *("instrument_name", "proposal_id", "obs_release_date"),
    *("access_url", "access_format", "access_estsize"),
)
"""What is asked of each product; ``dp_id`` and ``snr`` are ESO's own."""

_MAX_RADIUS = 10.0


class Cone(NamedTuple):
    """A circle on the sky."""

    ra: float
    """Right ascension of its centre, ICRS [deg]."""
    dec: float
    """Declination of its centre, ICRS [deg]."""
    radius: float
    """[deg]"""


class Criteria(NamedTuple):
    """Which spectra are wanted: those that fit all of what is given."""

    instrument: str | None = None
    """As in ``instrument_name``."""
    targets: tuple[str, ...] = ()
    """Any of these, as in ``target_name``."""
    program: str | None = None
    """As in ``proposal_id``, with the run: 072.C-0488(E)."""
    cone: Cone | None = None
    """Where the spectrum's footprint must have a part."""
    min_snr: float | None = None
    """The least signal-to-noise ratio."""
    since: float | None = None
    """The earliest beginning, as modified Julian date [d]."""
    until: float | None = None
    """The latest beginning, as modified Julian date [d]."""


def build_adql(criteria: Criteria, n_rows: int, after: str | None = None) -> str:
    """
    Write the query of one page of products, in the order of their identifiers.

    Parameters
    ----------
    criteria : Criteria
        Which spectra.
    n_rows : int
        Rows of a page.
    after : str or None
        The last identifier of the page before.

    Returns
    -------
    adql : str
        A query of ``ivoa.ObsCore`` in ADQL 2.0.

    Raises
    ------
    ArchiveError
        If a criterion is no number it can be, or a text that cannot be written.

    Notes
    -----
    Pages follow each other by the identifier and not by a row number: a product that
    is published meanwhile shifts no other, and the archive's own limit of rows only
    makes pages shorter.
    """
    conditions = ["dataproduct_type = 'spectrum'"]
    for column, texts in (
        ("instrument_name", (criteria.instrument,) if criteria.instrument else ()),
        ("target_name", criteria.targets),
        ("proposal_id", (criteria.program,) if criteria.program else ()),
    ):
        if texts:
            conditions.append(f"{column} IN ({', '.join(map(quote, texts))})")
    if criteria.cone is not None:
        circle = ", ".join(map(_number, _checked(criteria.cone)))
        conditions.append(f"INTERSECTS(s_region, CIRCLE('ICRS', {circle})) = 1")
    for condition, value in (
        ("snr >=", criteria.min_snr),
        ("t_min >=", criteria.since),
        ("t_min <=", criteria.until),
    ):
        if value is not None:
            conditions.append(f"{condition} {_number(value)}")
    if after is not None:
        conditions.append(f"dp_id > {quote(after)}")
    return (
        f"SELECT TOP {n_rows} {', '.join(COLUMNS)} FROM ivoa.ObsCore "
        f"WHERE {' AND '.join(conditions)} ORDER BY dp_id"
    )


def quote(text: str) -> str:
    """
    Write a text as one string literal.

    Parameters
    ----------
    text : str
        Such as a star's name.

    Returns
    -------
    literal : str
        In quotes, those of the text doubled: in ADQL as in SQL nothing else has a
        meaning within quotes.

    Raises
    ------
    ArchiveError
        If the text is empty or has characters that no name has.
    """
    if not text.strip() or not text.isprintable():
        raise ArchiveError(f"a name must be of printable characters, got {text!r}")
    return "'" + text.replace("'", "''") + "'"


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ArchiveError(f"a number must be finite, got {value}")
    # Not every parser of ADQL takes exponents.
    return np.format_float_positional(value, trim="0")


def _checked(cone: Cone) -> Cone:
    if not 0.0 <= cone.ra <= 360.0:
        raise ArchiveError(f"ra must be from 0 to 360 degrees, got {cone.ra}")
    if not -90.0 <= cone.dec <= 90.0:
        raise ArchiveError(f"dec must be from -90 to 90 degrees, got {cone.dec}")
    if not 0.0 < cone.radius <= _MAX_RADIUS:
        raise ArchiveError(
            f"radius must be above 0 and at most {_MAX_RADIUS * 3600:.0f} arcsec, "
            f"got {cone.radius * 3600:g}"
        )
    return cone
