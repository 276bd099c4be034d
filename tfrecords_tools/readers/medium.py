"""What wavelengths are measured in and seen from, and by what evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.layout import Field
from tfrecords_tools.readers.pipelines import HARPS_NAME, Pipeline
from tfrecords_tools.readers.wavelengths import CODE
from tfrecords_tools.spectrum import Medium, SpectrumError

_CODES: dict[str, Medium] = {"WAVE": "vacuum", "AWAV": "air"}
_TRUTH = {
    **dict.fromkeys(("TRUE", "T", "1", "1.0", "YES"), True),
    **dict.fromkeys(("FALSE", "F", "0", "0.0", "NO"), False),
}
_OF_LIGHT = ("VACUUM", "AIRORVAC")
"""Cards of the medium of light and of nothing else."""
_SAYS_NOTHING = (*_TRUTH, "", "?", "UNKNOWN", "NONE", "N/A", "UNDEFINED")
_WORD = re.compile(r"(?<![a-z])(air|vac(?:uum)?)(?![a-z])", re.I)
_TO = re.compile(r"(?:\bto |-> ?|(?:air|vac)_?(?:2|to)_?)(air|vac(?:uum)?)\b", re.I)
_FROM = re.compile(r"\bfrom (air|vac(?:uum)?)\b", re.I)
_DENIED = re.compile(r"\b(not?|never|without|un(corrected|converted)|lamps?)\b", re.I)
_OF_WAVES = re.compile(r"WAV|LAM(?!P)|(^|[ _])WL|VAC|AIR|MEDIUM|REFRAC|DISP")
"""In the keyword of a card that may say what wavelengths are in."""
_IS_MEDIUM = re.compile(
    r"(?:IS_?|(?:AIR|VAC)_?(?:2|TO)_?)?(AIR|VAC)(?:UUM)?_?(?:WAVE?\w*|LAM\w*)?"
    r"|(?:WAVE?|LAM)\w*?(AIR|VAC)(?:UUM)?"
)
"""The keyword of a card that is true or false of a medium."""
_REMARK = re.compile(r"\bwave", re.I)
_AIR_MASS = re.compile(r"air\s*mass", re.I)
_FRAMES = (
    *(("BARY", "BARYCENT"), ("HELIO", "HELIOCEN"), ("TOPO", "TOPOCENT")),
    *(("GEO", "GEOCENTR"), ("OBS", "TOPOCENT"), ("REST", "SOURCE")),
    *(("SSB", "BARYCENT"), ("SOLAR", "BARYCENT"), ("EARTH", "TOPOCENT")),
    *((code, code) for code in ("SOURCE", "LSRK", "LSRD", "GALACTOC", "LOCALGRP")),
    ("CMBDIPOL", "CMBDIPOL"),
)


class Statement(NamedTuple):
    """A medium and what names it."""

    medium: Medium
    by: str
    """For the history."""


class Frame(NamedTuple):
    """The frame of the wavelengths, and what tells it."""

    specsys: str
    """A value of the FITS keyword SPECSYS, or UNKNOWN."""
    notes: tuple[str, ...] = ()


def find_medium(
    wave: Field | None,
    axis: Cards | None,
    cards: Sequence[Cards],
    pipeline: Pipeline | None,
) -> tuple[Statement | None, tuple[str, ...]]:
    """
    Tell what wavelengths are measured in.

    Parameters
    ----------
    wave : Field or None
        The wavelengths, if the file has them as numbers.
    axis : Cards or None
        Header of the axis, if it has not.
    cards : sequence of Cards
        Headers of the file.
    pipeline : Pipeline or None
        That made it.

    Returns
    -------
    statement : Statement or None
        The first in this order: the code in CTYPE1 or the column's name; the cards
        VACUUM and AIRORVAC; the UCD; what is known of the pipeline; a card of another
        name; a remark in the header. None if there is nothing.
    notes : tuple of str
        For the history: what it goes by, and statements that contradict it.
    """
    stated = [*_of_axis(axis), *_of_column(wave), *_of_cards(cards)]
    is_harps = pipeline is not None and pipeline.name == HARPS_NAME
    if wave is not None and is_harps and wave.ucd == "em.wl":
        stated.append(Statement("air", "HARPS, though its UCD is that of vacuum"))
    elif wave is not None:
        stated += _of_ucd(wave.ucd)
    if not stated and pipeline is not None and pipeline.medium is not None:
        stated = [Statement(pipeline.medium, pipeline.name)]
    if not stated:
        stated = [*_of_other_cards(cards)]
    if not stated:
        comments = (*_of_comments(axis), *_of_column_comments(wave, cards))
        stated = [*comments, *_of_remarks(cards)][:1]
    if not stated:
        return None, ()
    first = stated[0]
    against = dict.fromkeys(s.by for s in stated if s.medium != first.medium)
    note = f"in {first.medium} by {first.by}"
    return first, (f"{note}, against {', '.join(against)}" if against else note,)


def find_frame(cards: Sequence[Cards], pipeline: Pipeline | None) -> Frame:
    """
    Tell from where the wavelengths are seen.

    Parameters
    ----------
    cards : sequence of Cards
        Headers of the file.
    pipeline : Pipeline or None
        That made it.

    Returns
    -------
    frame : Frame
        By SPECSYS, else the cards HELIO, HELCORR and VEL_TYPE, else the pipeline. A
        file that IRAF has shifted since is in none of the usual frames.
    """
    shifts = tuple(dict.fromkeys(_dopcor(cards)))
    if shifts:
        return Frame("UNKNOWN", shifts)
    stated = next(filter(None, map(_stated_frame, cards)), "")
    return Frame(stated or (pipeline.specsys if pipeline else "") or "UNKNOWN")


def _stated_frame(header: Cards) -> str:
    for keyword in ("SPECSYS", "VEL_TYPE", "HELIO"):
        text = header.text(keyword)
        frame = _standard_frame(text)
        if frame:
            return frame
        if keyword != "HELIO" and text.upper() not in _SAYS_NOTHING:
            raise SpectrumError(f"header card {keyword} is {text!r}: no known frame")
    if header.text("HELCORR").upper() == "COMPLETE":  # of HST
        return "HELIOCEN"
    helio = header.get("HELIO")
    if helio is None:
        return "HELIOCEN" if header.has("HELIO_RV") else ""
    done = _TRUTH.get(str(helio).upper())
    return "" if done is None else ("HELIOCEN" if done else "TOPOCENT")


def _of_axis(axis: Cards | None) -> Iterator[Statement]:
    kind = axis.text("CTYPE1") if axis is not None else ""
    code = CODE.fullmatch(kind)
    if code is not None:
        yield Statement(_CODES[code[1]], f"CTYPE1 {kind}")
    elif axis is not None:
        for keyword in ("CTYPE1", "CNAME1", "CUNIT1"):
            yield from _of_words(axis.text(keyword), keyword)


def _of_column(wave: Field | None) -> Iterator[Statement]:
    if wave is not None:
        yield from _of_words(wave.name.replace("_", " "), f"the name {wave.name}")
        yield from _of_words(wave.unit, f"the unit {wave.unit}")


def _of_cards(cards: Sequence[Cards]) -> Iterator[Statement]:
    for header in cards:
        value = _TRUTH.get(str(header.get("VACUUM")).upper())
        if value is not None:
            yield Statement("vacuum" if value else "air", "VACUUM")
        for keyword in ("VACUUM", "AIRORVAC", "MEDIUM", "WAVEMED"):
            text = header.text(keyword)
            named = list(_of_words(text, keyword))
            if not named and keyword in _OF_LIGHT and text.upper() not in _SAYS_NOTHING:
                raise SpectrumError(
                    f"header card {keyword} is {text!r}: neither air nor vacuum"
                )
            yield from named


def _of_other_cards(cards: Sequence[Cards]) -> Iterator[Statement]:
    """Find cards of unusual names whose whole value is the medium, or true of it."""
    for header in cards:
        for keyword in header.keywords:
            if not _OF_WAVES.search(keyword):
                continue
            if header.text(keyword).lower() in ("air", "vac", "vacuum"):
                yield from _of_words(header.text(keyword), keyword)
            named = _IS_MEDIUM.fullmatch(keyword)
            if named and isinstance(header.get(keyword), bool):
                in_air = ("AIR" in named.groups()) == header.get(keyword)
                yield Statement("air" if in_air else "vacuum", keyword)


def _of_ucd(ucd: str) -> Iterator[Statement]:
    words = ucd.split(";")
    if "em.wl" in words:
        yield Statement("air" if "obs.atmos" in words else "vacuum", f"the UCD {ucd}")


def _of_comments(axis: Cards | None) -> Iterator[Statement]:
    for keyword in ("CTYPE1", "CRVAL1", "CDELT1"):
        if axis is not None:
            yield from _of_words(axis.comment(keyword), f"the comment of {keyword}")


def _of_column_comments(
    wave: Field | None, cards: Sequence[Cards]
) -> Iterator[Statement]:
    """Read what stands behind the name and the unit of a column, and describes it."""
    for header in cards:
        for keyword in header.keywords:
            name, number = keyword[:5], keyword[5:]
            if wave and name == "TTYPE" and header.text(keyword) == wave.label:
                behind = [
                    header.comment(f"{key}{number}") for key in ("TTYPE", "TUNIT")
                ]
                texts = [header.text(f"{key}{number}") for key in ("TCOMM", "TDESC")]
                yield from _of_words(", ".join(behind + texts), f"what {keyword} says")


def _of_remarks(cards: Sequence[Cards]) -> Iterator[Statement]:
    for header in cards:
        for line in header.remarks:
            if _REMARK.search(line):
                yield from _of_words(_AIR_MASS.sub("", line), "a remark in the header")


def _of_words(text: str, by: str) -> Iterator[Statement]:
    """Find the one medium that a text names; that of a conversion is its last."""
    if _DENIED.search(text):
        return
    text = _FROM.sub("", text)
    found = {word.lower()[:3] for word in _TO.findall(text) or _WORD.findall(text)}
    if len(found) == 1:
        yield Statement("air" if found == {"air"} else "vacuum", by)


def _standard_frame(specsys: str) -> str:
    """Return a value of SPECSYS, "" for what names no frame."""
    upper = specsys.upper()
    return next((name for begin, name in _FRAMES if upper.startswith(begin)), "")


def _dopcor(cards: Sequence[Cards]) -> Iterator[str]:
    """List the velocity shifts IRAF noted."""
    for header in cards:
        for number in range(1, 100):
            text = header.text(f"DOPCOR{number:02}")
            if not text:
                break
            yield f"IRAF dopcor before: {text}"
