"""Named arrays of a file, whatever its kind, and what their names say they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.recent import Version
from tfrecords_tools.spectrum import SpectrumError

Role = Literal["wave", "flux", "error", "ivar", "variance", "mask", "good"]
VARYING = -1
"""In a shape: each row has a length of its own."""

MAX_PIXELS = 2**22
"""Pixels of a spectrum, and spectra of a file, that are read: more are told by few
bytes in a compressed file, and what is built of each takes a hundred."""


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
        *("lnwave", "ln_wave", "lnlambda", "ln_lambda"),
    ),
    "flux": (
        *("flux", "flux_reduced", "flux_el", "flux_cal", "bgflux_reduced", "fluxab"),
        *("fluxes", "flam", "f_lambda", "flux_lambda", "sob", "spectrum", "spectra"),
        *("spec", "intensity", "counts", "sci", "data"),
    ),
    "error": (
        *(
            "err",
            "errs",
            "error",
            "errors",
            "err_flux",
            "error_flux",
            "flux_err",
            "flux_error",
        ),
        *("err_reduced", "err_bgflux_reduced", "fluxerr", "fluxerrab", "eflux"),
        *("e_flux", "dflux", "u_flux", "uob", "sigma", "sig", "flux_sigma", "stdev"),
        *("std", "stddev", "unc", "uncertainty", "flux_unc", "noise"),
    ),
    "ivar": ("ivar", "flux_ivar", "inverse_variance", "invvar", "inv_var"),
    "variance": ("var", "variance", "flux_var", "flux_variance"),
    "mask": (
        *("qual", "quality", "mask", "andmask", "and_mask", "ormask", "or_mask"),
        *("pixmask", "dq", "flag", "flags", "bad", "badpix", "bpm", "bitmask"),
        "pixel_flags",
    ),
    "good": ("good", "valid", "goodpix"),
}
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
    r"|sens)(_.*)?"
)


def name_fields(fields: Iterable[Field]) -> list[Named]:
    """
    Tell what fields are.

    Parameters
    ----------
    fields : iterable of Field
        Of one group.

    Returns
    -------
    named : list of Named
        Those whose UTYPE or name says it, the surest first.
    """
    named = [one for field in fields if (one := _name(field)) is not None]
    return sorted(named, key=lambda one: one.rank)


def is_no_spectrum(name: str) -> bool:
    """
    Tell whether a name belongs to something other than a spectrum.

    Parameters
    ----------
    name : str
        Of a unit, or what is left of a field's name, in lower case.

    Returns
    -------
    answer : bool
        True for wavelengths, errors, masks, the sky, a continuum, a model, ...
    """
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
            return Named(field, role, match["key"] or number or "", rank)
    return None
