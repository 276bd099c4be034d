"""Checksums as the FITS standard 4.0 has them in appendix J."""

from __future__ import annotations

import numpy as np

_FORBIDDEN = frozenset(b":;<=>?@[\\]^_`")
_MAX_UINT32 = 0xFFFFFFFF


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
