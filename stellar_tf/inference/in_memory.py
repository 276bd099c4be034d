"""Spectra that are arrays already: numpy's, astropy's and specutils'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from astropy import units
from numpy.typing import NDArray

from tfrecords_tools.errors import UserError
from tfrecords_tools.spectrum import vacuum_to_air

Medium = Literal["air", "vacuum"]


class SpectraError(UserError, ValueError):
    """What was given is no spectrum; the message names the argument."""


class ArraySpectrum(NamedTuple):
    """One spectrum in memory."""

    wave: NDArray[np.float64]
    """Wavelengths in air, shape (n,) [Angstrom]."""
    flux: NDArray[np.float32]
    """Flux density in any unit, NaN where it is masked, shape (n,)."""


def read_arrays(wave: Any, flux: Any, medium: Medium = "air") -> list[ArraySpectrum]:
    """
    Take spectra as arrays.

    Parameters
    ----------
    wave : array_like or Quantity, shape (n,) or (n_spectra, n), or a sequence
        Wavelengths, of one spectrum or of each; a quantity may be of any unit that
        astropy converts to a wavelength, plain numbers are in Angstrom.
    flux : array_like or Quantity, shape (n,) or (n_spectra, n), or a sequence
        Flux densities; masked values become NaN, the unit is of no account.
    medium : {"air", "vacuum"}
        Of the wavelengths.

    Returns
    -------
    spectra : list of ArraySpectrum
        One for each row.

    Raises
    ------
    SpectraError
        If the shapes do not fit each other, or the unit is not of a wavelength.
    """
    if medium not in ("air", "vacuum"):
        raise SpectraError(f'medium must be "air" or "vacuum", got {medium!r}')
    fluxes = _rows(flux, "flux")
    waves = _rows(wave, "wave")
    if len(waves) == 1:
        waves = waves * len(fluxes)
    if len(waves) != len(fluxes):
        raise SpectraError(
            f"wave must have one row or as many as flux, got {len(waves)} and "
            f"{len(fluxes)}"
        )
    return [
        _read_one(one_wave, one_flux, medium)
        for one_wave, one_flux in zip(waves, fluxes, strict=True)
    ]


def read_spectra(spectra: Any, medium: Medium = "air") -> list[ArraySpectrum]:
    """
    Take objects with a spectral axis and a flux, such as specutils makes.

    Parameters
    ----------
    spectra : Spectrum1D, SpectrumCollection, SpectrumList or iterable of Spectrum1D
        Any object, or iterable of objects, with ``spectral_axis`` and ``flux``; pixels
        that a ``mask`` marks become NaN.
    medium : {"air", "vacuum"}
        Of the wavelengths: the objects do not say.

    Returns
    -------
    spectra : list of ArraySpectrum
        One for each row of each object.

    Raises
    ------
    SpectraError
        If an object has no spectral axis or no flux, or they do not fit.
    """
    found: list[ArraySpectrum] = []
    for spectrum in _objects(spectra):
        flux = units.Quantity(spectrum.flux).value
        mask = getattr(spectrum, "mask", None)
        if mask is not None:
            flux = np.ma.MaskedArray(flux, mask)
        found += read_arrays(spectrum.spectral_axis, flux, medium)
    return found


def _objects(spectra: Any) -> Iterator[Any]:
    is_spectrum = hasattr(spectra, "spectral_axis") and hasattr(spectra, "flux")
    if not is_spectrum and not isinstance(spectra, Iterable):
        raise SpectraError(
            "spectra must be wavelengths and flux, paths, or objects with "
            f"spectral_axis and flux, got {type(spectra).__name__}"
        )
    if is_spectrum:
        yield spectra
    else:
        for spectrum in spectra:
            yield from _objects(spectrum)


def _rows(values: Any, name: str) -> list[Any]:
    """Split what holds several spectra into one array each, units and masks kept."""
    if isinstance(values, list | tuple) and values and np.ndim(values[0]) == 1:
        return list(values)
    n_axes = np.ndim(values)
    if n_axes not in (1, 2):
        raise SpectraError(
            f"{name} must have shape (n,) or (n_spectra, n), got {np.shape(values)}"
        )
    return [values] if n_axes == 1 else list(values)


def _read_one(wave: Any, flux: Any, medium: Medium) -> ArraySpectrum:
    angstrom = _to_angstrom(wave)
    values = units.Quantity(flux).value if hasattr(flux, "unit") else flux
    plain = np.ma.filled(np.ma.asarray(values, np.float64), np.nan)
    if angstrom.shape != plain.shape:
        raise SpectraError(
            f"flux must have as many values as wave, got {plain.size} and "
            f"{angstrom.size}"
        )
    if hasattr(wave, "unit") and angstrom.size > 1 and angstrom[0] > angstrom[-1]:
        # Frequencies and energies rise where wavelengths fall.
        angstrom, plain = angstrom[::-1], plain[::-1]
    if medium == "vacuum":
        angstrom = vacuum_to_air(angstrom)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which is flagged
        return ArraySpectrum(angstrom, plain.astype(np.float32))


def _to_angstrom(wave: Any) -> NDArray[np.float64]:
    unit = getattr(wave, "unit", None)
    if unit is None:
        return np.asarray(wave, np.float64)
    try:
        quantity = units.Quantity(wave).to(units.AA, equivalencies=units.spectral())
    except units.UnitConversionError:
        raise SpectraError(f"wave must be a wavelength, got the unit {unit}") from None
    return np.asarray(quantity.value, np.float64)
