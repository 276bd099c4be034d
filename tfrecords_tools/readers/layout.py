"""Which arrays of a file are the spectra in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fields import (
    VARYING,
    Field,
    Group,
    Named,
    check_size,
    is_no_spectrum,
    name_fields,
)
from tfrecords_tools.readers.recent import Recent
from tfrecords_tools.spectrum import SpectrumError

_checked: Recent[None] = Recent(64)
"""Rows that are known to be spectra."""
_ROWS_ARE_SPECTRA = ("COEFF0", "APNUM1")
"""Cards of images with a spectrum a row: plates of SDSS, IRAF's equispec."""


class Piece(NamedTuple):
    """The arrays of a spectrum, or of an arm or chip of it."""

    flux: Field
    wave: Field | None
    """None: the header of the flux describes its axis."""
    error: Named | None
    masks: tuple[Named, ...]
    row: int | None = None
    """Of all its arrays of several rows; None: that of the spectrum."""


@dataclass(frozen=True, eq=False)
class Layout:
    """One spectrum, or several in rows of the same arrays."""

    group: Group
    key: str
    """Name within the group, "" if it needs none."""
    pieces: tuple[Piece, ...]
    """Arms that are joined to one spectrum; nearly always one."""
    n_rows: int = 1
    notes: tuple[str, ...] = ()
    """For the history."""
    row_keys: tuple[str, ...] = ()
    """Names of rows that are all of one star; "" leaves a row out."""

    @property
    def rows(self) -> Sequence[int]:
        """Numbers of the rows that are spectra."""
        if self.row_keys:
            return [row for row, key in enumerate(self.row_keys) if key]
        return range(self.n_rows)

    @property
    def is_of_many_stars(self) -> bool:
        """Whether each row is of a star of its own."""
        is_table = self.group.is_catalogue or self.n_rows > 1
        return is_table and not self.row_keys


def find_layouts(group: Group) -> list[Layout]:
    """
    Find the spectra of a group of fields.

    Parameters
    ----------
    group : Group
        A table, the images of a file, a folder of HDF5, ...

    Returns
    -------
    layouts : list of Layout
        Empty if it has no flux with wavelengths.

    Raises
    ------
    SpectrumError
        If the rows of a flux are echelle orders, or nothing says what they are.
    """
    named = name_fields(group.fields)
    known = {one.field.name for one in named}
    strangers = [f for f in group.fields if _may_be_flux(f) and f.name not in known]
    fluxes, others = _find_fluxes(named)
    if not fluxes and strangers:
        strangers.sort(key=lambda field: len(field.shape))
        fluxes = {"": strangers.pop(0)}
    layouts = []
    for key, flux in fluxes.items():
        check_size(flux.shape)
        piece = _find_partners(flux, key, named)
        if piece.wave is not None or flux.axis is not None:
            n_rows = flux.shape[0] if len(flux.shape) > 1 else 1
            layouts.append(Layout(group, key, (piece,), n_rows))
    layouts = [_arrange_rows(layout) for layout in _join_arms(layouts)]
    names = [field.name or field.label for field in (*others, *strangers)]
    return [tell_of(layout, names) for layout in layouts]


def tell_of(layout: Layout, names: Sequence[str]) -> Layout:
    """
    Note what else is in the file.

    Parameters
    ----------
    layout : Layout
        A spectrum.
    names : sequence of str
        Of units that are not read.

    Returns
    -------
    layout : Layout
        The same spectrum.
    """
    if not names:
        return layout
    return replace(layout, notes=(*layout.notes, f"not read: {', '.join(names)}"))


def _find_fluxes(named: Sequence[Named]) -> tuple[dict[str, Field], list[Field]]:
    """Return the flux of each spectrum by its key, and what may be another's."""
    fluxes = [one for one in named if one.role == "flux"]
    keyed: dict[str, Field] = {}
    for one in fluxes:
        if one.key and not is_no_spectrum(one.key):
            keyed.setdefault(one.key, one.field)
    exact = [one.field for one in fluxes if not one.key]
    if not exact:
        return keyed, []
    # Beside a plain name others are variants of it, but for those that stand alone.
    with_wave = {one.key for one in named if one.role == "wave"}
    others = [field for field in exact[1:] if field.axis is not None]
    others += [field for key, field in keyed.items() if key in with_wave]
    return {"": exact[0]}, others


def _may_be_flux(field: Field) -> bool:
    """Tell whether an image of an unknown name may be a flux."""
    return field.axis is not None and not is_no_spectrum(field.name)


def _find_partners(flux: Field, key: str, named: Sequence[Named]) -> Piece:
    """Find wavelengths, errors and masks that go with a flux."""

    def of_role(*roles: str) -> list[Named]:
        own = [one for one in named if one.role in roles and one.key == key]
        return own or [one for one in named if one.role in roles and not one.key]

    waves = [one for one in of_role("wave") if _has_rows_of(one.field, flux)]
    if not waves and not key:  # of another name, if they fit
        others = [one for one in named if one.role == "wave"]
        waves = [
            w for w in others if _has_rows_of(w.field, flux) and _fit(w.field, flux)
        ]
    in_air = [w for w in waves if "air" in w.field.name or "obs.atmos" in w.field.ucd]
    wave = next((w.field for w in in_air + waves), None)
    errors = [
        one
        for role in ("error", "ivar", "variance")
        for one in of_role(role)
        if _fit(one.field, flux) and _has_rows_of(one.field, flux)
    ]
    masks = tuple(of_role("mask", "good"))
    return Piece(flux, wave, errors[0] if errors else None, masks)


def _has_rows_of(field: Field, flux: Field) -> bool:
    """Tell whether there is a row for each of the flux, or one for all."""
    return len(field.shape) == 1 or field.shape[:-1] == flux.shape[:-1]


def _fit(field: Field, flux: Field) -> bool:
    lengths = {field.shape[-1], flux.shape[-1]}
    return len(lengths) == 1 or VARYING in lengths


def _join_arms(layouts: list[Layout]) -> list[Layout]:
    """Join arms of the same targets: their wavelengths follow each other."""
    if len(layouts) < 2 or len({layout.n_rows for layout in layouts}) > 1:
        return layouts
    waves = [layout.pieces[0].wave for layout in layouts]
    if any(w is None or len(w.shape) > 1 for w in waves) or len(set(waves)) == 1:
        return layouts
    arms = [w.read(0).astype(np.float64) for w in waves if w is not None]
    order = sorted(range(len(arms)), key=lambda i: float(arms[i][0]))
    if not all(_follow(arms[i], arms[j]) for i, j in pairwise(order)):
        return layouts
    note = f"arms joined: {', '.join(layouts[i].key for i in order)}"
    pieces = tuple(layouts[i].pieces[0] for i in order)
    first = layouts[0]
    return [replace(first, key="", pieces=pieces, notes=(*first.notes, note))]


def _follow(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Tell whether one arm follows another, and its pixels are the same in both."""
    n_common = int(np.count_nonzero(first > second[0] - 1e-3))
    if n_common > min(first.size, second.size) // 2:
        return False
    return np.allclose(first[first.size - n_common :], second[:n_common], atol=1e-3)


def _arrange_rows(layout: Layout) -> Layout:
    """Tell what rows are, and refuse those that are not a spectrum each."""
    piece, n_rows, kind = layout.pieces[0], layout.n_rows, layout.group.rows_are
    if n_rows > 1 and kind == "chips":
        chips = tuple(piece._replace(row=row) for row in range(n_rows))
        return replace(layout, pieces=chips, n_rows=1)
    if n_rows > 1 and kind == "visits":
        visits = (f"visit {i + 1}" for i in range(n_rows - 2))
        notes = (*layout.notes, "the second combination is not read")
        return replace(layout, row_keys=("combined", "", *visits), notes=notes)
    if n_rows > 1 and layout.group.ids is None:
        key = layout.group.version, layout.group.name, layout.key, piece.flux.name
        _checked.get(key, lambda: _check_rows(piece.flux, piece.wave, n_rows))
    return layout


def _check_rows(flux: Field, wave: Field | None, n_rows: int) -> None:
    """Refuse rows of which the file does not say that each is a spectrum."""
    if wave is None:
        axis = flux.axis
        is_told = axis is not None and any(axis.has(key) for key in _ROWS_ARE_SPECTRA)
        if not is_told or "MULTISPE" in (axis.text("CTYPE1") if axis else ""):
            raise SpectrumError(
                f"an image of {flux.shape[1]} x {flux.shape[0]} pixels: nothing says "
                f"that its rows are spectra; merge orders of an echelle (e2ds, S2D, "
                f"multispec) to one spectrum before"
            )
    elif len(wave.shape) > 1:
        first, last = (_range(wave.read(row)) for row in (0, n_rows - 1))
        common = min(first[1], last[1]) - max(first[0], last[0])
        if common < 0.5 * min(first[1] - first[0], last[1] - last[0]):
            raise SpectrumError(
                f"{n_rows} rows of different wavelengths, such as the orders of "
                f"an echelle: merge them to one spectrum before"
            )


def _range(values: NDArray[np.generic]) -> tuple[float, float]:
    numbers = values.astype(np.float64)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0.0)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
