"""Header cards by keyword, each parsed when it is asked for.

Astropy builds a header card by card: 25 ms for the 3,048 cards of a HARPS product,
most of the time of converting it. Here astropy parses only the cards that are used.
"""

from __future__ import annotations

import math
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from tfrecords_tools.spectrum import SpectrumError

CARD_SIZE = 80
_HIERARCH, _CONTINUE = "HIERARCH", "CONTINUE"
_REMARKS = ("HISTORY ", "COMMENT ")
# Nearly all cards; astropy needs 50 microseconds for one of these.
_PLAIN_VALUE = re.compile(
    r"(?:[A-Z0-9_-]{1,8} *|HIERARCH [A-Z0-9_ -]+?)= +"
    r"(?:(?P<logical>[TF])|(?P<integer>[+-]?[0-9]{1,15})"
    r"|(?P<real>[+-]?[0-9]+\.[0-9]*(?:E[+-]?[0-9]{1,2})?)"
    r"|'(?P<text>[^'&]*)')"
    r" *(?:/(?P<comment>.*))?",
    re.DOTALL,  # a comment may hold anything, and says nothing of the value
)
_KEYWORD_ENDS = re.compile(r" *[^A-Z0-9_ -]")
_NO_VALUE = re.compile(
    r"\S{1,8}\s*|[^=]*=(?! /[^/]*')\s*"
    r"([+-]?nan|[+-]?inf|none|null|n/?a|undef(ined)?|unknown|-+|\*+)?\s*(/.*)?",
    re.IGNORECASE | re.DOTALL,
)
"""A card that says in one way or another that there is none; not a text whose first
quote has become a slash."""


class Cards(ABC):
    """Values by keyword, of whatever kind of file."""

    @abstractmethod
    def has(self, keyword: str) -> bool:
        """Tell whether there is a card, whatever its value."""

    @abstractmethod
    def get(self, keyword: str) -> object:
        """
        Look up a value.

        Parameters
        ----------
        keyword : str
            Such as ``OBJECT`` or, without HIERARCH, ``ESO DRS BERV``.

        Returns
        -------
        value : object
            bool, int, float, complex or str; None if absent or without a value.

        Raises
        ------
        SpectrumError
            If there is a card that cannot be read: whoever takes it for absent takes
            something else for granted.
        """

    def comment(self, keyword: str) -> str:
        """Read what stands behind a value; "" if there is none."""
        return ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that are no values: of a FITS header, HISTORY and COMMENT."""
        return ()

    @property
    @abstractmethod
    def keywords(self) -> tuple[str, ...]:
        """All that `get` finds a value of; slow for a header of thousands of cards."""

    def text(self, keyword: str) -> str:
        """Read text without surrounding blanks; "" if there is none."""
        value = self.get(keyword)
        return value.strip() if isinstance(value, str) else ""

    def number(self, keyword: str) -> float:
        """
        Read a number.

        Parameters
        ----------
        keyword : str
            As for `get`.

        Returns
        -------
        number : float
            NaN if there is no finite number.
        """
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return math.nan
        return float(value) if math.isfinite(value) else math.nan

    def stated_number(self, keyword: str) -> float:
        """
        Read a number that must be legible if it is there.

        Parameters
        ----------
        keyword : str
            As for `get`.

        Returns
        -------
        number : float
            NaN if there is no such card.

        Raises
        ------
        SpectrumError
            If there is, but not with a finite number.
        """
        number = self.number(keyword)
        if math.isnan(number) and self.has(keyword):
            raise SpectrumError(f"header card {keyword} is no number")
        return number

    def stated_text(self, keyword: str) -> str:
        """
        Read text that must be legible if it is there.

        Parameters
        ----------
        keyword : str
            As for `get`.

        Returns
        -------
        text : str
            "" if there is no such card.

        Raises
        ------
        SpectrumError
            If there is, but neither with text nor empty.
        """
        if not isinstance(self.get(keyword), str | None):
            raise SpectrumError(f"header card {keyword} is no text")
        return self.text(keyword)


class PlainCards(Cards):
    """
    Values of a file that has no FITS header.

    Parameters
    ----------
    values : mapping of str to object
        By keyword in upper case.
    remarks : tuple of str
        Lines that are no values.
    """

    def __init__(
        self, values: Mapping[str, object], remarks: tuple[str, ...] = ()
    ) -> None:
        self._values, self._remarks = values, remarks

    def has(self, keyword: str) -> bool:
        """Tell whether there is a value; see `Cards.has`."""
        return keyword in self._values

    def get(self, keyword: str) -> object:
        """Look up a value; see `Cards.get`."""
        return self._values.get(keyword)

    @property
    def keywords(self) -> tuple[str, ...]:
        """All that have a value."""
        return tuple(self._values)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that are no values."""
        return self._remarks


@dataclass(frozen=True)
class Header(Cards):
    """The cards of one header unit."""

    content: str
    """Cards of 80 characters, without END."""
    _values: dict[str, object] = field(default_factory=dict, init=False, repr=False)
    """Of the cards parsed so far."""
    _found: dict[str, str | None] = field(default_factory=dict, init=False, repr=False)
    """Cards that were looked up so far, by keyword."""

    @cached_property
    def cards(self) -> dict[str, str]:
        """Card by keyword, HIERARCH left out; the first of each, with its CONTINUEs."""
        starts = range(0, len(self.content), CARD_SIZE)
        cards: dict[str, str] = {}
        for start in starts:
            keyword = self.content[start : start + 8]
            if keyword == _HIERARCH:
                card = self.content[start + 9 : start + CARD_SIZE]
                keyword = card.partition("=")[0]
            if keyword != _CONTINUE and keyword.strip() not in cards:
                cards[keyword.strip()] = self._card_at(start)
        return cards

    def has(self, keyword: str) -> bool:
        """Tell whether there is a card; see `Cards.has`."""
        return self._find(keyword) is not None

    def get(self, keyword: str) -> object:
        """
        Look up a value; its card is parsed the first time.

        Parameters
        ----------
        keyword : str
            As of `Cards.get`.

        Returns
        -------
        value : object
            As of `Cards.get`.

        Raises
        ------
        SpectrumError
            As of `Cards.get`.
        """
        if keyword not in self._values:
            card = self._find(keyword)
            if card is None:
                return None
            value = _parse(card) if _has_value_sign(card, keyword) else None
            if value is None and not _NO_VALUE.fullmatch(card):
                raise SpectrumError(f"header card {keyword} cannot be read")
            self._values[keyword] = value
        return self._values[keyword]

    def comment(self, keyword: str) -> str:
        """
        Read what stands behind a value.

        Parameters
        ----------
        keyword : str
            As in `get`.

        Returns
        -------
        comment : str
            "" if there is none, or no such card.
        """
        card = self._find(keyword)
        if card is None:
            return ""
        plain = _PLAIN_VALUE.fullmatch(card) if len(card) == CARD_SIZE else None
        if plain is not None:
            return (plain["comment"] or "").strip(" ")
        parsed = _parse_with_astropy(card)
        return "" if parsed is None else str(parsed.comment)

    @property
    def keywords(self) -> tuple[str, ...]:
        """Those of all cards."""
        return tuple(self.cards)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What HISTORY and COMMENT say, card by card."""
        wanted = [_to_number(keyword) for keyword in _REMARKS]
        starts = _to_places(np.isin(self._letters_before(8), wanted))
        return tuple(self.content[i + 8 : i + CARD_SIZE].strip() for i in starts)

    def mentions(self, text: str) -> bool:
        """Tell whether a text stands anywhere in the header, also in a comment."""
        # Much faster than to read all cards.
        return text in self.content

    def size(self, keyword: str, default: int | None = None) -> int:
        """
        Read a size without which the data cannot be found.

        Parameters
        ----------
        keyword : str
            Such as ``NAXIS1``.
        default : int, optional
            The value if there is no such card.

        Returns
        -------
        size : int
            Not negative.

        Raises
        ------
        SpectrumError
            If the card is missing without default, malformed or negative.
        """
        if default is not None and not self.has(keyword):
            return default
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SpectrumError(f"header card {keyword} is missing or malformed")
        return value

    def has_group(self, words: str) -> bool:
        """Tell whether the keyword of a HIERARCH card begins with these words."""
        return next(self._find_long(f"{words} "), None) is not None

    @cached_property
    def _bytes(self) -> bytes:
        """All whole cards."""
        whole = len(self.content) // CARD_SIZE * CARD_SIZE
        return self.content[:whole].encode("latin-1")

    def _letters_before(self, column: int) -> NDArray[np.uint64]:
        """Eight letters of each card as one number, shape (n_cards,)."""
        n_cards = len(self._bytes) // CARD_SIZE
        return np.ndarray(n_cards, "<u8", self._bytes, column - 8, (CARD_SIZE,))

    @cached_property
    def _has_long(self) -> bool:
        return bool((self._letters_before(8) == _to_number(_HIERARCH)).any())

    @cached_property
    def _short(self) -> dict[str, int]:
        """Place of the first card of each keyword but the HIERARCH ones."""
        text = self.content
        places = _to_places(self._letters_before(8) != _to_number(_HIERARCH))
        # The other way round, so that the first of equal keywords stays.
        return {text[i : i + 8].strip(): i for i in reversed(places)}

    def _find(self, keyword: str) -> str | None:
        if keyword not in self._found:
            start = self._short.get(keyword)
            # HIERARCH is for names that are longer or of several words.
            is_long = len(keyword) > 8 or " " in keyword
            if start is None and is_long and self._has_long:
                start = next(self._find_long(keyword), None)
            self._found[keyword] = None if start is None else self._card_at(start)
        return self._found[keyword]

    def _find_long(self, beginning: str) -> Iterator[int]:
        """Find HIERARCH cards by a keyword or, with a blank behind, its first words."""
        prefix = f"{_HIERARCH} {beginning}"
        end = len(prefix)
        if not self._has_long or end > CARD_SIZE:
            return
        # Most cards are such, and nobody asks for them: they are not indexed. The last
        # letters tell one from nearly all others.
        letters = _to_number(prefix[-8:])
        for number in np.flatnonzero(self._letters_before(end) == letters):
            start = CARD_SIZE * int(number)
            after = self.content[start + end : start + CARD_SIZE]
            # Of a longer keyword, letters follow; a damaged sign is no other keyword.
            is_one = beginning.endswith(" ") or _KEYWORD_ENDS.match(after)
            if is_one and self.content.startswith(prefix, start):
                yield start

    def _card_at(self, start: int) -> str:
        stop = start + CARD_SIZE
        while self.content.startswith(_CONTINUE, stop):
            stop += CARD_SIZE
        return self.content[start:stop]


def _to_number(letters: str) -> np.uint64:
    """Return eight letters as the number that they are in memory."""
    return np.uint64(int.from_bytes(letters.encode("latin-1", "replace"), "little"))


def _to_places(is_chosen: NDArray[np.bool_]) -> list[int]:
    """Return where in the header the chosen cards begin."""
    numbers: list[int] = (CARD_SIZE * np.flatnonzero(is_chosen)).tolist()
    return numbers


def _has_value_sign(card: str, keyword: str) -> bool:
    if card.startswith(_HIERARCH):
        return card[len(_HIERARCH) + 1 + len(keyword) :].lstrip().startswith("=")
    return card[8:10] == "= "


def _parse(card: str) -> object:
    plain = _PLAIN_VALUE.fullmatch(card)
    if plain is None:
        return _parse_thoroughly(card)
    if plain["text"] is not None:
        return plain["text"].rstrip()
    if plain["integer"] is not None:
        return int(plain["integer"])
    if plain["real"] is not None:
        return float(plain["real"])
    return plain["logical"] == "T"


def _parse_thoroughly(card: str) -> object:
    parsed = _parse_with_astropy(card)
    value: object = None if parsed is None else parsed.value
    return None if isinstance(value, fits.card.Undefined) else value


def _parse_with_astropy(card: str) -> fits.Card | None:
    try:
        with warnings.catch_warnings():
            # A card that breaks a rule of style can still have a value.
            warnings.simplefilter("ignore", AstropyWarning)
            parsed = fits.Card.fromstring(card)
            _ = parsed.value, parsed.comment
            return parsed
    except (ValueError, fits.VerifyError):
        return None
