"""The products that fit a query."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyvo
import requests

from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.query import COLUMNS, Criteria, build_adql

ESO_TAP = "https://archive.eso.org/tap_obs"
"""ESO's service for the products of its observatories."""

ROWS_PER_PAGE = 5000
_BYTES_PER_KBYTE = 1000


class Product(NamedTuple):
    """One spectrum, as ``ivoa.ObsCore`` describes it."""

    dp_id: str
    """The archive's name of it."""
    target: str
    ra: float
    """Right ascension, ICRS [deg]."""
    dec: float
    """Declination, ICRS [deg]."""
    snr: float
    mjd: float
    """Modified Julian date of the beginning [d]."""
    exptime: float
    """[s]"""
    instrument: str
    program: str
    """The programme and its run."""
    released: str
    """When it is or becomes public, UTC in ISO 8601; empty if not said."""
    access_url: str
    """Where its links are told, or the file itself is."""
    access_format: str
    """Media type of what is there."""
    size: int
    """Estimate of the file's size [byte]; 0 if not said."""

    def is_public(self, now: datetime) -> bool:
        """
        Tell whether everybody may have it.

        Parameters
        ----------
        now : datetime
            With a time zone.

        Returns
        -------
        answer : bool
            True also where no date is said: the archive then decides.
        """
        if not self.released:
            return True
        try:
            released = datetime.fromisoformat(self.released)
        except ValueError:
            return True
        if released.tzinfo is None:
            released = released.replace(tzinfo=UTC)
        return released <= now


def find_products(
    session: requests.Session, tap_url: str, criteria: Criteria, limit: int | None
) -> list[Product]:
    """
    Ask the archive for the products that fit.

    Parameters
    ----------
    session : requests.Session
        From `open_session`.
    tap_url : str
        The TAP service.
    criteria : Criteria
        Which spectra.
    limit : int or None
        The most products.

    Returns
    -------
    products : list of Product
        In the order of their identifiers, each once.

    Raises
    ------
    ArchiveError
        If a criterion cannot be written, or the service cannot be reached, does not
        answer as one or refuses the query.
    """
    if not tap_url.startswith(("https://", "http://")):
        raise ArchiveError(f"tap must begin with https:// or http://, got {tap_url}")
    service = pyvo.dal.TAPService(tap_url.rstrip("/"), session=session)
    found: dict[str, Product] = {}
    while limit is None or len(found) < limit:
        left = ROWS_PER_PAGE if limit is None else limit - len(found)
        n_rows = min(ROWS_PER_PAGE, left)
        last = next(reversed(found), None)
        page = list(_ask(service, build_adql(criteria, n_rows, last), n_rows))
        new = {p.dp_id: p for p in page if p.dp_id not in found}
        # A short page may be the archive's limit of rows; an empty one is the end.
        if not new:
            break
        found.update(new)
    return list(found.values())


def _ask(service: pyvo.dal.TAPService, adql: str, n_rows: int) -> Iterator[Product]:
    try:
        with warnings.catch_warnings():
            # That rows were left out is expected: the next page has them.
            warnings.simplefilter("ignore", pyvo.dal.DALOverflowWarning)
            # Its records lose the mask of missing values; its table does not.
            rows = service.run_sync(adql, maxrec=n_rows).to_table()
        missing = set(COLUMNS) - set(rows.colnames)
    except pyvo.dal.DALQueryError as error:
        raise ArchiveError(
            f"{service.baseurl}: the query is refused: {one_line(error)}"
        ) from None
    except (pyvo.dal.DALAccessError, requests.RequestException) as error:
        raise ArchiveError(
            f"{service.baseurl}: no answer of a TAP service: {one_line(error)}"
        ) from None
    if missing:
        raise ArchiveError(
            f"{service.baseurl}: ivoa.ObsCore has no {', '.join(sorted(missing))}"
        )
    return (_to_product(row) for row in rows)


def _to_product(row: Mapping[str, Any]) -> Product:
    kbytes = number_of(row["access_estsize"])
    return Product(
        dp_id=text_of(row["dp_id"]),
        target=text_of(row["target_name"]),
        ra=number_of(row["s_ra"]),
        dec=number_of(row["s_dec"]),
        snr=number_of(row["snr"]),
        mjd=number_of(row["t_min"]),
        exptime=number_of(row["t_exptime"]),
        instrument=text_of(row["instrument_name"]),
        program=text_of(row["proposal_id"]),
        released=text_of(row["obs_release_date"]),
        access_url=text_of(row["access_url"]),
        access_format=text_of(row["access_format"]),
        size=0 if math.isnan(kbytes) else round(kbytes * _BYTES_PER_KBYTE),
    )


def text_of(value: object) -> str:
    """Take a text out of a table that may lack it."""
    return "" if value is None or value is np.ma.masked else str(value).strip()


def number_of(value: Any) -> float:
    """Take a number out of a table that may lack it."""
    return math.nan if value is None or value is np.ma.masked else float(value)


def one_line(error: BaseException) -> str:
    """
    Say what an error says, in one line that is not too long.

    Parameters
    ----------
    error : BaseException
        Of a library.

    Returns
    -------
    reason : str
        Its innermost message, at most 200 characters.
    """
    while True:
        cause = getattr(error, "cause", None) or getattr(error, "reason", None)
        inner = error.args[0] if error.args else None
        if isinstance(cause, BaseException):
            error = cause
        elif isinstance(inner, BaseException):
            error = inner
        else:
            break
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
