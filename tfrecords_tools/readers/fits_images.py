"""Images of FITS files as fields: one a unit, or one a row or a band."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.fits_unit import Hdu
from tfrecords_tools.readers.layout import Field
from tfrecords_tools.readers.pipelines import (
    APOGEE,
    LAMOST,
    SDSS,
    Pipeline,
)

# What units and rows hold that surveys do not name, "" for what is not read.
_N_CHIPS = 3
"""Of APOGEE."""
_REST = ("sky", "sky_error", "telluric", "telluric_error")
_UNITS_OF_PLATES = ("flux", "ivar", "andmask", "ormask")
_ROWS_OF_SPSPEC = ("flux", "", "error", "mask", "")


def read_image_fields(file: FitsFile, pipeline: Pipeline | None) -> list[Field]:
    """
    List the images of a file that may be of spectra.

    Parameters
    ----------
    file : FitsFile
        The file.
    pipeline : Pipeline or None
        That made it: some do not name what they hold.

    Returns
    -------
    fields : list of Field
        Of one row each, or with a row for each of several spectra.
    """
    units = [(i, hdu) for i, hdu in enumerate(file.hdus) if hdu.is_image]
    if len(units) == 1 and units[0][0] == 0:
        rows = _rows_of(units[0][1], pipeline)
        if rows:
            return _read_rows(file, units[0][1], rows)
    names = _name_units(file, pipeline)
    fields = []
    for i, hdu in units:
        fields += _read_unit(file, hdu, names[i], f"unit {i}")
    return fields


def shape_of(hdu: Hdu) -> tuple[int, ...]:
    """Tell the shape of an image, axes of length one behind the first left out."""
    first, *others = hdu.axes or (0,)
    return (*reversed([n for n in others if n != 1]), first)


def _rows_of(hdu: Hdu, pipeline: Pipeline | None) -> Sequence[str]:
    shape = shape_of(hdu)
    if pipeline is LAMOST and len(shape) == 2 and 3 <= shape[0] <= 5:
        has_axis = hdu.header.has("COEFF0") or hdu.header.has("CRVAL1")
        # Row 3 is another thing in the first releases.
        wave = "" if has_axis else "wavelength"
        return ("flux", "ivar", wave, "andmask", "ormask")[: shape[0]]
    if pipeline is SDSS and len(shape) == 2 and shape[0] == len(_ROWS_OF_SPSPEC):
        return _ROWS_OF_SPSPEC
    return ()


def _read_rows(file: FitsFile, hdu: Hdu, names: Sequence[str]) -> list[Field]:
    length = hdu.axes[0]
    return [
        Field(name, (length,), partial(_row, file, hdu, row), axis=hdu.header)
        for row, name in enumerate(names)
        if name
    ]


def _read_unit(file: FitsFile, hdu: Hdu, name: str, label: str) -> list[Field]:
    shape = shape_of(hdu)
    unit = hdu.header.text("BUNIT")
    if len(hdu.axes) == 3 and hdu.axes[1] == 1 and hdu.axes[2] > 1:
        return _read_bands(file, hdu, name, label)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] < 2):
        return []
    read: Callable[[int], NDArray[np.generic]] = (
        partial(file.image_row, hdu) if len(shape) > 1 else partial(_whole, file, hdu)
    )
    return [Field(name, shape, read, unit, axis=hdu.header, label=label)]


def _read_bands(file: FitsFile, hdu: Hdu, name: str, label: str) -> list[Field]:
    """Take the band IRAF's apall calls spectrum, or the first, and that of errors."""
    length, _, n_bands = hdu.axes
    unit = hdu.header.text("BUNIT")
    ids = [hdu.header.text(f"BANDID{i + 1}").lower() for i in range(n_bands)]
    of_flux = next((i for i, text in enumerate(ids) if text.startswith("spectr")), 0)
    read = partial(_row, file, hdu, of_flux)
    fields = [Field(name, (length,), read, unit, axis=hdu.header, label=label)]
    for band, text in enumerate(ids):
        if text.startswith("sigma"):
            read = partial(_row, file, hdu, band)
            fields.append(Field("sigma", (length,), read, unit))
    return fields


def _name_units(file: FitsFile, pipeline: Pipeline | None) -> list[str]:
    """Return the names of all units, from their place where surveys give none."""
    names = [hdu.name.lower().removeprefix("primary") for hdu in file.hdus]
    by_place: Sequence[str] = ()
    if pipeline is APOGEE:
        by_place = _units_of_apogee(file)
    elif pipeline is SDSS and len(shape_of(file.primary)) == 2:
        by_place = _UNITS_OF_PLATES
    names = [name or _at(by_place, i) for i, name in enumerate(names)]
    # Names that are there several times get their number, such as EXTVER.
    n_times, numbers = Counter(names), Counter[str]()
    for i, name in enumerate(names):
        if name and n_times[name] > 1:
            numbers[name] += 1
            names[i] = f"{name}_{numbers[name]}"
    return names


def _units_of_apogee(file: FitsFile) -> Sequence[str]:
    """Return what the units are: aspcapStar has a model where others have a mask."""
    units = file.hdus
    has_mask = len(units) > 3 and units[3].header.number("BITPIX") > 0
    if not has_mask:
        return ("", "flux", "error", "model")
    # Only apVisit has chips, each with wavelengths of its own.
    is_visit = len(units) > 4 and shape_of(units[4]) == shape_of(units[1])
    is_log = "LOG" in units[1].header.text("CTYPE1").upper()
    is_visit = is_visit and shape_of(units[1])[0] == _N_CHIPS and not is_log
    return ("", "flux", "error", "mask", "wavelength" if is_visit else "sky", *_REST)


def _at(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else ""


def _row(file: FitsFile, hdu: Hdu, row: int, _: int) -> NDArray[np.generic]:
    return file.image_row(hdu, row)


def _whole(file: FitsFile, hdu: Hdu, _: int) -> NDArray[np.generic]:
    return file.image(hdu).reshape(-1)
