"""Long rows of numbers as a page carries them: short, and exact enough to draw."""

from __future__ import annotations

import base64
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

_LARGEST = 32_767
_NAN = -32_768


class Packed(TypedDict):
    """Numbers as 16-bit integers; ``offset + scale * integer``, -32768 is NaN."""

    data: str
    """The integers, little-endian, in base 64."""
    scale: float
    """Of one step: the range of the numbers over 65,533."""
    offset: float
    """The middle of the range, about."""


def pack(values: NDArray[np.floating]) -> Packed:
    """
    Quantise numbers to 16 bits.

    Parameters
    ----------
    values : ndarray of float
        Any shape, row by row; NaN is kept.

    Returns
    -------
    packed : Packed
        Each within half of `scale` of what it was.
    """
    exact = np.asarray(values, np.float64).ravel()
    known = exact[np.isfinite(exact)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
    scale = float(high - low) / (2 * _LARGEST - 1) or 1.0
    # A whole number of steps, so that zero stays zero.
    offset = scale * round(0.5 * float(low + high) / scale)
    steps = np.rint((exact - offset) / scale)
    integers = np.where(np.isfinite(exact), steps, _NAN).astype("<i2")
    return Packed(data=_encode(integers), scale=scale, offset=offset)


def encode_floats(values: NDArray[np.floating]) -> str:
    """Write numbers, row by row, as little-endian 64-bit floats in base 64."""
    return _encode(np.asarray(values, "<f8"))


def _encode(values: NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
