"""From a spectrum in a file to the flux and the values of its record."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfrecords_tools.config import ConvertConfig
from tfrecords_tools.grid import Grid
from tfrecords_tools.readers import read_spectrum
from tfrecords_tools.spectrum import (
    Metadata,
    Spectrum,
    SpectrumError,
    mask_spikes,
    mask_zero_runs,
    to_air,
    to_barycentric,
)

_HALF_MAX = float(np.finfo(np.float16).max)
AIR_ASSUMED, KEPT_TOPOCENTRIC = "air assumed", "kept topocentric"
FRAME_UNKNOWN, NOT_ALL_READ = "frame unknown", "not all read"
_AT_REST = ("BARYCENT", "HELIOCEN", "SOURCE")
"""Frames in which the Earth does not move the lines of a star."""
TOO_MANY_SPIKES, TOO_MANY_BAD = "too many spikes", "too many bad pixels"
"""How the reasons begin for which a spectrum is rejected."""


@dataclass(frozen=True, eq=False)
class PreparedSpectrum:
    """A spectrum as its record stores it."""

    flux: NDArray[np.float32]
    """Shape (n_pixels,), NaN where there is no valid pixel [metadata.flux_unit]."""
    metadata: Metadata
    flux_scale: float
    """What the flux is divided by to be stored; 1 unless as float16."""
    median_flux: float
    """Over the valid pixels."""
    phase_error: float
    """Pixels by which the data stand right of their grid pixel; 0 if resampled."""
    history: tuple[str, ...]
    """What was done to the spectrum, or taken for granted, in order."""
    assumptions: tuple[str, ...]
    """What was taken for granted of it: `AIR_ASSUMED`, ..."""
    n_spikes: int
    """Pixels of the file that are bad for being far from all others."""
    error: NDArray[np.float32] | None
    """Standard deviation of the flux, shape (n_pixels,), NaN where the pixel is bad or
    its error unknown; None if there is none to be stored [metadata.flux_unit]."""


def prepare_spectrum(
    path: Path, grid: Grid, config: ConvertConfig, index: int | None = None
) -> PreparedSpectrum:
    """
    Read a file and put its spectrum on the grid, in air and barycentric.

    Parameters
    ----------
    path : Path
        File of any form `read_spectrum` knows.
    grid : Grid
        The wavelengths of the data set.
    config : ConvertConfig
        What is masked, shifted and refused.
    index : int, optional
        Number of the spectrum in a file of several.

    Returns
    -------
    prepared : PreparedSpectrum
        The flux is not normalised.

    Raises
    ------
    SpectrumError
        If the file is not taken; the message is the reason, without the path.
    """
    read = read_spectrum(path, index, verify_checksums=config.verify_checksums)
    spectrum = correct_spectrum(read, config)
    error = spectrum.error if config.store_errors == "auto" else None
    placement = grid.place(spectrum.wave, spectrum.flux, config.max_drift, error)
    n_valid = int(np.count_nonzero(np.isfinite(placement.flux)))
    if n_valid == np.count_nonzero(placement.flux == 0.0):
        raise SpectrumError("no valid flux on the grid")
    _check_valid_fraction(n_valid, spectrum, grid, config)
    median = _median(placement.flux, n_valid)
    if spectrum.metadata.flux_unit.lower() == "adu" and median < config.min_median_flux:
        raise SpectrumError(
            f"noise only: median flux {median:.1f} ADU is below "
            f"{config.min_median_flux:g}"
        )
    step = "resampled, conserving flux" if placement.resampled else "shifted"
    flux, scale, history = placement.flux, 1.0, (*spectrum.history, step)
    if config.flux_dtype == "float16":
        scale = _half_precision_scale(flux, n_valid, median)
        flux, n_masked = _mask_beyond_half_precision(flux, scale)
        if n_masked:
            history = (*history, f"{n_masked} pixels beyond float16 masked")
    return PreparedSpectrum(
        flux=flux,
        metadata=spectrum.metadata,
        flux_scale=scale,
        median_flux=median,
        phase_error=placement.phase_error,
        history=history,
        assumptions=tuple(_list_assumptions(spectrum)),
        n_spikes=spectrum.n_spikes,
        error=_choose_error(placement.error, flux, median),
    )


def _choose_error(
    error: NDArray[np.float32] | None, flux: NDArray[np.float32], median: float
) -> NDArray[np.float32] | None:
    """Keep errors of valid pixels; they are stored over a median that is positive."""
    if error is None or median <= 0.0:
        return None
    error = np.where(np.isfinite(flux), error, np.float32(np.nan))
    return error if np.isfinite(error).any() else None


def correct_spectrum(spectrum: Spectrum, config: ConvertConfig) -> Spectrum:
    """
    Mark gaps and spikes of a spectrum and bring its wavelengths to air and barycentre.

    Parameters
    ----------
    spectrum : Spectrum
        As read.
    config : ConvertConfig
        What counts as a gap or a spike, and the medium where none is stated.

    Returns
    -------
    corrected : Spectrum
        Its history tells what was done.

    Raises
    ------
    SpectrumError
        If there are too many spikes.
    """
    flux, n_masked = mask_zero_runs(spectrum.flux, config.min_zero_run)
    if n_masked:
        spectrum = spectrum.with_bad_pixels(flux, f"{n_masked} pixels of zeros masked")
    flux, n_spikes = mask_spikes(spectrum.flux, config.max_flux_ratio)
    if n_spikes > config.max_spikes * flux.size:
        raise SpectrumError(
            f"{TOO_MANY_SPIKES}: {n_spikes} of {flux.size} pixels are beyond "
            f"{config.max_flux_ratio:g} times the median (convert.max_flux_ratio)"
        )
    if n_spikes:
        step = f"{n_spikes} pixels beyond {config.max_flux_ratio:g} medians masked"
        spectrum = spectrum.with_bad_pixels(flux, step, n_spikes)
    return to_air(to_barycentric(_settle_medium(spectrum, config)))


def _settle_medium(spectrum: Spectrum, config: ConvertConfig) -> Spectrum:
    if config.medium == "auto" or not spectrum.is_medium_assumed:
        return spectrum
    told = f"in {config.medium} by convert.medium"
    steps = [told if step == AIR_ASSUMED else step for step in spectrum.history]
    return replace(
        spectrum, medium=config.medium, history=tuple(steps), is_medium_assumed=False
    )


def _list_assumptions(spectrum: Spectrum) -> Iterator[str]:
    if spectrum.is_medium_assumed:
        yield AIR_ASSUMED
    if spectrum.metadata.specsys in ("TOPOCENT", "GEOCENTR"):
        yield KEPT_TOPOCENTRIC
    elif spectrum.metadata.specsys not in _AT_REST:
        yield FRAME_UNKNOWN
    if any(step.startswith("not read: ") for step in spectrum.history):
        yield NOT_ALL_READ


def _check_valid_fraction(
    n_valid: int, spectrum: Spectrum, grid: Grid, config: ConvertConfig
) -> None:
    """Refuse a spectrum of which too few pixels on the grid are valid, but for gaps."""
    first, last = grid.position(spectrum.wave[[0, -1]])
    n_covered = min(last, grid.n_pixels - 1.0) - max(first, 0.0) + 1.0
    if n_valid >= config.min_valid_fraction * n_covered:
        return
    low, high = np.searchsorted(spectrum.wave, grid.edges[[0, -1]])
    is_valid = np.isfinite(spectrum.flux[low:high])
    _, n_gap = mask_zero_runs(is_valid.astype(np.float32), config.min_zero_run)
    n_there, n_good = is_valid.size - n_gap, int(np.count_nonzero(is_valid))
    if n_good < config.min_valid_fraction * n_there:
        raise SpectrumError(
            f"{TOO_MANY_BAD}: {n_there - n_good} of {n_there} pixels on the grid "
            f"(convert.min_valid_fraction)"
        )


def _median(values: NDArray[np.float32], n_valid: int) -> float:
    """Return numpy's median of those that are not NaN, from the few that may be it."""
    rank, n_even = n_valid // 2, n_valid % 2 == 0
    sample = np.sort(values[::101])
    n_sample = int(np.searchsorted(sample, np.inf))  # NaN stands behind
    if n_sample > 100:
        margin = 2 * math.isqrt(n_sample)
        low, high = sample[[n_sample // 2 - margin, n_sample // 2 + margin]]
        inside = values[(values >= low) & (values <= high)]
        left = rank - int(np.count_nonzero(values < low))
    if n_sample > 100 and 0 < left < inside.size:  # nearly always
        values, rank = inside, left
    else:
        values = values[np.isfinite(values)]
    parted = np.partition(values, rank)
    upper = parted[rank]
    lower = parted[:rank].max() if n_even else upper
    return float(np.float32(0.5) * (lower + upper))


def _half_precision_scale(
    flux: NDArray[np.float32], n_valid: int, median: float
) -> float:
    """Return the median or, where that is not positive, the median of the sizes."""
    if median > 0.0:
        return median
    sizes = np.abs(flux)
    scales = (_median(sizes, n_valid), float(np.nanmax(sizes)), 1.0)
    return next(scale for scale in scales if scale > 0.0)


def _mask_beyond_half_precision(
    flux: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float32], int]:
    """Mark what would become infinite as bad; return also how many pixels."""
    beyond = np.abs(flux) > _HALF_MAX * scale
    return np.where(beyond, np.float32(np.nan), flux), int(beyond.sum())
