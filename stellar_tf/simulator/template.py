"""Headers whose text is at hand: only the cards that vary are written anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from astropy.io import fits

from tfrecords_tools.readers.fits_unit import BLOCK, sum_words

_FORBIDDEN = frozenset(b":;<=>?@[\\]^_`")
"""Beside letters and digits in ASCII, which a checksum is written with."""
Value = bool | int | float | str


class HeaderTemplate:
    """
    A header that is filled in for one file after the other.

    Parameters
    ----------
    lines : iterable of str
        The cards without END. DATASUM and CHECKSUM must be among them.

    Notes
    -----
    The cards are astropy's. Their text is kept beside them, since a header of 3,000
    cards takes astropy longer to write than to set those that vary.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        header = fits.Header.fromstring("\n".join(lines), sep="\n")
        self._cards = {card.keyword: (i, card) for i, card in enumerate(header.cards)}
        self._text = [str(card) for card in header.cards]

    def __contains__(self, keyword: str) -> bool:
        """Whether there is such a card."""
        return keyword in self._cards

    def __getitem__(self, keyword: str) -> Value:
        """Value of a card."""
        value: Value = self._cards[keyword][1].value
        return value

    def fill(self, values: Mapping[str, Value]) -> None:
        """
        Replace values; the comments stay.

        Parameters
        ----------
        values : mapping of str to bool, int, float or str
            New values by keyword; keywords that the header lacks are left out.
        """
        for keyword, value in values.items():
            if keyword in self._cards:
                place, card = self._cards[keyword]
                card.value = value
                self._text[place] = str(card)

    def sign(self, data: bytes | bytearray) -> bytes:
        """
        Write the header with the checksums of its HDU.

        Parameters
        ----------
        data : bytes or bytearray
            The padded data unit.

        Returns
        -------
        text : bytes
            The header, padded to whole blocks.

        Notes
        -----
        FITS standard 4.0, section 4.4.2.7: with the CHECKSUM card's value in place the
        ones' complement sum over the HDU is zero. The method ``add_checksum`` of
        astropy's HDUs writes the whole header and adds up the data twice.
        """
        total = sum_words(data)
        self.fill({"DATASUM": str(total), "CHECKSUM": "0" * 16})
        total = sum_words(self._join(), total)
        self.fill({"CHECKSUM": _encode_checksum(total)})
        return self._join()

    def _join(self) -> bytes:
        text = "".join([*self._text, "END"]).encode("ascii")
        return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def _encode_checksum(total: int) -> str:
    """Encode the complement of a sum over an HDU with 16 zeros in the place of this."""
    columns = []
    for byte in (~total & 0xFFFFFFFF).to_bytes(4, "big"):
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
