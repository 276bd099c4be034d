"""Spectra of the HARPS and HARPS-N pipelines (s1d files): images of one row."""

from __future__ import annotations

from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.readers.image import dopcor, find_image, read_wave
from tfrecords_tools.readers.metadata import read_metadata
from tfrecords_tools.spectrum import Spectrum, as_flux

_PIPELINES = ("ESO DRS ", "TNG DRS ")


def find_s1d(file: FitsFile) -> Hdu | None:
    """
    Find the image of a pipeline product.

    Parameters
    ----------
    file : FitsFile
        Any file.

    Returns
    -------
    hdu : Hdu or None
        None unless the primary header is HARPS's and has cards of the pipeline.
    """
    header = file.primary.header
    if not header.text("INSTRUME").upper().startswith("HARP"):
        return None
    if not any(keyword.startswith(_PIPELINES) for keyword in header.cards):
        return None
    return find_image(file)


def read_harps_s1d(file: FitsFile, hdu: Hdu) -> Spectrum:
    """
    Read a product of the HARPS pipeline.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        Its image, from `find_s1d`.

    Returns
    -------
    spectrum : Spectrum
        In air, barycentric.

    Raises
    ------
    SpectrumError
        If the file holds no valid spectrum.

    Notes
    -----
    The pipeline does not say that its wavelengths are barycentric and in air. A file
    that IRAF has shifted since is in another frame, so that one is UNKNOWN.
    """
    flux = as_flux(file.image(hdu).reshape(-1))
    wave, _ = read_wave(hdu.header, flux.size)
    shifts = dopcor(hdu.header)
    return Spectrum(
        wave=wave,
        flux=flux,
        metadata=read_metadata(
            file,
            hdu.header.text("BUNIT"),
            specsys="UNKNOWN" if shifts else "BARYCENT",
        ),
        history=("HARPS s1d image", *shifts),
    )
