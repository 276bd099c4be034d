"""Spectra in FITS files: in tables, in images, and in rows of either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fields import Field, Group, is_no_spectrum, name_fields
from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.fits_images import read_image_fields, shape_of
from tfrecords_tools.readers.fits_tables import (
    list_scalars,
    read_scalars,
    read_table_group,
)
from tfrecords_tools.readers.layout import Layout, find_layouts, range_of, tell_of
from tfrecords_tools.readers.pipelines import (
    APOGEE,
    SDSS,
    SPSPEC_BAD,
    Pipeline,
    Traits,
    find_pipeline,
)
from tfrecords_tools.readers.recent import version_of
from tfrecords_tools.spectrum import SpectrumError

_N_ORDERS = 3
"""So many units side by side are orders or chips; two may be the arms of one star."""
_TARGET_TABLES = ("FIBERMAP", "PLUGMAP")
"""Tables with a row for each row of the images."""
Found = tuple[Layout, Pipeline | None]


def find_in_fits(file: FitsFile) -> list[Found]:
    """
    Find the spectra of a FITS file.

    Parameters
    ----------
    file : FitsFile
        May be open for headers only.

    Returns
    -------
    found : list of tuple
        Layout and pipeline of each spectrum, or of rows that are one each; empty if
        there is none. Images stand before tables.

    Raises
    ------
    SpectrumError
        If the file cannot be read, or rows of it are no spectra.
    """
    primary = file.primary.header
    tables = [(hdu, read_table_group(file, hdu)) for hdu in file.hdus if hdu.is_table]
    found = list(_find_in_images(file, [group for _, group in tables]))
    for hdu, group in tables:
        pipeline = find_pipeline(Traits(primary, hdu.header, group.names))
        found += [(layout, pipeline) for layout in find_layouts(group)]
    found = _leave_out_others(found)
    _refuse_orders([layout for layout, _ in found[:_N_ORDERS]])
    return found


def _refuse_orders(layouts: list[Layout]) -> None:
    """Refuse spectra that stand side by side in wavelength, each in a unit."""
    pieces = [layout.pieces[0] for layout in layouts if layout.n_rows == 1]
    if len(pieces) < _N_ORDERS:
        return
    try:
        ranges = sorted(range_of(piece) for piece in pieces)
    except SpectrumError:
        return  # reading it will tell
    if all(
        first[1] - second[0] < 0.5 * min(first[1] - first[0], second[1] - second[0])
        for first, second in pairwise(ranges)
    ):
        raise SpectrumError(
            "several spectra of different wavelengths, such as the orders of an "
            "echelle: merge them to one spectrum before"
        )


def _leave_out_others(found: list[Found]) -> list[Found]:
    """Leave out tables that are called sky, model and the like, beside others."""
    names = {layout.group.name for layout, _ in found}
    others = {name for name in names if is_no_spectrum(name.lower())}
    others |= {name for name in names if name.lower().startswith("norm")}
    if others == names:
        return found
    return [
        (tell_of(layout, sorted(others)), pipeline)
        for layout, pipeline in found
        if layout.group.name not in others
    ]


def describe_content(file: FitsFile) -> str:
    """
    Say what a file without a spectrum has instead.

    Parameters
    ----------
    file : FitsFile
        The file.

    Returns
    -------
    reason : str
        Of the first unit with data.
    """
    for hdu in file.hdus:
        if hdu.is_table:
            fields = read_table_group(file, hdu).fields
            names = ", ".join(field.name for field in fields)
            has_flux = any(one.role == "flux" for one in name_fields(fields))
            lacking = "wavelengths" if has_flux else "flux"
            return f"no {lacking}: the table's columns are {names or 'unnamed'}"
        if hdu.is_image:
            shape = " x ".join(str(n) for n in hdu.axes)
            if len(shape_of(hdu)) == 1:
                return f"no flux: an image of {shape} pixels, called {hdu.name!r}"
            return f"no flux: the image has {shape} pixels, not one row"
    return "no flux: the file has no data"


def _find_in_images(file: FitsFile, tables: list[Group]) -> Iterator[Found]:
    images = [hdu for hdu in file.hdus if hdu.is_image]
    if not images:
        return
    names = frozenset(hdu.name.lower() for hdu in images)
    traits = Traits(file.primary.header, images[0].header, names)
    pipeline = find_pipeline(traits)
    fields = read_image_fields(file, pipeline)
    rows_are = _rows_of_apogee(fields) if pipeline is APOGEE else "spectra"
    group = Group(
        name="",
        kind="image",
        fields=(*fields, *_wavelengths_of(tables, fields)),
        scalars=lambda rows: _read_targets(file, fields, rows),
        rows_are=rows_are,
        version=version_of(file.path),
    )
    for layout in find_layouts(group):
        own = layout.pieces[0].flux
        cards = (own.axis,) if own.axis is not None else ()
        layout = replace(layout, group=replace(group, name=own.name, cards=cards))
        if pipeline is SDSS and layout.n_rows == 1:
            yield layout, replace(SDSS, bad_bits=SPSPEC_BAD)
        elif rows_are == "visits":
            yield layout, replace(APOGEE, specsys="SOURCE")  # all are shifted to rest
        else:
            yield layout, pipeline


def _rows_of_apogee(fields: list[Field]) -> Literal["chips", "visits"]:
    """Tell the three chips of apVisit from the visits of apStar."""
    return "chips" if any(f.name == "wavelength" for f in fields) else "visits"


def _wavelengths_of(tables: list[Group], images: list[Field]) -> list[Field]:
    """Find wavelengths of images that stand in a table without a flux."""
    lengths = {image.shape[-1] for image in images}
    found = []
    for table in tables:
        named = name_fields(table.fields)
        if not any(one.role == "flux" for one in named):
            waves = [one.field for one in named if one.role == "wave" and not one.key]
            found += [wave for wave in waves if wave.shape[-1] in lengths]
    return found


def _read_targets(
    file: FitsFile, fields: list[Field], rows: slice
) -> dict[str, NDArray[np.generic]]:
    """Read what a file says of each row of its images."""
    n_rows = next((f.shape[0] for f in fields if len(f.shape) > 1), 0)
    for hdu in file.hdus:
        if n_rows and hdu.is_table and hdu.header.size("NAXIS2") == n_rows:
            scalars = list_scalars(hdu)
            if hdu.name.upper() in _TARGET_TABLES or "RA" in map(str.upper, scalars):
                return read_scalars(file, hdu, scalars, rows)
    header = next((f.axis for f in fields if f.axis is not None), None)
    if n_rows and header is not None and header.has("APNUM1"):  # of IRAF's apertures
        numbers = range(n_rows)[rows]
        return {"OBJECT": np.array([header.text(f"APID{i + 1}") for i in numbers])}
    return {}
