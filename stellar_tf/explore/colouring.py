"""The colour and the marker of each spectrum by one of its labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stellar_tf.analysis.columns import Label
from stellar_tf.analysis.labels.categories import OTHER
from stellar_tf.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    ramp,
)

_CATEGORIES = (
    (BLUE, "circle"), (ORANGE, "triangle"), (GREEN, "square"), (PURPLE, "diamond"),
    (VERMILLION, "inverted_triangle"),
)  # fmt: skip
"""Told apart by their shapes as well."""
UNKNOWN = "unknown"
"""Name of spectra without a value."""
_OUTER = 2.0
"""Percent of the values beyond either end of the ramp."""
_N_STEPS = 256


class LegendEntry(NamedTuple):
    """One entry of the legend."""

    text: str
    """What has this colour."""
    colour: str
    """CSS."""
    marker: str
    """Bokeh's name of the shape."""


class Colouring(NamedTuple):
    """How each spectrum is drawn, and how to read it."""

    rgba: NDArray[np.uint8]
    """Shape (n, 4)."""
    marker: NDArray[np.str_]
    """Bokeh's name of each shape, shape (n,)."""
    ends: tuple[float, float] | None
    """Values at the blue and at the red end of a ramp; None for categories."""
    legend: tuple[LegendEntry, ...]
    """What is on no ramp."""


def colour_by(label: Label, unit: str = "") -> Colouring:
    """
    Choose colours by a label.

    Parameters
    ----------
    label : ndarray of float or str, shape (n,)
        NaN or ``""`` where it is not known.
    unit : str, default ""
        Its unit. A temperature, in K, is blue where it is hot, as stars are.

    Returns
    -------
    colouring : Colouring
        A blue-grey-red ramp for numbers, from the 2nd to the 98th percentile; the
        five most frequent categories have colours and shapes of their own.
    """
    if label.dtype.kind == "f":
        return _by_number(np.asarray(label, np.float64), is_hot_blue=unit == "K")
    return _by_category(np.asarray(label, np.str_))


def _by_number(label: NDArray[np.float64], *, is_hot_blue: bool) -> Colouring:
    known = np.isfinite(label)
    low, high = (
        np.percentile(label[known], [_OUTER, 100.0 - _OUTER]) if known.any() else (0, 0)
    )
    share = np.clip((label - low) / (high - low if high > low else 1.0), 0.0, 1.0)
    ends = float(low), float(high)
    if is_hot_blue:
        share, ends = 1.0 - share, ends[::-1]
    steps = np.array([_rgba(colour) for colour in ramp(_N_STEPS)], np.uint8)
    rgba = np.tile(_rgba(GREY), (label.size, 1))
    rgba[known] = steps[np.round(share[known] * (_N_STEPS - 1)).astype(np.intp)]
    marker = np.where(known, "circle", "x")
    legend = () if known.all() else (LegendEntry(UNKNOWN, GREY, "x"),)
    return Colouring(rgba, marker, ends, legend)


def _by_category(label: NDArray[np.str_]) -> Colouring:
    names, count = np.unique(label[label != ""], return_counts=True)
    frequent = names[np.argsort(-count, kind="stable")][: len(_CATEGORIES)]
    rgba = np.tile(_rgba(GREY), (label.size, 1))
    marker = np.full(label.size, "x", "U20")
    legend = []
    for name, (colour, shape) in zip(frequent, _CATEGORIES, strict=False):
        rgba[label == name] = _rgba(colour)
        marker[label == name] = shape
        legend.append(LegendEntry(str(name), colour, shape))
    if names.size > frequent.size:
        rest = ~np.isin(label, frequent) & (label != "")
        marker[rest] = "cross"
        legend.append(LegendEntry(OTHER, GREY, "cross"))
    if (label == "").any():
        legend.append(LegendEntry(UNKNOWN, GREY, "x"))
    return Colouring(rgba, marker, None, tuple(legend))


def _rgba(colour: str) -> NDArray[np.uint8]:
    """Read ``#rrggbb`` or ``rgb(r, g, b)``."""
    if colour.startswith("#"):
        channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        channels = [round(float(c)) for c in colour[4:-1].split(",")]
    return np.array([*channels, 255], np.uint8)
