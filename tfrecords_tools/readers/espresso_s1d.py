"""S1D tables of the ESPRESSO pipeline: one row a pixel."""

from __future__ import annotations

from tfrecords_tools.readers.columns import (
    TableSpectrum,
    read_columns,
    to_angstrom,
)
from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.readers.metadata import read_metadata
from tfrecords_tools.spectrum import Spectrum

_NAMES = {"wavelength_air", "flux", "quality"}


def find_table(file: FitsFile) -> Hdu | None:
    """
    Find a table with the pipeline's columns.

    Parameters
    ----------
    file : FitsFile
        Any file.

    Returns
    -------
    hdu : Hdu or None
        None if the file has no such table.
    """
    for hdu in file.hdus:
        if hdu.is_table:
            names = {column.name for column in read_columns(hdu)}
            if names >= _NAMES:
                return hdu
    return None


def read_espresso_s1d(file: FitsFile, hdu: Hdu) -> Spectrum:
    """
    Read an S1D table.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        Its table, from `find_table`.

    Returns
    -------
    spectrum : Spectrum
        On the pipeline's own wavelengths in air; flagged pixels are NaN.

    Raises
    ------
    SpectrumError
        If the file holds no valid spectrum.

    Notes
    -----
    The pipeline's S1D products are barycentric, although no card says so. Its pixels
    are 0.5 km/s wide; the flux is taken as density.
    """
    columns = {column.name: column for column in read_columns(hdu)}
    wave, flux = columns["wavelength_air"], columns["flux"]
    table = TableSpectrum(file, hdu)
    return Spectrum(
        wave=to_angstrom(table.values(wave), wave.unit),
        flux=table.flux(flux, columns["quality"]),
        metadata=read_metadata(file, flux.unit, specsys="BARYCENT"),
        history=("ESPRESSO S1D table",),
    )
