"""FITS header cards as bytes: formatted once, then only the changing ones anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

BLOCK = 2880
"""A FITS file is made of blocks of this many bytes."""
CARD = 80
"""Bytes of a header card."""
_FORBIDDEN = frozenset(b":;<=>?@[\\]^_`")
_MAX_UINT32 = 0xFFFFFFFF

Value = bool | int | float | str


class Card(NamedTuple):
    """One keyword of a FITS header."""

    keyword: str
    """Standard (8 characters at most), or with blanks in it for a HIERARCH card."""
    value: Value
    comment: str = ""


def group(stem: str, *rows: tuple[str, Value, str]) -> list[Card]:
    """
    Make cards whose keywords begin alike.

    Parameters
    ----------
    stem : str
        Beginning of the keywords.
    *rows : tuple of (str, bool or int or float or str, str)
        Rest of the keyword, value and comment.

    Returns
    -------
    cards : list of Card
        One per row.
    """
    return [Card(f"{stem} {rest}", value, comment) for rest, value, comment in rows]


def format_card(card: Card) -> bytes:
    """
    Write a card as the FITS standard and its HIERARCH convention want it.

    Parameters
    ----------
    card : Card
        Keyword, value and comment; the comment is cut where the card ends.

    Returns
    -------
    text : bytes
        Of length 80.

    Raises
    ------
    ValueError
        If keyword and value do not fit into a card.
    """
    value = _format_value(card.value)
    if card.keyword == "COMMENT":
        return f"{'COMMENT':<8}{card.value}".ljust(CARD).encode("ascii")
    if len(card.keyword) > 8 or " " in card.keyword:
        head = f"HIERARCH {card.keyword} = {value}"
    elif isinstance(card.value, str):
        head = f"{card.keyword:<8}= {value:<20}"
    else:
        head = f"{card.keyword:<8}= {value:>20}"
    if len(head.rstrip()) > CARD:
        raise ValueError(f"{card.keyword} must fit into a card, got {card.value!r}")
    text = f"{head} / {card.comment}" if card.comment else head
    return f"{text:<{CARD}.{CARD}}".encode("ascii")


def _format_value(value: Value) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        return "'{:<8}'".format(value.replace("'", "''"))
    return repr(value).upper()


class HeaderTemplate:
    """
    A header whose cards can be replaced without writing it anew.

    Parameters
    ----------
    cards : iterable of Card
        All cards but END, in order.
    """

    def __init__(self, cards: Iterable[Card]) -> None:
        self._cards = list(cards)
        self._place = {card.keyword: i for i, card in enumerate(self._cards)}
        text = b"".join(format_card(card) for card in self._cards) + b"END"
        self._text = text.ljust(-(-len(text) // BLOCK) * BLOCK)

    def fill(self, values: Mapping[str, Value]) -> bytearray:
        """
        Replace values.

        Parameters
        ----------
        values : mapping of str to bool, int, float or str
            New values by keyword; keywords that the template lacks are left out.

        Returns
        -------
        text : bytearray
            The header, padded to whole blocks.
        """
        text = bytearray(self._text)
        for keyword, value in values.items():
            place = self._place.get(keyword)
            if place is not None:
                card = self._cards[place]._replace(value=value)
                text[place * CARD : (place + 1) * CARD] = format_card(card)
        return text

    def sign(self, text: bytearray, data: bytes) -> None:
        """
        Set DATASUM and CHECKSUM, which must be among the cards.

        Parameters
        ----------
        text : bytearray
            What `fill` returned; changed in place.
        data : bytes
            The padded data unit.

        Notes
        -----
        FITS standard 4.0, section 4.4.2.7 and appendix J: with the CHECKSUM card's
        value in place the ones' complement sum over the HDU is zero.
        """
        total = ones_complement_sum(data)
        self._replace(text, Card("DATASUM", str(total), "data unit checksum"))
        comment = "HDU checksum"
        self._replace(text, Card("CHECKSUM", "0" * 16, comment))
        total = ones_complement_sum(text, total)
        self._replace(text, Card("CHECKSUM", encode_checksum(total), comment))

    def _replace(self, text: bytearray, card: Card) -> None:
        start = self._place[card.keyword] * CARD
        text[start : start + CARD] = format_card(card)


def ones_complement_sum(data: bytes | bytearray, start: int = 0) -> int:
    """
    Add up 32-bit big-endian words with the carry brought round.

    Parameters
    ----------
    data : bytes
        Whole words.
    start : int
        Sum so far.

    Returns
    -------
    total : int
        Of 32 bits.
    """
    total = start + int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total > _MAX_UINT32:
        total = (total & _MAX_UINT32) + (total >> 32)
    return total


def encode_checksum(total: int) -> str:
    """
    Encode the complement of a sum as letters and digits.

    Parameters
    ----------
    total : int
        Sum over the HDU with 16 zeros in the place of the result.

    Returns
    -------
    text : str
        16 characters, of FITS standard 4.0, appendix J.
    """
    columns = []
    for byte in (~total & _MAX_UINT32).to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        column = [quarter + ord("0")] * 4
        column[0] += rest
        for i in (0, 2):
            # Moving one from neighbour to neighbour keeps the sum.
            while column[i] in _FORBIDDEN or column[i + 1] in _FORBIDDEN:
                column[i] += 1
                column[i + 1] -= 1
        columns.append(column)
    text = "".join(chr(column[i]) for i in range(4) for column in columns)
    # The value starts at the fourth byte of a word, hence the rotation by one.
    return text[-1] + text[:-1]
