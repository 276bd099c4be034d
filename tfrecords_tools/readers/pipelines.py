"""What is known of the products of pipelines and surveys beyond what they say.

A row of the table holds what the makers document. What a file says of itself goes
before, but for the one exception named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tfrecords_tools.readers.header import Header
from tfrecords_tools.spectrum import Medium

ALL_BITS = -1


@dataclass(frozen=True)
class Pipeline:
    """What is known of the products of one pipeline."""

    name: str
    medium: Medium | None = None
    specsys: str = ""
    """Frame where no card names it: a value of SPECSYS, "" if that is not known."""
    bad_bits: int = ALL_BITS
    """Bits of its masks that make a pixel bad."""
    takes_or_mask: bool = True
    """Whether a pixel is bad that was so in a single exposure (ORMASK)."""
    mask_is_good: bool = False
    """Whether its mask is true where the pixel is good."""
    zero_is_bad: bool = False
    """Whether a flux of exactly zero stands for no data."""


@dataclass(frozen=True)
class Traits:
    """By what a pipeline is known."""

    primary: Header
    """The first header of a FITS file; an empty one for other files."""
    own: Header
    """That of the unit the spectrum is in."""
    names: frozenset[str]
    """Of the unit's columns or of the file's images, in lower case."""

    @property
    def instrument(self) -> str:
        """INSTRUME in upper case."""
        return self.primary.text("INSTRUME").upper()

    @property
    def telescope(self) -> str:
        """TELESCOP in upper case."""
        return self.primary.text("TELESCOP").upper()


def _is_harps(traits: Traits) -> bool:
    return traits.instrument.startswith("HARP")


def _is_harps_drs(traits: Traits) -> bool:
    groups = "ESO DRS", "TNG DRS"
    return _is_harps(traits) and any(map(traits.primary.has_group, groups))


def _is_apogee(traits: Traits) -> bool:
    words = ("APOGEE", "apogee", "APRED")
    is_told = any(traits.primary.mentions(word) for word in words)
    return is_told and not traits.names >= {"wave", "flux"}


def _is_apogee_of_universe(traits: Traits) -> bool:
    """Tell APOGEE in the Multimodal Universe, whose names may be those of a part."""
    own = {re.sub(r"^spectrum[._]", "", name) for name in traits.names}
    return own >= {"flux", "pix_bitmask", "pseudo_continuum_flux"}


def _in_names(*names: str) -> Callable[[Traits], bool]:
    return lambda traits: traits.names >= set(names)


# APOGEE_PIXMASK: 0 to 6 BADPIX, CRPIX, SATPIX, UNFIXABLE, BADDARK, BADFLAT, BADERR;
# 7 NOSKY, 12 SIG_SKYLINE, 14 NOT_ENOUGH_PSF. The others warn (persistence, tellurics).
_APOGEE_BAD = 0b0101_0000_1111_1111
# SPPIXMASK of pixels: 18 FULLREJECT, 22 NOSKY, 23 BRIGHTSKY, 24 NODATA, 25 COMBINEREJ,
# 26 BADFLUXFACTOR, 27 BADSKYCHI. Bits 0 to 15 are of a whole fibre, 30 marks emission.
SPSPEC_BAD = sum(1 << bit for bit in (18, 22, 23, 24, 25, 26, 27))

_PYPEIT = frozenset(("OneSpec", "SpecObj"))
_APERO = frozenset(("eflux", "weight", "fluxab"))
HARPS_NAME = "HARPS"
APOGEE = Pipeline("APOGEE", "vacuum", bad_bits=_APOGEE_BAD, zero_is_bad=True)
SDSS = Pipeline("SDSS", "vacuum", "HELIOCEN", takes_or_mask=False)
SDSS_V = Pipeline("SDSS-V", "vacuum", "SOURCE")
"""Stacks of its pipeline Astra, and the visits that are in them, shifted to rest."""
LAMOST = Pipeline("LAMOST", "vacuum", "HELIOCEN")
GALAH = Pipeline("GALAH", "air")
HST = Pipeline("HST", "vacuum")
# The first that fits is taken.
_TABLE: tuple[tuple[Callable[[Traits], bool], Pipeline], ...] = (
    (
        # So are the S1D products of HARPS and NIRPS by the same pipeline.
        _in_names("wavelength", "wavelength_air", "flux", "quality"),
        Pipeline("ESPRESSO", None, "BARYCENT"),
    ),
    (_is_harps_drs, Pipeline(HARPS_NAME, "air", "BARYCENT")),
    (_is_harps, Pipeline(HARPS_NAME, "air")),
    (
        lambda t: t.instrument in ("SPIROU", "NIRPS") and bool(t.names & _APERO),
        Pipeline("APERO", "vacuum"),
    ),
    (
        lambda t: bool({t.own.text("DMODCLS"), t.primary.text("DMODCLS")} & _PYPEIT),
        Pipeline("PypeIt", "vacuum", mask_is_good=True),
    ),
    (
        _in_names("wavelength", "flux", "staterror", "syserror"),
        Pipeline("CALSPEC", "vacuum", mask_is_good=True),  # DATAQUAL: 1 is good
    ),
    (lambda t: t.telescope == "LAMOST", LAMOST),
    (_in_names("mangaid", "wave", "flux", "ivar"), Pipeline("MaStar", "vacuum")),
    (_in_names("sdss_id", "flux", "ivar", "pixel_flags"), SDSS_V),
    (_is_apogee, APOGEE),
    (_is_apogee_of_universe, APOGEE),
    (lambda t: t.telescope.startswith("SDSS"), SDSS),
    (_in_names("flux", "loglam", "ivar", "and_mask", "or_mask"), SDSS),
    (
        _in_names("b_flux", "b_wavelength", "b_ivar"),
        Pipeline("DESI", "vacuum", "HELIOCEN"),
    ),
    (lambda t: "GALAH" in t.primary.text("ORIGIN").upper(), GALAH),
    (_in_names("wave", "sob", "uob"), GALAH),
    (
        lambda t: t.primary.text("TPLLIB").upper() == "MILES",
        Pipeline("MILES", "air", "SOURCE"),
    ),
    (lambda t: t.primary.has_group("OHP DRS"), Pipeline("SOPHIE", "air")),
    (
        lambda t: t.primary.has_group("CARACAL"),
        Pipeline("CARMENES", "vacuum", "TOPOCENT"),
    ),
    (lambda t: t.telescope == "HST", HST),
    # Bit 0 is DO_NOT_USE.
    (lambda t: t.telescope == "JWST", Pipeline("JWST", "vacuum", bad_bits=1)),
)


def find_pipeline(traits: Traits) -> Pipeline | None:
    """Tell by its traits which pipeline made a product, if it is one of `_TABLE`."""
    found = next((pipeline for fits, pipeline in _TABLE if fits(traits)), None)
    serious = traits.own.number("SDQFLAGS") if found is HST else 0.0
    return replace(HST, bad_bits=int(serious)) if serious > 0.0 else found
