"""Header cards by keyword, each parsed when it is asked for.

Astropy builds a header card by card: 25 ms for the 3,048 cards of a HARPS product,
most of the time of converting it. Here astropy parses only the cards that are used.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from tfrecords_tools.spectrum import SpectrumError

CARD_SIZE = 80


@dataclass(frozen=True)
class Header:
    """The cards of one header unit."""

    cards: dict[str, str]
    """Card by keyword, HIERARCH left out; the first of each, with its CONTINUEs."""
    _values: dict[str, object] = field(default_factory=dict, init=False, repr=False)
    """Of the cards parsed so far."""

    @classmethod
    def from_text(cls, text: str) -> Header:
        """
        Index the cards of a header unit.

        Parameters
        ----------
        text : str
            Cards of 80 characters, without END.

        Returns
        -------
        header : Header
            No card is parsed yet.
        """
        cards: dict[str, str] = {}
        last = ""
        for start in range(0, len(text), CARD_SIZE):
            card = text[start : start + CARD_SIZE]
            keyword = card[:8].rstrip()
            if keyword == "CONTINUE" and last:
                cards[last] += card
                continue
            if keyword == "HIERARCH":
                keyword = card[9:].partition("=")[0].strip()
            last = keyword if keyword not in cards else ""
            cards.setdefault(keyword, card)
        return cls(cards)

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
            bool, int, float, complex or str; None if absent, empty or malformed.
        """
        if keyword not in self._values:
            card = self.cards.get(keyword)
            self._values[keyword] = None if card is None else _parse(card)
        return self._values[keyword]

    def text(self, keyword: str) -> str:
        """
        Read text.

        Parameters
        ----------
        keyword : str
            As for `get`.

        Returns
        -------
        text : str
            Without surrounding blanks; "" if there is no text.
        """
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
        if default is not None and keyword not in self.cards:
            return default
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SpectrumError(f"header card {keyword} is missing or malformed")
        return value


def _parse(card: str) -> object:
    try:
        with warnings.catch_warnings():
            # A card that breaks a rule of style can still have a value.
            warnings.simplefilter("ignore", AstropyWarning)
            value: object = fits.Card.fromstring(card).value
    except (ValueError, fits.VerifyError):
        return None
    return None if isinstance(value, fits.card.Undefined) else value
