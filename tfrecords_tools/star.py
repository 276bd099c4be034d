"""One name for each star, however its observers wrote it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Sunlight reflected without lines of its own. Bodies with an atmosphere of their own
# (Venus, Jupiter, Titan, ...) are left out on purpose.
_SUN = (
    "SUN",
    "SOLAR",
    "SUNSKY",
    "SKYSUN",
    "DAYSKY",
    "MOON",
    "LUNA",
    "IO",
    "EUROPA",
    "GANYMEDE",
    "CALLISTO",
    "CERES",
    "1CERES",
    "PALLAS",
    "2PALLAS",
    "JUNO",
    "3JUNO",
    "VESTA",
    "4VESTA",
    "IRIS",
    "7IRIS",
)
_ALIASES = dict.fromkeys(_SUN, "SUN")
_NO_NAMES = frozenset(
    (
        *("", "UNKNOWN", "NONE", "NULL", "NAN", "N/A", "NA", "INDEF", "UNDEFINED", "?"),
        *("STAR", "OBJECT", "OBJ", "TARGET", "NONAME", "NOOBJECT", "NOTARGET"),
        *("DEFAULT", "SCIENCE", "SCI", "STD", "STANDARD", "SPECTRUM"),
    )
)
_SEPARATOR = re.compile(r"[\s_()\[\],;]+")
# Zones of the Durchmusterungen are signed: their hyphen is a minus.
_SIGNED = re.compile(r"(BD|CD|COD|CPD)[+-]?\d")


def star_name(target: str, aliases: Mapping[str, str] | None = None) -> str:
    """
    Normalise the name of a star.

    Parameters
    ----------
    target : str
        Name as in a header or a table: ``HD 128621``, ``hd_128621``, ``Gl581``.
    aliases : mapping of str to str, optional
        Other names to names, both as anyone writes them. They go before the
        built-in ones, by which the Sun seen by reflection is ``SUN``.

    Returns
    -------
    star : str
        ``HD128621``, ``GJ581``; "" if the target is no name.

    Notes
    -----
    What tells two stars apart is kept: letters of components, a sign before a
    declination zone (BD-00 2387 and BD+00 2387), a break between two numbers
    (TYC 12-345-6 and TYC 123-45-6).

    Examples
    --------
    >>> from tfrecords_tools.star import star_name
    >>> star_name("hd_128621"), star_name("Gl 581"), star_name("Ganymede")
    ('HD128621', 'GJ581', 'SUN')
    >>> star_name("Toliman", {"Toliman": "HD 128621"})
    'HD128621'
    """
    name = _normalise(target)
    if aliases:
        table = {_normalise(k): _normalise(v) for k, v in aliases.items()}
        name = table.get(name, name)
    name = _ALIASES.get(name, name)
    return "" if name in _NO_NAMES else name


def star_of(target: str, dp_id: str, aliases: Mapping[str, str] | None = None) -> str:
    """Name the star of a spectrum, also where its file does not."""
    return star_name(target, aliases) or f"? {dp_id}"


def _normalise(target: str) -> str:
    name = unicodedata.normalize("NFKC", target).upper().strip()
    name = re.sub(r"^(V?\*+|NAME)\s+", "", name)  # marks of SIMBAD
    name = _SEPARATOR.sub(" ", name).strip()
    if _SIGNED.match(name.replace(" ", "")):
        return name.replace(" ", "").replace("COD", "CD")
    name = re.sub(r"(?<=\d) (?=\d)", "-", name).replace(" ", "")
    name = re.sub(r"(?<!\d)-|-(?!\d)", "", name)
    name = re.sub(r"^(GLIESE|GL)(?=\d)", "GJ", name)
    return re.sub(r"^(HD|HIP|HR|GJ|TIC|TOI|KIC|SAO)0+(?=\d)", r"\1", name)
