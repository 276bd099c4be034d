"""Readers of stellar spectra, one form of FITS file a module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tfrecords_tools.readers import (
    eso_adp,
    espresso_s1d,
    harps_s1d,
    image,
    with_specutils,
)
from tfrecords_tools.readers.columns import read_columns
from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.readers.metadata import Identity, read_identity
from tfrecords_tools.spectrum import Spectrum, SpectrumError

_Find = Callable[[FitsFile], Hdu | None]
_Read = Callable[[FitsFile, Hdu], Spectrum]

# The forms, the most particular first: a file is read as the first it fits.
_FORMS: tuple[tuple[_Find, _Read], ...] = (
    (espresso_s1d.find_table, espresso_s1d.read_espresso_s1d),
    (eso_adp.find_table, eso_adp.read_eso_adp),
    (harps_s1d.find_s1d, harps_s1d.read_harps_s1d),
    (image.find_image, image.read_image),
)


def read_spectrum(path: Path, verify_checksums: bool = True) -> Spectrum:
    """
    Read a spectrum, of whichever form the file's content has.

    Parameters
    ----------
    path : Path
        A FITS file, plain or gzipped.
    verify_checksums : bool, default True
        Whether to refuse a file that does not fit its CHECKSUM.

    Returns
    -------
    spectrum : Spectrum
        As the file has it, in Angstrom, with NaN for flagged pixels.

    Raises
    ------
    SpectrumError
        If the file cannot be read or holds no valid spectrum; the message is the
        reason, without the path.

    Examples
    --------
    >>> from tfrecords_tools.readers import read_spectrum
    >>> spectrum = read_spectrum(min(Path("fits").glob("*.fits")))
    >>> spectrum.medium, spectrum.metadata.specsys
    ('air', 'BARYCENT')
    """
    with FitsFile(path, verify_checksums=verify_checksums) as file:
        for find, read in _FORMS:
            hdu = find(file)
            if hdu is not None:
                return read(file, hdu)
        return _read_as_anything(file)


def scan_spectrum(path: Path) -> Identity:
    """
    Read which exposure a file is, from its headers.

    Parameters
    ----------
    path : Path
        A FITS file, plain or gzipped.

    Returns
    -------
    identity : Identity
        The same as in the metadata `read_spectrum` gives.

    Raises
    ------
    SpectrumError
        If the file cannot be read, is empty or is not FITS.
    """
    with FitsFile(path, headers_only=True) as file:
        return read_identity(file)


def _read_as_anything(file: FitsFile) -> Spectrum:
    absence = _absence(file)
    if not with_specutils.is_installed() or not any(h.data_size for h in file.hdus):
        raise SpectrumError(absence)
    file.check_sizes()
    try:
        spectrum = with_specutils.read_with_specutils(file)
    except SpectrumError as error:
        raise SpectrumError(f"{absence} ({error})") from None
    if spectrum is None:
        raise SpectrumError(absence)
    return spectrum


def _absence(file: FitsFile) -> str:
    tables = [hdu for hdu in file.hdus if hdu.is_table]
    if tables:
        names = ", ".join(column.name for column in read_columns(tables[0]))
        return f"no flux: the table's columns are {names or 'unnamed'}"
    images = [hdu for hdu in file.hdus if hdu.is_image]
    if images:
        shape = " x ".join(str(n) for n in images[0].axes)
        return f"no flux: the image has {shape} pixels, not one row"
    return "no flux: the file has no data"
