"""Whose spectrum it is: metadata of an exposure, keyword by keyword."""

from __future__ import annotations

import math
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfrecords_tools.readers.header import Cards, Header
from tfrecords_tools.spectrum import Metadata, SpectrumError
from tfrecords_tools.star import star_name

FITS_ENDINGS = tuple(
    f"{ending}{zipped}"
    for zipped in (".gz", ".fz", "")
    for ending in (".fits", ".fit", ".fts")
)
"""The longest first."""
ARRAY_ENDINGS = (".hdf5", ".h5", ".parquet", ".npz")
TEXT_ENDINGS = (".csv", ".dat", ".txt", ".tsv", ".asc", ".ascii", ".s")
# Not NAME, which is the plate in SDSS products.
_TARGET = (
    *("OBJECT", "ESO OBS TARG NAME", "TNG OBS TARG NAME", "TARGNAME", "TARGET"),
    *("DESIG", "APOGEE_ID", "OBJID", "OBJ", "OBJNAME", "STARNAME", "OBJECT_ID"),
    *("TARGETID", "SOURCE_ID", "GAIA_SOURCE_ID", "GAIA_ID", "GAIADR3_ID"),
    *("GAIA_DR3_ID", "GAIA", "TMASS_ID", "2MASS_ID", "TWOMASS", "2MASS", "SPECOBJID"),
    *("OHP TARG NAME", "TARG_NAME", "TARGET NAME", "TARGNAM", "OBJ_NAME", "OBJ_ID"),
    *(
        "OBJECTID",
        "DRSOBJN",
        "CNAME",
        "MAIN_ID",
        "SRCNAME",
        "STAR",
        "STAR_ID",
        "STARID",
    ),
    *("MANGAID", "SDSS_ID", "CATALOGID"),
    *("GAIADR2", "GAIA_DR2", "GAIAID", "HD", "HIP", "TIC", "TICID", "KIC"),
)
_CATALOGUES = {"HD": "HD", "HIP": "HIP", "TIC": "TIC", "TICID": "TIC", "KIC": "KIC"}
"""Keywords of which the value may be a number in the catalogue."""
_RA = (
    *("RA", "TARGET_RA", "RA_TARG", "PLUG_RA", "RAOBJ", "RA_OBJ", "OBJRA", "RA_DEG"),
    *("RADEG", "RAJ2000", "RA2000", "RA_ICRS", "TARGRA", "CAT-RA", "OBJCTRA"),
)
_DEC = (
    *("DEC", "TARGET_DEC", "DEC_TARG", "PLUG_DEC", "DECOBJ", "DEC_OBJ", "OBJDEC"),
    *("DEC_DEG", "DECDEG", "DEJ2000", "DECJ2000", "DEC2000", "DEC_ICRS", "TARGDEC"),
    *("CAT-DEC", "OBJCTDEC"),
)
_MJD = ("MJD-OBS", "MJD_OBS", "MJD")
_EXPTIME = ("EXPTIME", "TEXPTIME", "EXP_TIME", "EXPOSURE")
_BERV = (
    *("ESO DRS BERV", "ESO QC BERV", "TNG DRS BERV", "TNG QC BERV", "OHP DRS BERV"),
    *("BERV", "CARACAL BERV", "ESO QC VRAD BARYCOR", "BARYCORR", "BVCOR"),
    *("HELIO_RV", "ESO QC VRAD HELICOR", "HELICORR", "HELCORR", "VHELIO"),
    *("BERVCORR", "BARYVEL", "BARYCOR", "BARY_CORR", "BARYRV", "VBARY", "VRAD_BARY"),
    *("BCV", "BVC", "SSBVEL", "SSBRV100", "HELIOCOR", "HELIO_V", "HELVEL"),
    *("ESO PRO BERV", "SERVAL BERV"),
    *("BARYCENTRIC CORRECTION (KM/S)", "HELIOCENTRIC CORRECTION (KM/S)"),
)
_AIRMASS = (
    "ESO TEL AIRM START",
    *(f"ESO TEL{i} AIRM START" for i in range(1, 5)),
    "AIRMASS",
)
_ORDER_SNR = re.compile(
    r"HIERARCH (?:(?:ESO|TNG) DRS SPE EXT SN|ESO QC ORDER)\d+(?: SNR)? *="
    r" *([-+]?\d+\.?\d*(?:E[-+]?\d+)?)"
)
_KEYWORDS = frozenset(
    (*_TARGET, *_RA, *_DEC, *_MJD, *_EXPTIME, *_BERV, *_AIRMASS, "SNR", "INSTRUME")
)
_IN_M_PER_S = re.compile(r"(?<![a-z])m ?(/ ?s|s-1|s\^-1|s\*\*-1)(?![a-z])", re.I)
_FASTEST_BERV = 40.0
"""More than the Earth moves [km/s]."""
# As pipelines of ESO name their products: RED_SCI_POINT_BLUE, SCI_SLIT_MERGE1D_UVB.
_CATEGORY = re.compile(
    r"(.*_)?(SCI|SCIENCE|IDP|S1D|S2D|EXTRACT(ED)?|REDUCED|SPECTRUM)(_.*)?"
    r"|.*_MERGE1D_.*|(OBJECT|STD|STAR|SCIENCE),.*|PRODUCT(_CATEGORY)?|.*_1D|OBJECT|STD"
)
_SEXAGESIMAL = re.compile(
    r"([+-]?)\s*(\d{1,3})[:hd°\s]\s*(\d{1,2}(?:\.\d*)?)"
    r"(?:[:m'\s]\s*(\d{1,2}(?:\.\d*)?)?)?[s\"]?"
)
_DECIMAL = re.compile(r"([+-]?\d+\.?\d*)\s*(h|hrs?|hours?|d|deg|degrees?|°)?", re.I)
_HOURS = re.compile(r"(?<![a-z])(hour(s|angle)?|hrs?|h|hms|hh[:.mhs]*)(?![a-z])", re.I)
_RADIANS = re.compile(r"(?<![a-z])rad(ians?)?(?![a-z])", re.I)
_IN_HOURS = ("HPF", "HET")
_PLACES = ("ESO", "TNG", "OHP")
_CALIBRATIONS = tuple(
    f"{place} DRS CAL {kind} FILE" for kind in ("LOC", "TH") for place in _PLACES
)
"""Of one fibre, which their names end with."""
_TWO_FIBRES = ("HARP", "ESPRESSO", "NIRPS", "SOPHIE", "CORALIE")
"""Spectrographs whose fibre B is on the sky or a lamp."""
_KINDS = (
    *("OBJTYPE", "FIB_TYPE", "FIBTYPE", "OBS_TYPE", "OBSTYPE", "IMAGETYP", "IMAGETYPE"),
    *("SRCTYPE", "CLASS", "IMTYPE", "IMGTYPE", "OBS-TYPE", "EXPTYPE", "OBJECT"),
)
_SKY = (
    *("SKY", "ARC", "ARCS", "COMP", "COMPARISON", "THAR", "FLAT", "BIAS", "ZERO"),
    *("DARK", "LAMP", "CALIB", "CALIBRATION", "WAVE", "THNE", "UNE", "ETALON", "FP"),
    *("LFC", "HALOGEN", "TUNGSTEN", "QUARTZ", "DOMEFLAT", "CAL", "LAMPS", "HENEAR"),
    *("CUAR", "HCONE", "SKYFLAT", "AUTOCAL", "HOLLOWCATHODE", "UAR"),
)
_WITH_SKY = ("TH", "AR", "NE", "HE", "CU", "FIELD", "FRAME", "BACKGROUND", "ALL", "OFF")
"""What stands beside such words; in the name of a star others do."""
_LAMP_WORDS = re.compile(r"(COMP(ARISON)?|ARC|FLAT|CALIBRATION|LAMP)[\W_].*", re.I)
_BESIDE = re.compile(
    r"(?:^|_)(ERRORBAR|ERR|ERRS|VAR|SKY|BKG|WEIGHT|MASK|CCF|BLAZE|RESPONSE|FLAT|WAVE)(?:_|$)"
)
"""Products of ESO's pipelines that are no spectra of stars."""


@dataclass(frozen=True)
class Identity:
    """What decides where a spectrum's record goes, read without its pixels."""

    dp_id: str
    target: str
    ra: float
    """Right ascension [deg]."""
    dec: float
    """Declination [deg]."""
    mjd: float
    """Modified Julian date of the start [d]."""
    labels: Mapping[str, float | str] = field(default_factory=dict)
    """What else a table of many spectra has of this one, by the column's name."""

    @property
    def is_complete(self) -> bool:
        """Whether everything but the labels is known."""
        return bool(self.target) and math.isfinite(self.ra + self.dec + self.mjd)


def name_product(path: Path) -> str:
    """
    Name a file's data product.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dp_id : str
        Its name without ``.fits``, ``.fits.gz`` and the like.
    """
    # A name on disk need not be Unicode, but a dp_id is.
    name = os.fsencode(path.name).decode(errors="backslashreplace")
    lower = name.lower()
    for ending in (*FITS_ENDINGS, *ARRAY_ENDINGS, *TEXT_ENDINGS):
        if lower.endswith(ending):
            return name[: -len(ending)]
    return name


def read_identity(dp_id: str, cards: Sequence[Cards]) -> Identity:
    """
    Read which exposure a spectrum is.

    Parameters
    ----------
    dp_id : str
        Of the data product.
    cards : sequence of Cards
        Where keywords are looked up, in this order.

    Returns
    -------
    identity : Identity
        NaN or "" for what no header has.
    """
    return Identity(
        dp_id=dp_id,
        target=_read_target(cards),
        ra=_read_angle(cards, _RA, is_ra=True),
        dec=_read_angle(cards, _DEC, is_ra=False),
        mjd=_number(cards, *_MJD),
    )


def read_metadata(
    identity: Identity, cards: Sequence[Cards], specsys: str, flux_unit: str
) -> Metadata:
    """
    Read what the headers say about an exposure.

    Parameters
    ----------
    identity : Identity
        From `read_identity`.
    cards : sequence of Cards
        Where keywords are looked up, in this order.
    specsys : str
        Frame of the wavelengths.
    flux_unit : str
        Unit of the flux, "" if unknown.

    Returns
    -------
    metadata : Metadata
        NaN or "" for what no header has.
    """
    return Metadata(
        dp_id=identity.dp_id,
        target=identity.target,
        instrument=_text(cards, "INSTRUME") or _text(cards, "TELESCOP"),
        ra=identity.ra,
        dec=identity.dec,
        mjd=identity.mjd,
        exptime=_number(cards, *_EXPTIME),
        snr=_read_snr(cards),
        berv=_read_berv(cards),
        airmass=_number(cards, *_AIRMASS),
        specsys=specsys,
        flux_unit=flux_unit,
    )


def is_metadata(name: str) -> bool:
    """Tell whether a column holds metadata, as a keyword of that name does."""
    return name.upper() in _KEYWORDS


def refuse_other_sources(cards: Sequence[Cards], name: str) -> None:
    """
    Refuse what a header calls the sky or a lamp.

    Parameters
    ----------
    cards : sequence of Cards
        Where keywords are looked up, in this order.
    name : str
        Of the data product.

    Raises
    ------
    SpectrumError
        For fibre B of HARPS, SOPHIE, NIRPS and their like and fibre C of SPIRou, for a
        fibre on nothing but sky, for a lamp, and for what a pipeline made beside a
        spectrum.
    """
    for keyword in _KINDS:
        kind = _text(cards, keyword)
        is_lamp = keyword != "OBJECT" and _LAMP_WORDS.fullmatch(kind)
        if is_lamp or _is_of_sky(kind.upper()):
            raise SpectrumError(f"no star: {keyword} is {kind}")
    category = _text(cards, "ESO PRO CATG")
    if _BESIDE.search(category):
        raise SpectrumError(f"no star: ESO PRO CATG is {category}")
    instrument = _text(cards, "INSTRUME").upper()
    fibre = _find_fibre(cards, name, instrument)
    types = (_text(cards, f"{place} DPR TYPE") for place in _PLACES)
    sources = next(filter(None, types), "").split(",")
    number = max("AB".find(fibre), 0) if fibre else 0
    source = sources[number].strip().upper() if number < len(sources) else ""
    is_polarised = source in ("CIRPOL", "LINPOL")
    if (fibre in ("B", "C") and not is_polarised) or _is_lamp(source):
        of = f"{fibre or 'A'} of {instrument or 'the spectrograph'}"
        told = f" ({','.join(sources)})" if sources != [""] else ""
        raise SpectrumError(f"no star: fibre {of}{told} is on the sky or a lamp")


def _is_of_sky(text: str) -> bool:
    words = re.findall("[A-Z]+", text)
    others = [word for word in words if word not in _SKY]
    is_told = len(others) < len(words) or words == ["TH", "AR"]
    return is_told and all(word in _WITH_SKY for word in others)


def _is_lamp(source: str) -> bool:
    lamps = ("WAVE", "LAMP", "SKY", "DARK", "BIAS", "THAR", "FP", "LFC", "FLAT")
    return source in lamps


def _find_fibre(cards: Sequence[Cards], name: str, instrument: str) -> str:
    """Return A, B or C where there are several and this is one of them, else ""."""
    for keyword in _CALIBRATIONS:
        match = re.search(r"_([AB])\.fits(\.gz)?$", _text(cards, keyword))
        if match:
            return match[1]
    stated = _text(cards, "FIBER") or _text(cards, "FIBRE")
    if instrument.startswith("SPIROU"):  # A and B are both on the star
        in_name = re.search(r"_s1d_[vw]_(C)(?![A-Za-z])", name)
        return "C" if stated == "C" or in_name else ""
    if instrument.startswith("CARMENES"):
        match = re.search(r"-(?:vis|nir)_([AB])(?![A-Za-z])", name)
        return match[1] if match else ""
    if not instrument.startswith(_TWO_FIBRES):
        return ""
    categories = [_text(cards, f"{place} PRO CATG") for place in _PLACES]
    for text in (*categories, name):
        match = re.search(r"S1D(?:_\w+)?_([AB])(?![A-Za-z])", text, re.I)
        if match:
            return match[1].upper()
    return stated if stated in ("A", "B") else ""


def _read_target(cards: Sequence[Cards]) -> str:
    for header in cards:
        for keyword in _TARGET:
            name = _as_name(header.get(keyword))
            if name.isdigit() and keyword in _CATALOGUES:
                name = f"{_CATALOGUES[keyword]} {name}"
            if star_name(name) and not _is_category(name, cards):
                return name
    return ""


def _as_name(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):  # a number of a star as a label table has it
        return str(int(value)) if value.is_integer() else ""
    return str(value).strip()


def _is_category(name: str, cards: Sequence[Cards]) -> bool:
    upper = name.upper()
    kinds = (_text(cards, "ESO PRO CATG"), _text(cards, "ESO DPR TYPE"))
    category = upper.replace(" ", "_")
    return _CATEGORY.fullmatch(category) is not None or upper in map(str.upper, kinds)


def _read_angle(cards: Sequence[Cards], keywords: Sequence[str], is_ra: bool) -> float:
    """Return the first angle [deg] that is one, in degrees, hours or sexagesimal."""
    for header in cards:
        for keyword in keywords:
            value = header.get(keyword)
            angle, unit = header.number(keyword), ""
            if isinstance(value, str):
                angle, unit = _parse_angle(value, is_ra)
            if not unit and math.isfinite(angle):
                angle *= _degrees_per(header, keyword, cards, angle, is_ra)
            low, high = (-180.0, 360.0) if is_ra else (-90.0, 90.0)
            if low <= angle <= high:
                return angle % 360.0 if is_ra else angle
    return math.nan


def _parse_angle(text: str, is_ra: bool) -> tuple[float, str]:
    """Return degrees and what says so, or a number and ""."""
    match = _SEXAGESIMAL.fullmatch(text.strip())
    if match is None:
        decimal = _DECIMAL.fullmatch(text.strip())
        if decimal is None:
            return math.nan, ""
        unit = (decimal[2] or "").lower()
        return float(decimal[1]) * (15.0 if unit.startswith("h") else 1.0), unit
    sign, whole, minutes, seconds = match.groups()
    angle = float(whole) + float(minutes) / 60.0 + float(seconds or 0.0) / 3600.0
    in_hours = is_ra and "d" not in text and "°" not in text and angle < 24.0
    return (-angle if sign == "-" else angle) * (
        15.0 if in_hours else 1.0
    ), "sexagesimal"


def _degrees_per(
    header: Cards, keyword: str, cards: Sequence[Cards], angle: float, is_ra: bool
) -> float:
    """Return the unit of a number [deg]."""
    may_be_radians = abs(angle) <= 2.0 * math.pi
    if may_be_radians and _RADIANS.search(header.comment(keyword)):
        return math.degrees(1.0)
    in_hours = is_ra and 0.0 <= angle < 24.0 and _is_in_hours(header, keyword, cards)
    return 15.0 if in_hours else 1.0


def _is_in_hours(header: Cards, keyword: str, cards: Sequence[Cards]) -> bool:
    comment = header.comment(keyword)
    if comment:
        return _HOURS.search(comment) is not None and "deg" not in comment.lower()
    makers = _text(cards, "INSTRUME"), _text(cards, "TELESCOP")
    return any(maker.upper().startswith(_IN_HOURS) for maker in makers)


def _read_berv(cards: Sequence[Cards]) -> float:
    for header in cards:
        for keyword in _BERV:
            if not header.has(keyword):
                continue
            berv = _to_number(header, keyword)
            # In APOGEE's files VHELIO is the velocity of the star.
            if math.isnan(berv) or (keyword == "VHELIO" and header.has("VSCATTER")):
                continue
            if keyword == "VHELIO" and math.isfinite(header.number("VOBS")):
                berv -= header.number("VOBS")  # IRAF's rvcorrect: the star's, with it
            if _IN_M_PER_S.search(header.comment(keyword)):
                berv /= 1000.0
            if abs(berv) <= _FASTEST_BERV:
                return berv
    return math.nan


def _to_number(header: Cards, keyword: str) -> float:
    """Read a number that may stand between quotation marks."""
    try:
        return float(header.text(keyword))
    except ValueError:
        return header.number(keyword)


def _read_snr(cards: Sequence[Cards]) -> float:
    """Return SNR or, as ESO defines that card for HARPS, the median over the orders."""
    snr = _number(cards, "SNR")
    if math.isfinite(snr):
        return snr
    for header in cards:
        if isinstance(header, Header):
            found = [float(value) for value in _ORDER_SNR.findall(header.content)]
            finite = [value for value in found if math.isfinite(value)]
            if finite:
                return statistics.median(finite)
    return math.nan


def _text(cards: Sequence[Cards], *keywords: str) -> str:
    texts = (header.text(key) for header in cards for key in keywords)
    return next((text for text in texts if text), "")


def _number(cards: Sequence[Cards], *keywords: str) -> float:
    numbers = (header.number(key) for header in cards for key in keywords)
    return next((number for number in numbers if math.isfinite(number)), math.nan)
