"""Spectra in FITS files: in tables, in images, and in rows of either."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fits_file import FitsFile
from tfrecords_tools.readers.fits_images import read_image_fields, shape_of
from tfrecords_tools.readers.fits_unit import Hdu
from tfrecords_tools.readers.layout import (
    VARYING,
    Field,
    Group,
    Layout,
    Piece,
    find_layouts,
    is_no_spectrum,
    name_fields,
    tell_of,
)
from tfrecords_tools.readers.pipelines import (
    APOGEE,
    SDSS,
    SPSPEC_BAD,
    Pipeline,
    Traits,
    find_pipeline,
)
from tfrecords_tools.readers.recent import version_of
from tfrecords_tools.readers.wavelengths import read_axis
from tfrecords_tools.spectrum import SpectrumError

_N_ORDERS = 3
"""So many units side by side are orders or chips; two may be the arms of one star."""
_TARGET_TABLES = ("FIBERMAP", "PLUGMAP")
"""Tables with a row for each row of the images."""
Found = tuple[Layout, Pipeline | None]
_FORMAT = re.compile(r"(\d*)([A-Z])")
_OF_VARYING_LENGTH = "PQ"


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
    tables = [(hdu, _read_table_group(file, hdu)) for hdu in file.hdus if hdu.is_table]
    found: list[Found] = []
    refused: SpectrumError | None = None
    try:
        found = list(_find_in_images(file, [group for _, group in tables]))
    except SpectrumError as error:  # there may be a table of what it was made to
        refused = error
    for hdu, group in tables:
        pipeline = find_pipeline(Traits(primary, hdu.header, group.names))
        found += [(layout, pipeline) for layout in find_layouts(group)]
    if refused is not None:
        if all(is_no_spectrum(layout.group.name.lower()) for layout, _ in found):
            raise refused
        found = [(tell_of(layout, ["an image"]), known) for layout, known in found]
    found = _leave_out_others(found)
    _refuse_orders([layout for layout, _ in found[:_N_ORDERS]])
    return found


def _refuse_orders(layouts: list[Layout]) -> None:
    """Refuse spectra that stand side by side in wavelength, each in a unit."""
    pieces = [layout.pieces[0] for layout in layouts if layout.n_rows == 1]
    if len(pieces) < _N_ORDERS:
        return
    try:
        ranges = sorted(_range(piece) for piece in pieces)
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


def _range(piece: Piece) -> tuple[float, float]:
    """Return the first and the last wavelength of a piece, as the file has them."""
    if piece.wave is not None:
        wave = piece.wave.read_numbers(0).astype(np.float64)
    elif piece.flux.axis is not None:
        wave = read_axis(piece.flux.axis, piece.flux.shape[-1]).wave
    else:
        raise SpectrumError("no wavelengths")
    return float(np.nanmin(wave)), float(np.nanmax(wave))


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
            fields = _read_table_group(file, hdu).fields
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
    named = [one.field for one in name_fields(fields) if one.role == "flux"]
    n_rows = next((f.shape[0] for f in (*named, *fields) if len(f.shape) > 1), 0)
    group = Group(
        name="",
        kind="image",
        fields=(*fields, *_wavelengths_of(tables, fields)),
        scalars=lambda rows: _read_targets(file, fields, n_rows, rows),
        rows_are=rows_are,
        version=version_of(file.path),
    )
    for layout in find_layouts(group):
        if layout.n_rows not in (1, n_rows) and group.scalars(slice(0, 1)):
            raise SpectrumError(
                f"images of {n_rows} and of {layout.n_rows} rows: nothing says whose "
                f"spectra the latter are"
            )
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
    file: FitsFile, fields: list[Field], n_rows: int, rows: slice
) -> dict[str, NDArray[np.generic]]:
    """Read what a file says of each row of its images of so many."""
    for hdu in file.hdus:
        if n_rows and hdu.is_table and hdu.header.size("NAXIS2") == n_rows:
            scalars = _list_scalars(hdu)
            if hdu.name.upper() in _TARGET_TABLES or "RA" in map(str.upper, scalars):
                return _read_scalars(file, hdu, scalars, rows)
    header = next((f.axis for f in fields if f.axis is not None), None)
    if n_rows and header is not None and header.has("APNUM1"):  # of IRAF's apertures
        numbers = range(n_rows)[rows]
        return {"OBJECT": np.array([header.text(f"APID{i + 1}") for i in numbers])}
    return {}


class _Column(NamedTuple):
    field: Field
    n_values: int
    """In each row; VARYING if that differs."""


def _read_table_group(file: FitsFile, hdu: Hdu) -> Group:
    """List the fields of a table; columns of one number a spectrum are its scalars."""
    n_rows = hdu.header.size("NAXIS2", 0)
    columns = _read_columns(file, hdu, n_rows)
    arrays = [column for column in columns if column.n_values != 1]
    named = name_fields(column.field for column in arrays)
    has_arrays = any(one.role == "flux" for one in named)
    masks = {one.field for one in named if one.role in ("mask", "good")}
    used = arrays
    if not has_arrays:  # a mask that does not fit is not passed over
        used = [c for c in columns if c.n_values == 1 or c.field in masks]
    is_phase3 = any(column.field.utype for column in columns)
    scalars = _list_scalars(hdu) if has_arrays else {}
    return Group(
        name=hdu.name,
        kind="Phase 3 table" if is_phase3 else "table",
        fields=tuple(column.field for column in used),
        cards=(hdu.header,),
        scalars=lambda rows: _read_scalars(file, hdu, scalars, rows),
        names=frozenset(column.field.name for column in columns),
        is_catalogue=n_rows > 1 and has_arrays,
        version=version_of(file.path) if n_rows > 1 else None,
    )


def _list_scalars(hdu: Hdu) -> dict[str, int]:
    """Find the numbers of the columns of one value a row, by the names in the file."""
    header = hdu.header
    columns = {}
    for i in range(header.size("TFIELDS", 0)):
        form = header.text(f"TFORM{i + 1}")
        if _count_values(form) == 1:
            columns[header.text(f"TTYPE{i + 1}")] = i
    return columns


def _read_scalars(
    file: FitsFile, hdu: Hdu, columns: dict[str, int], rows: slice
) -> dict[str, NDArray[np.generic]]:
    """Read the values of some columns, of all rows or of one."""
    if not columns:
        return {}
    if rows.start is not None:
        table = file.table_row(hdu, rows.start)
        values = [np.asarray(table.field(i)) for i in columns.values()]
    else:
        values = file.scalars(hdu, list(columns.values()))
    return {
        name: _mark_nulls(column.astype(object), null) if null is not None else column
        for (name, i), column in zip(columns.items(), values, strict=True)
        for null in [_find_null(hdu, i + 1)]
    }


def _find_null(hdu: Hdu, number: int) -> float | None:
    """Return what stands for no value in a column of integers, as they are read."""
    header = hdu.header
    null = header.get(f"TNULL{number}")
    if not isinstance(null, int):
        return None
    scale, zero = header.get(f"TSCAL{number}"), header.get(f"TZERO{number}")
    scaled = null * (scale if isinstance(scale, int | float) else 1)
    return scaled + (zero if isinstance(zero, int | float) else 0)


def _mark_nulls(values: NDArray[Any], null: float) -> NDArray[Any]:
    is_null = values == null
    return np.where(is_null, np.nan, values) if is_null.any() else values


def _read_columns(file: FitsFile, hdu: Hdu, n_rows: int) -> list[_Column]:
    whole = lru_cache(maxsize=1)(lambda: file.table(hdu))
    one_row = lru_cache(maxsize=1)(lambda row: file.table_row(hdu, row))
    header = hdu.header
    columns = []
    for i in range(header.size("TFIELDS", 0)):
        number = i + 1
        name = header.text(f"TTYPE{number}")
        n_values = _count_values(header.text(f"TFORM{number}"))
        is_rows = n_rows > 1 and n_values != 1
        field = Field(
            name=name.lower(),
            shape=_shape(n_rows, n_values),
            read=_reader(
                *(i, name, one_row if is_rows else lambda _: whole()),
                _find_null(hdu, number),
            ),
            unit=header.text(f"TUNIT{number}"),
            ucd=header.text(f"TUCD{number}").lower(),
            utype=header.text(f"TUTYP{number}").lower(),
            label=name,
        )
        columns.append(_Column(field, n_values))
    return columns


def _count_values(form: str) -> int:
    """Return how many values a cell has; a string is one."""
    match = _FORMAT.match(form)
    if match is None or match[2] == "A":
        return 1
    return VARYING if match[2] in _OF_VARYING_LENGTH else int(match[1] or 1)


def _shape(n_rows: int, n_values: int) -> tuple[int, ...]:
    if n_values == 1:
        return (n_rows,)
    return (n_rows, n_values) if n_rows > 1 else (n_values,)


def _reader(
    index: int, name: str, read_table: Callable[[int], Any], null: float | None
) -> Callable[[int], NDArray[np.generic]]:
    def read(row: int) -> NDArray[np.generic]:
        table = read_table(row)
        try:
            values = np.asarray(table.field(index))
        except (ValueError, TypeError, IndexError, OverflowError):
            raise SpectrumError(f"column {name.lower()!r} is malformed") from None
        if values.dtype == object and values.shape == (1,):
            values = np.asarray(values[0])  # of varying length
        values = values.reshape(-1)
        return values if null is None else _mark_nulls(values, null)

    return read
