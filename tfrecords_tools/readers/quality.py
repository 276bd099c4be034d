"""Bad pixels and the errors of the flux, as a file's masks and arrays tell them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.fields import Named
from tfrecords_tools.readers.pipelines import Pipeline
from tfrecords_tools.spectrum import SpectrumError, as_flux

_AND_MASKS, _OR_MASKS = ("andmask", "and_mask"), ("ormask", "or_mask")
_NO_PIPELINE = Pipeline("")


def choose_masks(masks: Iterable[Named], pipeline: Pipeline | None) -> list[Named]:
    """
    Choose the masks that count.

    Parameters
    ----------
    masks : iterable of Named
        Fields of role mask or good.
    pipeline : Pipeline or None
        That made the file.

    Returns
    -------
    chosen : list of Named
        All, but for what is bad in some exposure (ORMASK) where that does not count
        and there is a mask of what is bad in all (ANDMASK).
    """
    found = list(masks)
    has_and = any(mask.field.name in _AND_MASKS for mask in found)
    if has_and and not (pipeline or _NO_PIPELINE).takes_or_mask:
        found = [mask for mask in found if mask.field.name not in _OR_MASKS]
    return found


def find_bad(
    values: NDArray[np.generic], is_good: bool, pipeline: Pipeline | None
) -> NDArray[np.bool_]:
    """
    Tell which pixels a mask calls bad.

    Parameters
    ----------
    values : ndarray
        Bits, numbers of them as floats, truth values, or the letters T and F. Fractions
        are those of a bad or a good pixel: none is wholly good or bad.
    is_good : bool
        Whether the name says that it is true where the pixel is good.
    pipeline : Pipeline or None
        That made the file: which bits matter, and what true means.

    Returns
    -------
    bad : ndarray of bool
        Same shape.

    Raises
    ------
    SpectrumError
        If the mask does not hold such values.
    """
    known = pipeline or _NO_PIPELINE
    if values.dtype.kind == "S":
        values = values == b"T"
    if values.dtype.kind not in "biuf":
        raise SpectrumError("the mask does not hold numbers")
    unknown = np.iinfo(np.int32).max  # all bits but the sign
    finite = np.where(np.isfinite(values), values, unknown)
    if values.dtype.kind == "f":
        finite = np.floor(finite) if is_good else np.ceil(finite)
    flags: NDArray[np.int64] = finite.astype(np.int64)
    if is_good or known.mask_is_good:
        return np.asarray(flags == 0)
    return np.asarray((flags & known.bad_bits) != 0)


def as_error(
    values: NDArray[np.generic], role: str
) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_] | None]:
    """
    Convert what a file has of errors to standard deviations.

    Parameters
    ----------
    values : ndarray
        Shape (n,).
    role : {"error", "ivar", "variance"}
        Standard deviations, inverse variances (0: bad) or variances.

    Returns
    -------
    error : ndarray of float32 or None
        Shape (n,), NaN where unknown; None if it is so everywhere, as in all HARPS
        products.
    bad : ndarray of bool or None
        Pixels that have an inverse variance of zero or an infinite standard deviation;
        None if there can be none.
    """
    if not np.isfinite(values[::101]).any() and not np.isfinite(values).any():
        return None, None
    if role == "error":
        infinite = np.isposinf(values.astype(np.float64))
        error = as_flux(values)
        error[~(error > 0.0)] = np.nan
        known = error if np.isfinite(error).any() else None
        return known, (infinite if infinite.any() else None)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        numbers = values.astype(np.float64)
        variance = 1.0 / numbers if role == "ivar" else numbers
        error = as_flux(np.sqrt(np.where(variance > 0.0, variance, np.nan)))
    bad = ~(numbers > 0.0) if role == "ivar" else None
    return (error if np.isfinite(error).any() else None), bad
