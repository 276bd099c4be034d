"""Named arrays of a file, and which of them are the spectra in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.config import MAX_PIXELS
from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.recent import Recent, Version
from tfrecords_tools.spectrum import SpectrumError

Role = Literal["wave", "flux", "error", "ivar", "variance", "mask", "good"]
VARYING = -1
"""In a shape: each row has a length of its own."""
_checked: Recent[None] = Recent(64)
"""Rows that are known to be spectra."""


def check_size(shape: tuple[int, ...]) -> None:
    """
    Refuse an array that is too large, before it is read.

    Parameters
    ----------
    shape : tuple of int
        (n_pixels,) or (n_spectra, n_pixels).

    Raises
    ------
    SpectrumError
        If either is more than `MAX_PIXELS`.
    """
    if max(shape, default=0) > MAX_PIXELS:
        what = "pixels" if shape[-1] > MAX_PIXELS else "rows"
        raise SpectrumError(
            f"{max(shape)} {what}, of {MAX_PIXELS} at most: no spectrum is so long, "
            f"and a file of more spectra must be cut before"
        )


@dataclass(frozen=True, eq=False)
class Field:
    """An array of one spectrum, or of several with a row for each."""

    name: str
    """In lower case; "" for an image without one."""
    shape: tuple[int, ...]
    """(n_pixels,) or (n_rows, n_pixels)."""
    read: Callable[[int], NDArray[np.generic]]
    """From the number of a row, 0 if there is but one, to its n_pixels values."""
    unit: str = ""
    ucd: str = ""
    """Unified Content Descriptor, in lower case."""
    utype: str = ""
    """Place in the spectrum data model, in lower case."""
    axis: Cards | None = None
    """Header that may describe the wavelengths of its pixels."""
    label: str = ""
    """What to call it where it has no name."""

    def read_numbers(self, row: int) -> NDArray[np.generic]:
        """
        Read a row, as `read` does.

        Parameters
        ----------
        row : int
            Its number, 0 if there is but one.

        Returns
        -------
        values : ndarray
            Integers or floats, shape (n_pixels,).

        Raises
        ------
        SpectrumError
            If it does not hold numbers, or too many.
        """
        values = self.read(row)
        check_size(values.shape)  # it may vary from row to row
        if values.dtype.kind not in "fiu":
            raise SpectrumError(f"column {self.name!r} does not hold numbers")
        return values


@dataclass(frozen=True, eq=False)
class Group:
    """Fields that stand together: a table, the images of a file, a folder of HDF5."""

    name: str
    """Of the unit or folder; "" if it has none."""
    kind: str
    """What it is, for the history: table, image, text, ..."""
    fields: tuple[Field, ...]
    cards: tuple[Cards, ...] = ()
    """Its own headers."""
    scalars: Callable[[slice], dict[str, NDArray[np.generic]]] = lambda _: {}
    """From one row or all to the columns of one value a row, by their names."""
    names: frozenset[str] = frozenset()
    """Of all columns or images, in lower case."""
    is_catalogue: bool = False
    """Whether each row is of a star of its own, and the scalars are its labels."""
    ids: Callable[[], Sequence[str]] | None = None
    """Identifiers of the rows, each once; None: they have none."""
    rows_are: Literal["spectra", "chips", "visits"] = "spectra"
    """What rows of different wavelengths, or of one star, are."""
    version: Version | None = None
    """Of the file, if there are rows."""


class Named(NamedTuple):
    """A field and what its name says."""

    field: Field
    role: Role
    key: str
    """What is left of the name: "b" of b_flux; of fields that belong together equal."""
    rank: int
    """The lower, the surer."""


# The usual name of each quantity first. Releases differ in the prefix of a UTYPE;
# eso: marks columns beside the main ones.
_UTYPE_PREFIXES = ("spectrum.", "spec:", "eso:")
_UTYPES: dict[str, Role] = {
    "data.spectralaxis.value": "wave",
    "data.fluxaxis.value": "flux",
    "data.fluxaxis.accuracy.staterror": "error",
    "data.fluxaxis.quality": "mask",
}
_NAMES: dict[Role, tuple[str, ...]] = {
    "wave": (
        *("wave", "wavelength", "wavelengths", "lambda", "lam", "wl", "waveobs"),
        *("wave_air", "wavelength_air", "lambda_air", "air_wavelength", "wave_vac"),
        *("wavelength_vac", "lambda_vac", "vac_wavelength", "spectral_axis", "wav"),
        *("loglam", "log_lam", "loglambda", "log_lambda", "logwave", "log_wave"),
        *("lnwave", "ln_wave", "lnlambda", "ln_lambda", "wvl", "wlen", "wavemap"),
    ),
    "flux": (
        *("flux", "flux_reduced", "flux_el", "flux_cal", "bgflux_reduced", "fluxab"),
        *("fluxes", "flam", "f_lambda", "flux_lambda", "sob", "spectrum", "spectra"),
        *("spec", "intensity", "counts", "sci", "data"),
    ),
    "error": (
        *("err", "errs", "error", "errors", "err_flux", "error_flux", "flux_err"),
        *("flux_error", "err_reduced", "err_bgflux_reduced", "fluxerr", "fluxerrab"),
        *("eflux", "e_flux", "dflux", "u_flux", "uob", "sigma", "sig", "flux_sigma"),
        *("stdev", "std", "stddev", "unc", "uncert", "uncertainty", "flux_unc"),
        *("fluxerror", "noise", "rms", "staterr", "staterror", "stat_err"),
        "stat_error",
    ),
    "ivar": ("ivar", "flux_ivar", "inverse_variance", "invvar", "inv_var"),
    "variance": ("var", "variance", "flux_var", "flux_variance", "stat"),
    "mask": (
        *("qual", "quality", "mask", "andmask", "and_mask", "ormask", "or_mask"),
        *("pixmask", "dq", "flag", "flags", "bad", "badpix", "bpm", "bitmask"),
        *("pixel_flags", "dataqual", "dqual", "dqf", "qf", "msk", "maskbits", "isbad"),
        *("crmask", "nanmask", "badpixels", "badpixmap", "badmask", "masked"),
        *("outlier", "outliers", "rejected"),
    ),
    "good": ("good", "valid", "goodpix", "goodpixels", "goodmask", "gpm", "isgood"),
}
_OF_PIXELS = frozenset(
    (
        *("flux", "spec", "spectrum", "pixel", "pixels", "pix", "data", "is", "map"),
        *("mask", "bits", "bit", "flag", "flags", "quality", "qual", "dq", "bad"),
        *("good", "valid", "cosmic", "cosmics", "cr", "of", "the", "error", "values"),
    )
)
"""Words of a name that belong to no spectrum in particular: flux_mask is a mask."""
_EXACT = {
    name: (role, rank)
    for role, names in _NAMES.items()
    for rank, name in enumerate(names, len(_UTYPE_PREFIXES))
}
_WORDS = "|".join(sorted(map(re.escape, _EXACT), key=len, reverse=True))
_BEFORE = re.compile(rf"(?P<key>.+?)[_.:\- ](?P<word>{_WORDS})")
_BEHIND = re.compile(rf"(?P<word>{_WORDS})(?:[_.:\- ](?P<key>.+)|(?P<number>\d+))")
_NO_SPECTRUM = re.compile(
    r"(.*_)?(wav\w*|lam(bda)?|log_?lam\w*|err\w*|sig(ma)?|unc(ert\w*)?|noise|std(dev)?"
    r"|stdev|i?var(iance)?|inv(_?var)?|\w*mask|dq|qual\w*|flags?|bpm|bad(pix)?|good|valid"
    r"|sky|cont|continuum|model|tell|telluric|back|background|bkg|raw|templ(ate)?|fit|lsf"
    r"|res|resolution|disp|dispersion|blaze|flat|weights?|snr|transm(ission)?|response"
    r"|sens|throughput|efficiency|chi2|chisq|exp(map|time|osure)?|stat|coverage|nexp"
    r"|profile|trace)(_.*)?"
)


def name_fields(fields: Iterable[Field]) -> list[Named]:
    """Tell what fields of one group are by UTYPE or name, the surest first."""
    named = [one for field in fields if (one := _name(field)) is not None]
    return sorted(named, key=lambda one: one.rank)


def is_no_spectrum(name: str) -> bool:
    """Tell whether a name, in lower case, is that of errors, a mask, the sky, ..."""
    return _NO_SPECTRUM.fullmatch(name) is not None


def _name(field: Field) -> Named | None:
    for rank, prefix in enumerate(_UTYPE_PREFIXES):
        role = _UTYPES.get(field.utype.removeprefix(prefix))
        if field.utype.startswith(prefix) and role is not None:
            return Named(field, role, "", rank)
    if field.name in _EXACT:
        return Named(field, _EXACT[field.name][0], "", _EXACT[field.name][1])
    for pattern in (_BEFORE, _BEHIND):
        match = pattern.fullmatch(field.name)
        if match is not None:
            role, rank = _EXACT[match["word"]]
            number = match.groupdict().get("number")
            return _of_pixels(Named(field, role, match["key"] or number or "", rank))
    return None


def _of_pixels(named: Named) -> Named:
    """Tell what belongs to any spectrum, however many words name it."""
    words = set(re.split(r"[_.:\- ]", named.key))
    of_flux = _EXACT.get(named.key, ("flux", 0))[0]
    if named.role == "flux" and of_flux not in ("flux", "wave"):  # mask_flux
        named = named._replace(role=of_flux)
    elif named.role in ("flux", "wave") or not words <= _OF_PIXELS:
        return named
    if named.role == "mask" and words & {"good", "valid"}:
        named = named._replace(role="good")
    return named._replace(key="")


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
    applied = {mask for layout in layouts for p in layout.pieces for mask in p.masks}
    masks = [one for one in named if one.role in ("mask", "good")]
    left = ", ".join(one.field.name for one in masks if one not in applied)
    notes = (f"masks not applied: {left}",) if left else ()
    layouts = [replace(layout, notes=(*layout.notes, *notes)) for layout in layouts]
    return [tell_of(layout, names) for layout in layouts]


def tell_of(layout: Layout, names: Sequence[str]) -> Layout:
    """Note in the history of a spectrum which units of the file are not read."""
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
        own_key = key or flux.name  # counts_err, beside counts
        own = [one for one in named if one.role in roles and one.key == own_key]
        return own or [one for one in named if one.role in roles and not one.key]

    waves = [one for one in of_role("wave") if _has_rows_of(one.field, flux)]
    if not waves and not key:  # of another name, if they fit
        others = [one for one in named if one.role == "wave"]
        waves = [
            w for w in others if _has_rows_of(w.field, flux) and _fit(w.field, flux)
        ]
        if len({w.key for w in waves}) > 1 and not any(map(_is_in_air, waves)):
            names = ", ".join(w.field.name for w in waves)
            raise SpectrumError(f"several wavelengths of one flux: {names}")
    in_air = list(filter(_is_in_air, waves))
    wave = next((w.field for w in in_air + waves), None)
    errors = [
        one
        for role in ("error", "ivar", "variance")
        for one in of_role(role)
        if _fit(one.field, flux) and _has_rows_of(one.field, flux)
    ]
    masks = tuple(of_role("mask", "good"))
    return Piece(flux, wave, errors[0] if errors else None, masks)


def _is_in_air(wave: Named) -> bool:
    return "air" in wave.field.name or "obs.atmos" in wave.field.ucd


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
    arms = [w.read_numbers(0).astype(np.float64) for w in waves if w is not None]
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
        _checked.get(key, lambda: _check_rows(piece.flux, piece.wave, layout))
    return layout


def _check_rows(flux: Field, wave: Field | None, layout: Layout) -> None:
    """Refuse rows of which the file does not say that each is a spectrum."""
    n_rows = layout.n_rows
    if wave is None:
        axis = flux.axis
        is_told = bool(layout.group.scalars(slice(0, 1)))  # whose spectra they are
        if not is_told or "MULTISPE" in (axis.text("CTYPE1") if axis else ""):
            raise SpectrumError(
                f"an image of {flux.shape[1]} x {flux.shape[0]} pixels: nothing says "
                f"that its rows are spectra; merge orders of an echelle (e2ds, S2D, "
                f"multispec) to one spectrum before"
            )
    elif len(wave.shape) > 1:
        first, last = (_range(wave.read_numbers(row)) for row in (0, n_rows - 1))
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
