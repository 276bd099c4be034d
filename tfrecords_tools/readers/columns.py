"""Columns of a table that holds one spectrum: which is which, and in what unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fits_file import FitsFile, Hdu
from tfrecords_tools.spectrum import SpectrumError, as_flux

# Releases differ in prefix; eso: marks columns beside the main ones.
_PREFIXES = ("spectrum.", "spec:", "eso:")
_ANGSTROM = {
    "angstrom": 1.0,
    "angstroms": 1.0,
    "ang": 1.0,
    "a": 1.0,
    "aa": 1.0,
    "0.1nm": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "nanometers": 10.0,
    "um": 1.0e4,
    "micron": 1.0e4,
    "microns": 1.0e4,
    "mm": 1.0e7,
    "m": 1.0e10,
}


@dataclass(frozen=True)
class Column:
    """What the header says about one column."""

    index: int
    name: str
    """TTYPE in lower case."""
    utype: str
    """TUTYP in lower case."""
    ucd: str
    """TUCD in lower case."""
    unit: str
    """TUNIT as written."""


def read_columns(hdu: Hdu) -> list[Column]:
    """
    List the columns of a table.

    Parameters
    ----------
    hdu : Hdu
        A binary table.

    Returns
    -------
    columns : list of Column
        In the order of the table.
    """
    header = hdu.header
    return [
        Column(
            index=i,
            name=header.text(f"TTYPE{i + 1}").lower(),
            utype=header.text(f"TUTYP{i + 1}").lower(),
            ucd=header.text(f"TUCD{i + 1}").lower(),
            unit=header.text(f"TUNIT{i + 1}"),
        )
        for i in range(header.size("TFIELDS", 0))
    ]


def rank_columns(
    columns: Sequence[Column], utype: str, names: Sequence[str]
) -> list[Column]:
    """
    List the columns that hold a quantity, the likeliest first.

    Parameters
    ----------
    columns : sequence of Column
        Of one table.
    utype : str
        The quantity in the spectrum data model, without prefix, in lower case.
    names : sequence of str
        Names such a column has where there is no TUTYP, the usual one first.

    Returns
    -------
    ranked : list of Column
        Those told by TUTYP, then those told by name; empty if there is none.
    """
    by_utype = [c for p in _PREFIXES for c in columns if c.utype == p + utype]
    by_name = [c for name in names for c in columns if c.name == name]
    return by_utype + by_name


def to_angstrom(values: NDArray[np.generic], unit: str) -> NDArray[np.float64]:
    """
    Convert wavelengths to Angstrom.

    Parameters
    ----------
    values : ndarray
        Wavelengths, shape (n,).
    unit : str
        FITS unit; "" is Angstrom.

    Returns
    -------
    wave : ndarray of float64
        Shape (n,) [Angstrom].

    Raises
    ------
    SpectrumError
        If the unit is not one of length.
    """
    key = unit.strip().lower().replace(" ", "")
    if key and key not in _ANGSTROM:
        raise SpectrumError(f"unknown unit of wavelength {unit!r}")
    wave = values.astype(np.float64)
    factor = _ANGSTROM.get(key, 1.0)
    return wave if factor == 1.0 else wave * factor


class TableSpectrum:
    """
    The arrays of a table of one row of arrays, or of one pixel a row.

    Parameters
    ----------
    file : FitsFile
        The file, open for its data too.
    hdu : Hdu
        One of its tables.

    Raises
    ------
    SpectrumError
        If the table is truncated or malformed.
    """

    def __init__(self, file: FitsFile, hdu: Hdu) -> None:
        self._table = file.table(hdu)

    def values(self, column: Column) -> NDArray[np.generic]:
        """
        Read a column.

        Parameters
        ----------
        column : Column
            One of the table's.

        Returns
        -------
        values : ndarray
            Shape (n_pixels,).

        Raises
        ------
        SpectrumError
            If the cells are not numbers, or the table holds several spectra.
        """
        try:
            values = np.asarray(self._table.field(column.index))
        except (ValueError, TypeError, IndexError, OverflowError):
            raise SpectrumError(f"column {column.name!r} is malformed") from None
        if values.dtype == object and values.shape == (1,):
            values = np.asarray(values[0])[np.newaxis]  # a variable-length array
        if values.dtype.kind not in "fiu":
            raise SpectrumError(f"column {column.name!r} does not hold numbers")
        if values.ndim > 1 and len(values) != 1:
            raise SpectrumError(f"the table holds {len(values)} spectra, not one")
        return values.reshape(-1)

    def flux(self, column: Column, quality: Column | None) -> NDArray[np.float32]:
        """
        Read the flux, with flagged pixels as NaN.

        Parameters
        ----------
        column : Column
            The flux.
        quality : Column or None
            Flags, 0 for good pixels.

        Returns
        -------
        flux : ndarray of float32
            Shape (n_pixels,).

        Raises
        ------
        SpectrumError
            As from `values`, or if the flags have another length.
        """
        flux = as_flux(self.values(column))
        if quality is None:
            return flux
        flags = self.values(quality)
        if flags.shape != flux.shape:
            raise SpectrumError(
                f"flux and quality differ in length: {flux.size} and {flags.size}"
            )
        flux[flags != 0] = np.nan
        return flux
