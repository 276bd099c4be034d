"""ESO Phase 3 spectra (ADP files): a table of one row of arrays."""

from __future__ import annotations

from tfrecords_tools.readers.columns import (
    Column,
    TableSpectrum,
    rank_columns,
    read_columns,
    to_angstrom,
)
from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.readers.metadata import read_metadata
from tfrecords_tools.spectrum import Medium, Spectrum, SpectrumError

_WAVE_NAMES = ("wave", "wavelength", "lambda", "wave_air", "wavelength_air")
_FLUX_NAMES = ("flux", "flux_reduced", "flux_el", "flux_cal", "bgflux_reduced")
_QUALITY_NAMES = ("qual", "quality")


def find_table(file: FitsFile) -> Hdu | None:
    """
    Find a table with columns of wavelength and flux.

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
            columns = read_columns(hdu)
            if _find_wave(columns) is not None and _find_flux(columns) is not None:
                return hdu
    return None


def read_eso_adp(file: FitsFile, hdu: Hdu) -> Spectrum:
    """
    Read an ESO Phase 3 spectrum.

    Parameters
    ----------
    file : FitsFile
        The file.
    hdu : Hdu
        Its table, from `find_table`.

    Returns
    -------
    spectrum : Spectrum
        Pixels with a quality flag are NaN.

    Raises
    ------
    SpectrumError
        If the file holds no valid spectrum.

    Notes
    -----
    Columns are known by TUTYP, else by TTYPE. A column of wavelengths in air is
    preferred to one in vacuum. Where the header does not tell, they are taken for
    air wavelengths, as in all HARPS products, although their TUCD is that of vacuum.
    """
    columns = read_columns(hdu)
    wave, flux = _find_wave(columns), _find_flux(columns)
    if wave is None or flux is None:
        raise SpectrumError("no columns of wavelength and flux")
    table = TableSpectrum(file, hdu)
    medium = _find_medium(wave)
    return Spectrum(
        wave=to_angstrom(table.values(wave), wave.unit),
        flux=table.flux(flux, _find_quality(columns)),
        metadata=read_metadata(file, flux.unit),
        medium=medium or "air",
        history=("ESO Phase 3 table", *([] if medium else ["air assumed"])),
    )


def _find_wave(columns: list[Column]) -> Column | None:
    ranked = rank_columns(columns, "data.spectralaxis.value", _WAVE_NAMES)
    in_air = [column for column in ranked if _find_medium(column) == "air"]
    return next(iter(in_air + ranked), None)


def _find_flux(columns: list[Column]) -> Column | None:
    ranked = rank_columns(columns, "data.fluxaxis.value", _FLUX_NAMES)
    return next(iter(ranked), None)


def _find_quality(columns: list[Column]) -> Column | None:
    ranked = rank_columns(columns, "data.fluxaxis.quality", _QUALITY_NAMES)
    return next(iter(ranked), None)


def _find_medium(wave: Column) -> Medium | None:
    """Return what the header says the wavelengths are measured in, if it does."""
    if "air" in wave.name or "obs.atmos" in wave.ucd:
        return "air"
    return "vacuum" if "vac" in wave.name else None
