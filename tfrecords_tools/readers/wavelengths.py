"""Wavelengths in Angstrom, of an axis or of numbers in any unit."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import Cards
from tfrecords_tools.spectrum import SpectrumError

SHORTEST, LONGEST = 100.0, 1.0e6
"""No spectrum of a star leaves this range [Angstrom]."""
_USUAL = 900.0, 3.0e5
"""Nor, if it is given by logarithms or without a unit, this one [Angstrom]."""
_LARGEST_LOG = 14.0
"""Natural logarithm of `LONGEST`; so few Angstrom are no wavelength of a star."""
_ANGSTROM = {
    **dict.fromkeys(("angstrom", "angstroms", "ang", "a", "aa", "angstroem", "å"), 1.0),
    **dict.fromkeys(("0.1nm", "1e-10m", "10**-10m", "10^-10m"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 10.0),
    **dict.fromkeys(("um", "µm", "mum", "microm", "micron", "microns"), 1e4),
    **dict.fromkeys(("micrometer", "micrometre", "micrometers", "micrometres"), 1e4),
    "mm": 1.0e7,
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0e10),
}
_NANOMETRE, _LONG_UNIT = 10.0, 1e4
# Codes of FITS paper III that are not wavelengths, and words for other axes.
_OTHER_AXIS = re.compile(
    r"(FREQ|ENER|WAVN|VRAD|VOPT|ZOPT|VELO|BETA|FELO)(-\w+)?|%|MULTISPE"
    r"|\w+-+(TAN|SIN|CAR)|[XYV]|DV|DET[XY]|[XY]_?POS(ITION)?|[MBH]?JD|PERC|BIS|CCF|LAG"
    r"|.*(\b(PIX|PIXELS?|PERCENT(AGE)?|BISECTOR|CORRELATION|SLIT|POSITION|ANGLE|SPATIAL"
    r"|INDEX|CHANNELS?|COLUMNS?|ROWS?"
    r"|ORDERS?|RV|VEL|PHASE|TIME|[KMG]?HZ|K?EV|REDSHIFT|WAVENUMBERS?|FREQUENCY|ENERGY|CM-1)\b"
    r"|VELOC|\bK?M/S|\bK?M S-1).*"
)
CODE = re.compile(r"(WAVE|AWAV)(-(?P<algorithm>\w+))?")
"""Of FITS paper III: wavelengths in vacuum or air."""
_LOG_WORD = re.compile(r"LOG|\bLN\b")
_LOG_UNIT = re.compile(r"(?:log_?10|log_?e|log|ln|dex)\s*[\[(]?\s*(.*?)\s*[\])]?", re.I)
_MEDIUM_OF_UNIT = re.compile(r"\W+(in )?(air|vac(uum)?)\W*", re.I)
_IN_BRACKETS = re.compile(r".*[\[(]\s*(?P<unit>[^\])]*?)\s*[\])]")
_IRAF = re.compile(r"(label|units)=\"?([^\s\"]+)")


class Axis(NamedTuple):
    """Wavelengths and how they came about."""

    wave: NDArray[np.float64]
    """Shape (n_pixels,) [Angstrom]."""
    notes: tuple[str, ...]
    """What the values had to tell, for the history."""


class _Linear(NamedTuple):
    """CRVAL1, CRPIX1 and the step of a header's axis, or what stands for them."""

    value: float
    reference: float
    step: float
    notes: tuple[str, ...]


def read_axis(cards: Cards, n_pixels: int) -> Axis:
    """
    Compute the wavelengths of an image.

    Parameters
    ----------
    cards : Cards
        Header of the image: CRVAL1, CRPIX1 and CD1_1 or CDELT1, or COEFF0 and COEFF1.
    n_pixels : int
        Length of the axis.

    Returns
    -------
    axis : Axis
        Linear, log10 or natural logarithm, as CTYPE1, DC-FLAG and the numbers say.

    Raises
    ------
    SpectrumError
        If the header does not describe wavelengths, or a card of it is illegible.
    """
    kind = cards.stated_text("CTYPE1")
    iraf = dict(_IRAF.findall(cards.text("WAT1_001")))
    names = {"CTYPE1": kind, "CNAME1": cards.text("CNAME1")}
    for name, text in (*names.items(), ("the label in WAT1_001", iraf.get("label"))):
        if text and _OTHER_AXIS.fullmatch(text.upper()):
            raise SpectrumError(f"no wavelengths: {name} is {text!r}")
    linear = _read_linear(cards)
    offset = np.arange(n_pixels) + (1.0 - linear.reference)
    values = linear.value + offset * linear.step
    unit = _read_unit(cards, kind, iraf.get("units", ""))
    code = CODE.fullmatch(kind)
    claim = "CTYPE1" if code is None and _LOG_WORD.search(kind.upper()) else ""
    flag = cards.stated_number("DC-FLAG")
    if flag not in (-1, 0, 1) and not math.isnan(flag):
        raise SpectrumError(f"header card DC-FLAG is {flag:g}: no kind of axis")
    if flag == 1:
        claim = "DC-FLAG"
    if code is not None and code["algorithm"] not in (None, "LOG"):
        raise SpectrumError(f"an axis of the kind {kind} is not known")
    is_log = code is not None and code["algorithm"] is not None
    if is_log and _is_wavelength(linear.value, unit):
        with np.errstate(over="ignore"):  # FITS paper III, eq. 5
            values = linear.value * np.exp(offset * linear.step / linear.value)
    axis = to_angstrom(values, unit, claim)
    return Axis(axis.wave, (*linear.notes, *axis.notes))


def _is_wavelength(value: float, unit: str) -> bool:
    """Tell a wavelength, as FITS asks for, from the logarithm of one."""
    is_short = not unit and 0.0 < value < math.log10(_USUAL[0])  # of a long unit
    return is_short or value * (_factor(unit) or 1.0) >= SHORTEST


def to_angstrom(values: NDArray[np.generic], unit: str, log_by: str = "") -> Axis:
    """
    Convert wavelengths, or their logarithms, to Angstrom.

    Parameters
    ----------
    values : ndarray
        Shape (n,), increasing or decreasing.
    unit : str
        As the file has it; "" is guessed from the values.
    log_by : str
        What says that they are logarithms; "" if nothing does.

    Returns
    -------
    axis : Axis
        Its notes tell of a guess.

    Raises
    ------
    SpectrumError
        If the unit is none of length, or the values are no wavelengths of a star.
    """
    wave = values.astype(np.float64)
    low, high = sorted((float(wave[0]), float(wave[-1]))) if wave.size else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpectrumError("wavelengths are not finite")
    log_unit = _LOG_UNIT.fullmatch(unit.strip())
    if log_unit is not None:
        unit, log_by = log_unit[1], "its unit"
    factor = _factor(unit)
    log = _find_log(low, high, factor, bool(log_by))
    notes: tuple[str, ...] = ()
    if log is not None:
        base, factor = log
        with np.errstate(over="ignore"):
            wave = np.exp(wave) if base == "ln" else 10.0**wave
        notes = (f"{base} of wavelengths",)
    elif log_by:
        raise SpectrumError(
            f"no wavelengths: logarithms by {log_by}, but from {low:g} to {high:g}"
        )
    elif factor is None:
        name = _guess_unit(low, high)
        factor, notes = _ANGSTROM[name.lower()], (f"wavelengths in {name}: guessed",)
    if factor != 1.0:
        wave *= factor
    _check_range(wave)
    return Axis(wave, notes)


def has_unit(text: str) -> bool:
    """Tell whether a text is a unit of wavelength, or a logarithm of one."""
    log_unit = _LOG_UNIT.fullmatch(text.strip())
    return _key(log_unit[1] if log_unit else text) in _ANGSTROM


def _read_linear(cards: Cards) -> _Linear:
    value, step = cards.stated_number("CRVAL1"), _read_step(cards)
    if math.isnan(value) or math.isnan(step):
        value, step = cards.stated_number("COEFF0"), cards.stated_number("COEFF1")
        if math.isnan(value) or math.isnan(step):
            raise SpectrumError("no wavelengths: CRVAL1 or CDELT1 is missing")
        return _Linear(value, 1.0, step, ())
    reference = cards.stated_number("CRPIX1")
    if step == 1.0 and value in (0.0, 1.0):
        raise SpectrumError(f"no wavelengths: an axis of pixels, {value:g} and up by 1")
    if math.isnan(reference):
        return _Linear(value, 1.0, step, ("CRPIX1 missing: 1",))
    return _Linear(value, reference, step, ())


def _read_step(cards: Cards) -> float:
    """Return CD1_1, else CDELT1; 0 or 1 in either may be there to fill the card."""
    steps = [cards.stated_number(keyword) for keyword in ("CD1_1", "CDELT1")]
    known = [step for step in steps if not math.isnan(step)]
    if len(known) == 2 and not math.isclose(known[0], known[1], rel_tol=1e-6):
        known = [step for step in known if step not in (0.0, 1.0)]
        if len(known) == 2:
            raise SpectrumError("no wavelengths: CD1_1 and CDELT1 differ")
    scale = cards.stated_number("PC1_1")  # FITS paper I: it multiplies CDELT1
    is_scaled = math.isfinite(scale) and not cards.has("CD1_1")
    return (known[0] if known else math.nan) * (scale if is_scaled else 1.0)


def _read_unit(cards: Cards, kind: str, iraf_unit: str) -> str:
    unit = cards.stated_text("CUNIT1") or iraf_unit
    if unit:
        return unit
    bracketed = _IN_BRACKETS.fullmatch(kind)
    candidates = [kind, bracketed["unit"]] if bracketed else [kind]
    return next((text for text in candidates if _key(text) in _ANGSTROM), "")


def _key(unit: str) -> str:
    unit = _MEDIUM_OF_UNIT.sub("", unit.strip())
    return unit.lower().replace(" ", "").strip("[]().").replace("μ", "µ")


def _factor(unit: str) -> float | None:
    """Return Angstrom in a unit; None if it is not stated."""
    key = _key(unit)
    if key and key not in _ANGSTROM:
        raise SpectrumError(f"unknown unit of wavelength {unit!r}")
    return _ANGSTROM[key] if key else None


def _find_log(
    low: float, high: float, factor: float | None, is_claimed: bool
) -> tuple[str, float] | None:
    """Return base and unit [Angstrom] if these are logarithms of usual wavelengths."""
    if high > _LARGEST_LOG or (factor or 1.0) >= _LONG_UNIT:
        return None
    units = [1.0] if factor is None else [factor]
    if factor is None and is_claimed:
        units.append(_NANOMETRE)
    for unit in units:
        for base, power in (("log10", 10.0), ("ln", math.e)):
            if _USUAL[0] <= unit * power**low and unit * power**high <= _USUAL[1]:
                return base, unit
    return None


def _guess_unit(low: float, high: float) -> str:
    """Return the unit in which numbers are wavelengths of a star, if it is but one."""
    if low >= 5e-8 and high <= 5e-5:
        return "m"
    if low >= 0.09 and high <= 60.0:
        return "um"
    if 90.0 <= low < 900.0 and high <= 6000.0:
        return "nm"
    if low >= 900.0 and high > 2800.0:
        return "Angstrom"
    raise SpectrumError(
        f"no wavelengths: {low:g} to {high:g} without a unit may be anything"
    )


def _check_range(wave: NDArray[np.float64]) -> None:
    low, high = sorted((float(wave[0]), float(wave[-1])))
    if not (low >= SHORTEST and high <= LONGEST):
        raise SpectrumError(f"no wavelengths of a star: {low:g} to {high:g} Angstrom")
