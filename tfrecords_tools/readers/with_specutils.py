"""Files that no reader here knows, by those of specutils, if that is installed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.layout import is_no_spectrum
from tfrecords_tools.readers.medium import Statement, find_frame, find_medium
from tfrecords_tools.readers.metadata import (
    name_product,
    read_identity,
    read_metadata,
    refuse_other_sources,
)
from tfrecords_tools.readers.pipelines import Pipeline
from tfrecords_tools.spectrum import Medium, Spectrum, SpectrumError, as_flux

# Surveys whose wavelengths are in vacuum, by the names of specutils' formats.
_IN_VACUUM = ("SDSS", "APOGEE", "MaNGA", "JWST", "HST", "MUSCLES", "Subaru")


def is_installed() -> bool:
    """Tell whether there is specutils, without the seconds it takes to import."""
    return importlib.util.find_spec("specutils") is not None


def read_with_specutils(file: FitsFile, cards: Sequence[Cards]) -> Spectrum | None:
    """
    Read a file in a format that specutils knows.

    Parameters
    ----------
    file : FitsFile
        Its units must be of sane sizes, for specutils reads them all.
    cards : sequence of Cards
        Its headers.

    Returns
    -------
    spectrum : Spectrum or None
        None if specutils does not know the file, or more than one format fits it.

    Raises
    ------
    SpectrumError
        If specutils cannot read a file it knows, or it holds not one spectrum.

    Notes
    -----
    Masked pixels are NaN. Axes of frequency or energy become wavelengths. Those of the
    surveys listed here are in vacuum, if the file does not say otherwise.
    """
    from specutils.io.registers import identify_spectrum_format

    refuse_other_sources(cards, name_product(file.path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of units, headers and styles
        try:
            name = identify_spectrum_format(str(file.path))
        except Exception:  # an identifier may fail in any way at a strange file
            return None
        if not isinstance(name, str):
            return None
        try:
            return _convert(_load(file, name), name, file, cards)
        except SpectrumError:
            raise
        except Exception as error:  # and so may a loader
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SpectrumError(f"specutils, as {name}: {reason}") from None


def _load(file: FitsFile, name: str) -> Any:
    import specutils

    return specutils.Spectrum.read(str(file.path), format=name)


def _convert(
    loaded: Any, name: str, file: FitsFile, cards: Sequence[Cards]
) -> Spectrum:
    import astropy.units as u

    if loaded.flux.ndim != 1:
        shape = " x ".join(str(n) for n in loaded.flux.shape)
        raise SpectrumError(f"specutils, as {name}: {shape} values, not one spectrum")
    if name == "tabular-fits":
        _check_flux_column(file, loaded.flux.unit)
    wave = loaded.spectral_axis.to_value(u.AA, equivalencies=u.spectral())
    flux = as_flux(loaded.flux.value)
    if loaded.mask is not None:
        flux[np.asarray(loaded.mask, bool)] = np.nan
    if wave[0] > wave[-1]:  # by frequency
        wave, flux = wave[::-1], flux[::-1]
    survey = f"specutils, as {name}"
    statement, by = find_medium(None, None, cards, Pipeline(survey, _medium(name)))
    if loaded.spectral_axis.unit.physical_type != "length":
        by = ("in vacuum by an axis of frequencies or energies",)
        statement = Statement("vacuum", by[0])
    frame = find_frame(cards, None)
    identity = read_identity(name_product(file.path), cards)
    return Spectrum(
        wave=np.ascontiguousarray(wave, np.float64),
        flux=np.ascontiguousarray(flux),
        metadata=read_metadata(identity, cards, frame.specsys, str(loaded.flux.unit)),
        medium="air" if statement is None else statement.medium,
        history=(
            survey,
            *(("air assumed",) if statement is None else by),
            *frame.notes,
        ),
        is_medium_assumed=statement is None,
    )


def _check_flux_column(file: FitsFile, unit: Any) -> None:
    """Refuse what was taken for the flux by a unit that others have, too."""
    import astropy.units as u

    header = next(hdu.header for hdu in file.hdus if hdu.is_table)
    names = [
        header.text(f"TTYPE{i}")
        for i in range(1, header.size("TFIELDS") + 1)
        if u.Unit(header.text(f"TUNIT{i}"), parse_strict="silent").is_equivalent(unit)
    ]
    if [name for name in names if not is_no_spectrum(name.lower())] != names[:1]:
        listed = ", ".join(names)
        raise SpectrumError(f"specutils does not know the flux among {listed}")


def _medium(name: str) -> Medium | None:
    return "vacuum" if name.startswith(_IN_VACUUM) else None
