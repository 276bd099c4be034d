"""What the wavelengths are: in air or vacuum, and seen from where, by what evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tfrecords_tools.readers.fields import Field
from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.pipelines import HARPS_NAME, Pipeline
from tfrecords_tools.spectrum import Medium

_CODES: dict[str, Medium] = {"WAVE": "vacuum", "AWAV": "air"}
_CODE = re.compile(r"(WAVE|AWAV)(-\w+)?")
_TRUTH = {
    **dict.fromkeys(("TRUE", "T", "1", "1.0", "YES"), True),
    **dict.fromkeys(("FALSE", "F", "0", "0.0", "NO"), False),
}
_WORD = re.compile(r"(?<![a-z])(air|vac(?:uum)?)(?![a-z])", re.I)
_TO = re.compile(r"\bto (air|vac(?:uum)?)\b", re.I)
_REMARK = re.compile(r"\bwave", re.I)
_AIR_MASS = re.compile(r"air\s*mass", re.I)
_FRAMES = (
    *(("BARY", "BARYCENT"), ("HELIO", "HELIOCEN"), ("TOPO", "TOPOCENT")),
    *(("GEO", "GEOCENTR"), ("OBSERV", "TOPOCENT"), ("REST", "SOURCE")),
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
        VACUUM and AIRORVAC; the UCD; what is known of the pipeline; a remark in the
        header. None if there is nothing.
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
        stated = [*_of_comments(axis), *_of_remarks(cards)][:1]
    if not stated:
        return None, ()
    first = stated[0]
    against = [other.by for other in stated if other.medium != first.medium]
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
        By SPECSYS, else the cards HELIO and VEL_TYPE, else the pipeline. A file that
        IRAF has shifted since is in none of the usual frames.
    """
    shifts = tuple(_dopcor(cards))
    for header in cards:
        specsys = header.text("SPECSYS") or header.text("VEL_TYPE")
        if specsys:
            return Frame(_standard_frame(specsys), shifts)
        if header.get("HELIO") is not None or header.has("HELIO_RV"):
            done = header.get("HELIO") in (None, True, 1)
            return Frame("HELIOCEN" if done else "TOPOCENT", shifts)
    if shifts or pipeline is None or not pipeline.specsys:
        return Frame("UNKNOWN", shifts)
    return Frame(pipeline.specsys)


def _of_axis(axis: Cards | None) -> Iterator[Statement]:
    kind = axis.text("CTYPE1") if axis is not None else ""
    code = _CODE.fullmatch(kind)
    if code is not None:
        yield Statement(_CODES[code[1]], f"CTYPE1 {kind}")
    elif kind:
        yield from _of_words(kind, "CTYPE1")


def _of_column(wave: Field | None) -> Iterator[Statement]:
    if wave is not None:
        yield from _of_words(wave.name.replace("_", " "), f"the name {wave.name}")


def _of_cards(cards: Sequence[Cards]) -> Iterator[Statement]:
    for header in cards:
        value = _TRUTH.get(str(header.get("VACUUM")).upper())
        if value is not None:
            yield Statement("vacuum" if value else "air", "VACUUM")
        for keyword in ("VACUUM", "AIRORVAC", "MEDIUM", "WAVEMED"):
            text = header.text(keyword)
            if text:
                yield from _of_words(text, keyword)


def _of_ucd(ucd: str) -> Iterator[Statement]:
    words = ucd.split(";")
    if "em.wl" in words:
        yield Statement("air" if "obs.atmos" in words else "vacuum", f"the UCD {ucd}")


def _of_comments(axis: Cards | None) -> Iterator[Statement]:
    for keyword in ("CTYPE1", "CRVAL1", "CDELT1"):
        if axis is not None:
            yield from _of_words(axis.comment(keyword), f"the comment of {keyword}")


def _of_remarks(cards: Sequence[Cards]) -> Iterator[Statement]:
    for header in cards:
        for line in header.remarks:
            if _REMARK.search(line):
                yield from _of_words(_AIR_MASS.sub("", line), "a remark in the header")


def _of_words(text: str, by: str) -> Iterator[Statement]:
    """Find the one medium that a text names; that of a conversion is its last."""
    found = {word.lower()[:3] for word in _TO.findall(text) or _WORD.findall(text)}
    if len(found) == 1:
        yield Statement("air" if found == {"air"} else "vacuum", by)


def _standard_frame(specsys: str) -> str:
    upper = specsys.upper()
    return next((name for begin, name in _FRAMES if upper.startswith(begin)), upper)


def _dopcor(cards: Sequence[Cards]) -> Iterator[str]:
    """List the velocity shifts IRAF noted."""
    for header in cards:
        for number in range(1, 100):
            text = header.text(f"DOPCOR{number:02}")
            if not text:
                break
            yield f"IRAF dopcor before: {text}"
