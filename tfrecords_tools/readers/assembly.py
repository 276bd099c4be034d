"""From the arrays of a spectrum and its headers to the spectrum."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.readers.header import Cards
from tfrecords_tools.readers.layout import Layout, Named, Piece
from tfrecords_tools.readers.medium import find_frame, find_medium
from tfrecords_tools.readers.metadata import Identity, read_metadata
from tfrecords_tools.readers.pipelines import Pipeline
from tfrecords_tools.readers.wavelengths import Axis, read_axis, to_angstrom
from tfrecords_tools.spectrum import Spectrum, SpectrumError, as_flux

_FILLS = (-99.0, -999.0, -9999.0, -99999.0, -32768.0)
"""Numbers that files have where there is no flux."""
_MIN_FILLS = 3
_AND_MASKS, _OR_MASKS = ("andmask", "and_mask"), ("ormask", "or_mask")
_NO_PIPELINE = Pipeline("")
_LOGARITHM = re.compile(r"\W*((ab|st|vega)?mag|dex|log)(?![a-km-z])", re.I)
"""Units of a flux that is the logarithm of one."""
_PERCENT = re.compile(r"\s*(%|percent)", re.I)
"""Units of an error that is not in that of the flux."""


class _Arrays(NamedTuple):
    """A piece as it was read, its wavelengths increasing."""

    wave: NDArray[np.float64]
    flux: NDArray[np.float32]
    error: NDArray[np.float32] | None
    notes: tuple[str, ...]


def build_spectrum(
    layout: Layout,
    row: int,
    identity: Identity,
    cards: Sequence[Cards],
    pipeline: Pipeline | None,
) -> Spectrum:
    """
    Read one spectrum.

    Parameters
    ----------
    layout : Layout
        Where its arrays are.
    row : int
        Its number in them, from 0.
    identity : Identity
        Whose it is.
    cards : sequence of Cards
        Where keywords are looked up, in this order.
    pipeline : Pipeline or None
        That made it.

    Returns
    -------
    spectrum : Spectrum
        Increasing wavelengths in Angstrom; flagged pixels are NaN.

    Raises
    ------
    SpectrumError
        If the arrays are no valid spectrum.
    """
    first = layout.pieces[0]
    unit = first.flux.unit
    if _LOGARITHM.match(unit):
        raise SpectrumError(f"the flux is a logarithm: its unit is {unit!r}")
    pieces = [_read_piece(piece, row, pipeline) for piece in layout.pieces]
    arrays = _join(pieces)
    if not layout.is_of_many_stars:  # what a unit says goes before the file's
        own = layout.group.cards
        cards = (*own, *(c for c in cards if all(c is not one for one in own)))
    statement, by = find_medium(
        first.wave, first.flux.axis if first.wave is None else None, cards, pipeline
    )
    frame = find_frame(cards, pipeline)
    kind = layout.group.kind
    return Spectrum(
        wave=arrays.wave,
        flux=arrays.flux,
        metadata=read_metadata(identity, cards, frame.specsys, unit),
        medium="air" if statement is None else statement.medium,
        history=(
            kind if pipeline is None else f"{pipeline.name} {kind}",
            *(*layout.notes, *arrays.notes),
            *(("air assumed",) if statement is None else by),
            *frame.notes,
        ),
        error=arrays.error,
        is_medium_assumed=statement is None,
    )


def _read_piece(piece: Piece, row: int, pipeline: Pipeline | None) -> _Arrays:
    row = row if piece.row is None else piece.row
    flux = as_flux(piece.flux.read_numbers(row))
    filled = _blank_fills(flux)
    if pipeline is not None and pipeline.zero_is_bad:
        flux[flux == 0.0] = np.nan
    for mask in choose_masks(piece.masks, pipeline):
        flags = mask.field.read(row)
        if flags.shape != flux.shape:
            raise SpectrumError(
                f"flux and {mask.field.name} differ in length: {flux.size} and "
                f"{flags.size}"
            )
        flux[find_bad(flags, mask.role == "good", pipeline)] = np.nan
    error = worthless = None
    if piece.error is not None and not _PERCENT.match(piece.error.field.unit):
        numbers = piece.error.field.read_numbers(row)
        if numbers.shape == flux.shape:
            error, worthless = as_error(numbers, piece.error.role)
            if worthless is not None:
                flux[worthless] = np.nan
    is_flagged = piece.masks or worthless is not None
    if is_flagged and not np.isfinite(flux).any():
        raise SpectrumError("every pixel is flagged as bad")
    kept, axis = _read_wave(piece, row, flux)
    error = None if error is None else error[kept]
    return _Arrays(axis.wave, flux[kept], error, (*filled, *axis.notes))


def _blank_fills(flux: NDArray[np.float32]) -> tuple[str, ...]:
    """Mark pixels bad that all have the same number of nines, the lowest of all."""
    lowest = float(np.fmin.reduce(flux, initial=np.inf))
    if lowest not in _FILLS:
        return ()
    filled = flux == lowest
    n_filled = int(np.count_nonzero(filled))
    if n_filled < _MIN_FILLS:
        return ()
    flux[filled] = np.nan
    return (f"{n_filled} pixels of {lowest:g} are no data",)


def _read_wave(piece: Piece, row: int, flux: NDArray[np.float32]) -> tuple[slice, Axis]:
    """Return the wavelengths, increasing, and the pixels they belong to."""
    if piece.wave is None:
        if piece.flux.axis is None:
            raise SpectrumError("no wavelengths")
        axis = read_axis(piece.flux.axis, flux.size)
        kept = _find_order(axis.wave)
        return kept, Axis(axis.wave[kept], axis.notes)
    wave = piece.wave
    numbers = wave.read_numbers(row)
    if numbers.shape != flux.shape:
        raise SpectrumError(
            f"wavelengths and flux must be two rows of the same length, got shapes "
            f"{numbers.shape} and {flux.shape}"
        )
    kept = _find_order(numbers)
    log_by = f"the name {wave.name!r}" if wave.name.startswith(("log", "ln")) else ""
    axis = to_angstrom(numbers[kept], wave.unit, log_by)
    n_cut = flux.size - axis.wave.size
    cut = (f"{n_cut} pixels without wavelength cut",) if n_cut else ()
    return kept, Axis(axis.wave, (*cut, *axis.notes))


def _find_order(wave: NDArray[Any]) -> slice:
    """Leave out what pads either end, and turn round what decreases."""
    start, stop = 0, wave.size
    if stop and not (wave[0] > 0 and wave[-1] > 0):
        good = np.flatnonzero(wave > 0)
        if good.size:
            start, stop = int(good[0]), int(good[-1]) + 1
        if not all(_is_padding(end) for end in (wave[:start], wave[stop:])):
            start, stop = 0, wave.size  # numbers that go below zero are no padding
    if stop - start > 1 and wave[start] > wave[stop - 1]:
        return slice(stop - 1, start - 1 if start else None, -1)
    return slice(start, stop)


def _is_padding(values: NDArray[np.generic]) -> bool:
    return bool((values == values[:1]).all() or np.isnan(values).all())


def _join(pieces: Sequence[_Arrays]) -> _Arrays:
    """Join arms or chips in order; where two share pixels, by their weights."""
    first, *others = sorted(pieces, key=lambda piece: float(piece.wave[0]))
    if not others:
        return first
    wave, flux, error = first.wave, first.flux, first.error
    for piece in others:
        n = int(np.count_nonzero(wave > piece.wave[0] - 1e-3))
        tail = flux[flux.size - n :]
        mean, spread = _average(tail, piece.flux[:n], error, piece.error)
        flux = np.concatenate([flux[: flux.size - n], mean, piece.flux[n:]])
        wave = np.concatenate([wave[: wave.size - n], piece.wave])
        if error is not None and piece.error is not None:
            error = np.concatenate([error[: error.size - n], spread, piece.error[n:]])
        else:
            error = None
    return _Arrays(wave, flux, error, first.notes)


def _average(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    first_error: NDArray[np.float32] | None,
    second_error: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Average the last pixels of one arm with the first of the next."""
    n = first.size
    weights = np.ones((2, n))
    if first_error is not None and second_error is not None:
        errors = np.stack([first_error[first_error.size - n :], second_error[:n]])
        weights = 1.0 / errors.astype(np.float64) ** 2
    values = np.stack([first, second]).astype(np.float64)
    weights = np.where(np.isfinite(values) & np.isfinite(weights), weights, 0.0)
    total = weights.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (weights * np.nan_to_num(values)).sum(axis=0) / total
        spread = np.sqrt(1.0 / np.where(total > 0.0, total, np.nan))
    return mean.astype(np.float32), spread.astype(np.float32)


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
