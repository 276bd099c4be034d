"""From one FITS file to the flux and the values of its record."""

from __future__ import annotations

from dataclasses import dataclass
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
    mask_zero_runs,
    to_air,
    to_barycentric,
)

_HALF_MAX = float(np.finfo(np.float16).max)


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


def prepare_spectrum(path: Path, grid: Grid, config: ConvertConfig) -> PreparedSpectrum:
    """
    Read a file and put its spectrum on the grid, in air and barycentric.

    Parameters
    ----------
    path : Path
        FITS file of any form `read_spectrum` knows.
    grid : Grid
        The wavelengths of the data set.
    config : ConvertConfig
        What is masked, shifted and refused.

    Returns
    -------
    prepared : PreparedSpectrum
        The flux is not normalised.

    Raises
    ------
    SpectrumError
        If the file is not taken; the message is the reason, without the path.
    """
    read = read_spectrum(path, config.verify_checksums)
    spectrum = correct_spectrum(read, config)
    placement = grid.place(spectrum.wave, spectrum.flux, config.max_drift)
    valid = placement.flux[np.isfinite(placement.flux)]
    if not valid.any():
        raise SpectrumError("no valid flux on the grid")
    median = _median(valid)
    if spectrum.metadata.flux_unit.lower() == "adu" and median < config.min_median_flux:
        raise SpectrumError(
            f"noise only: median flux {median:.1f} ADU is below "
            f"{config.min_median_flux:g}"
        )
    step = "resampled, conserving flux" if placement.resampled else "shifted"
    flux, scale, history = placement.flux, 1.0, (*spectrum.history, step)
    if config.flux_dtype == "float16":
        scale = _half_precision_scale(valid, median)
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
    )


def correct_spectrum(spectrum: Spectrum, config: ConvertConfig) -> Spectrum:
    """
    Mask the gaps of a spectrum and bring its wavelengths to air and barycentre.

    Parameters
    ----------
    spectrum : Spectrum
        As read.
    config : ConvertConfig
        What counts as a gap.

    Returns
    -------
    corrected : Spectrum
        Its history tells what was done.
    """
    flux, n_masked = mask_zero_runs(spectrum.flux, config.min_zero_run)
    if n_masked:
        spectrum = spectrum.with_gaps(flux, n_masked)
    return to_air(to_barycentric(spectrum))


def _median(values: NDArray[np.float32]) -> float:
    """Return numpy's median of finite values, by one selection instead of three."""
    half = values.size // 2
    parted = np.partition(values, half)
    upper = parted[half]
    lower = upper if values.size % 2 else parted[:half].max()
    return float(np.float32(0.5) * (lower + upper))


def _half_precision_scale(valid: NDArray[np.float32], median: float) -> float:
    """Return the median or, where that is not positive, the median of the sizes."""
    scales = (median, _median(np.abs(valid)), float(np.abs(valid).max()), 1.0)
    return next(scale for scale in scales if scale > 0.0)


def _mask_beyond_half_precision(
    flux: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float32], int]:
    """Mark what would become infinite as bad; return also how many pixels."""
    beyond = np.abs(flux) > _HALF_MAX * scale
    return np.where(beyond, np.float32(np.nan), flux), int(beyond.sum())
