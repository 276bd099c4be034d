"""One-dimensional images: the wavelengths follow from the header."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.columns import to_angstrom
from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.readers.header import Header
from tfrecords_tools.readers.metadata import read_metadata
from tfrecords_tools.spectrum import Medium, Spectrum, SpectrumError, as_flux


def find_image(file: FitsFile) -> Hdu | None:
    """
    Find the image of one row.

    Parameters
    ----------
    file : FitsFile
        Any file.

    Returns
    -------
    hdu : Hdu or None
        The first such image with a wavelength axis; None if there is none.
    """
    for hdu in file.hdus:
        if hdu.is_image and sum(n != 1 for n in hdu.axes) == 1 and hdu.axes[0] != 1:
            return hdu
    return None


def read_image(file: FitsFile, hdu: Hdu) -> Spectrum:
    """
    Read a plain image, such as a UVES spectrum.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        Its image, from `find_image`.

    Returns
    -------
    spectrum : Spectrum
        In the frame SPECSYS names, else UNKNOWN; in air unless CTYPE1 says vacuum.

    Raises
    ------
    SpectrumError
        If the file holds no valid spectrum.
    """
    flux = as_flux(file.image(hdu).reshape(-1))
    wave, medium = read_wave(hdu.header, flux.size)
    history = ["image", *([] if medium else ["air assumed"]), *dopcor(hdu.header)]
    return Spectrum(
        wave=wave,
        flux=flux,
        metadata=read_metadata(file, hdu.header.text("BUNIT")),
        medium=medium or "air",
        history=tuple(history),
    )


def read_wave(
    header: Header, n_pixels: int
) -> tuple[NDArray[np.float64], Medium | None]:
    """
    Compute the wavelengths of an image.

    Parameters
    ----------
    header : Header
        Of the image: CRVAL1, CRPIX1 and CDELT1 or CD1_1, linear or logarithmic.
    n_pixels : int
        Length of the axis.

    Returns
    -------
    wave : ndarray of float64
        Shape (n_pixels,) [Angstrom].
    medium : {"air", "vacuum"} or None
        What CTYPE1 says; None if it does not.

    Raises
    ------
    SpectrumError
        If the header does not describe wavelengths.
    """
    start, step = header.number("CRVAL1"), header.number("CDELT1")
    if np.isnan(step):
        step = header.number("CD1_1")
    if np.isnan(start) or np.isnan(step):
        raise SpectrumError("no wavelengths: CRVAL1 or CDELT1 is missing")
    reference = header.number("CRPIX1")
    reference = 1.0 if np.isnan(reference) else reference
    kind = header.text("CTYPE1").upper()
    offset = np.arange(n_pixels) + (1.0 - reference)
    with np.errstate(over="ignore", invalid="ignore"):  # the result is checked
        if header.number("DC-FLAG") == 1:
            axis = 10.0 ** (start + offset * step)  # IRAF's log10 axis
        elif kind.endswith("-LOG"):
            axis = start * np.exp(offset * step / start)  # FITS paper III, eq. 5
        else:
            axis = start + offset * step
        return to_angstrom(axis, _unit(header)), _medium(kind)


def dopcor(header: Header) -> list[str]:
    """
    List the velocity shifts IRAF noted in a header.

    Parameters
    ----------
    header : Header
        Of an image.

    Returns
    -------
    steps : list of str
        One for each DOPCORnn card; such a file is in none of the usual frames.
    """
    keywords = sorted(k for k in header.cards if re.fullmatch(r"DOPCOR\d+", k))
    return [f"IRAF dopcor before: {header.text(k)}" for k in keywords]


def _unit(header: Header) -> str:
    unit = header.text("CUNIT1")
    iraf = re.search(r"units=(\w+)", header.text("WAT1_001"))
    return unit or (iraf[1] if iraf else "")


def _medium(kind: str) -> Medium | None:
    if kind.startswith("AWAV"):
        return "air"
    return "vacuum" if kind.startswith("WAVE") else None
