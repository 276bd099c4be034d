"""Metadata of an exposure: keyword by keyword, since every one is optional."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.header import Header
from tfrecords_tools.spectrum import Metadata

FITS_ENDINGS = (".fits", ".fits.gz")
"""Of the names of files, in any case of the letters."""
_TARGET = ("OBJECT", "ESO OBS TARG NAME", "TNG OBS TARG NAME")
_BERV = ("ESO DRS BERV", "ESO QC BERV", "TNG DRS BERV", "TNG QC BERV")
_AIRMASS = (
    "ESO TEL AIRM START",
    *(f"ESO TEL{i} AIRM START" for i in range(1, 5)),
    "AIRMASS",
)
_ORDER_SNR = ("ESO DRS SPE EXT SN{}", "ESO QC ORDER{} SNR", "TNG DRS SPE EXT SN{}")
_MAX_ORDERS = 200


@dataclass(frozen=True)
class Identity:
    """What decides where a file's record goes, read without its data."""

    dp_id: str
    target: str
    ra: float
    """Right ascension [deg]."""
    dec: float
    """Declination [deg]."""
    mjd: float
    """Modified Julian date of the start [d]."""


def read_identity(file: FitsFile) -> Identity:
    """
    Read which exposure a file is.

    Parameters
    ----------
    file : FitsFile
        May be open for headers only.

    Returns
    -------
    identity : Identity
        Its dp_id is the file's name without ``.fits`` or ``.fits.gz``.
    """
    return Identity(
        dp_id=_stem(file.path.name),
        target=_text(file, *_TARGET),
        ra=_number(file, "RA"),
        dec=_number(file, "DEC"),
        mjd=_number(file, "MJD-OBS"),
    )


def read_metadata(file: FitsFile, flux_unit: str, specsys: str = "") -> Metadata:
    """
    Read what the headers say about an exposure.

    Parameters
    ----------
    file : FitsFile
        The primary header is asked first, then those of the extensions.
    flux_unit : str
        Unit of the flux, "" if unknown.
    specsys : str
        Frame of the wavelengths where the headers have no SPECSYS; "" if unknown.

    Returns
    -------
    metadata : Metadata
        NaN or "" for what no header has.
    """
    identity = read_identity(file)
    return Metadata(
        dp_id=identity.dp_id,
        target=identity.target,
        instrument=_text(file, "INSTRUME"),
        ra=identity.ra,
        dec=identity.dec,
        mjd=identity.mjd,
        exptime=_number(file, "EXPTIME", "TEXPTIME"),
        snr=_read_snr(file),
        berv=_number(file, *_BERV),
        airmass=_number(file, *_AIRMASS),
        specsys=_text(file, "SPECSYS").upper() or specsys or "UNKNOWN",
        flux_unit=flux_unit,
    )


def _read_snr(file: FitsFile) -> float:
    """Return SNR or, as ESO defines that card for HARPS, the median over the orders."""
    snr = _number(file, "SNR")
    if math.isfinite(snr):
        return snr
    header = file.primary.header
    for pattern in _ORDER_SNR:
        keywords = [pattern.format(order) for order in range(_MAX_ORDERS)]
        orders = [header.number(k) for k in keywords if header.has(k)]
        finite = [value for value in orders if math.isfinite(value)]
        if finite:
            return statistics.median(finite)
    return math.nan


def _headers(file: FitsFile) -> Iterator[Header]:
    yield file.primary.header
    # The extensions are read only if the primary header lacks something.
    for hdu in file.hdus[1:]:
        yield hdu.header


def _text(file: FitsFile, *keywords: str) -> str:
    texts = (header.text(key) for header in _headers(file) for key in keywords)
    return next((text for text in texts if text), "")


def _number(file: FitsFile, *keywords: str) -> float:
    numbers = (header.number(key) for header in _headers(file) for key in keywords)
    return next((number for number in numbers if math.isfinite(number)), math.nan)


def _stem(name: str) -> str:
    # A name on disk need not be Unicode, but a dp_id is.
    name = os.fsencode(name).decode(errors="backslashreplace")
    lower = name.lower()
    for ending in FITS_ENDINGS:
        if lower.endswith(ending):
            return name[: -len(ending)]
    return name
