from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stellar_tf.simulator.broadening import (
    LIMB_DARKENING,
    N_PAD,
    observe,
    rotation_transfer,
    spline_coefficients,
)
from stellar_tf.simulator.emulator import Emulator
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

STEP = 0.8
"""[km/s]"""


def gray_profile(velocity: NDArray[np.float64], vsini: float) -> NDArray[np.float64]:
    """Gray (2005), eq. 18.14, sampled; integral 1 over velocity."""
    inside = np.clip(1.0 - (velocity / vsini) ** 2, 0.0, None)
    ring = 2.0 * (1.0 - LIMB_DARKENING) * np.sqrt(inside)
    disc = 0.5 * np.pi * LIMB_DARKENING * inside
    return (ring + disc) / (np.pi * vsini * (1.0 - LIMB_DARKENING / 3.0))


def gaussian_line(n_pixels: int, sigma: float) -> NDArray[np.float32]:
    pixels = np.arange(n_pixels) - n_pixels // 2
    return (1.0 - 0.6 * np.exp(-0.5 * (pixels / sigma) ** 2)).astype(np.float32)


def at_pixels(flux: NDArray[np.float32], vsini: float) -> NDArray[np.float64]:
    """Values of the broadened spline at the pixels themselves."""
    coefficients = spline_coefficients(flux, vsini, STEP).astype(np.float64)
    values = np.convolve(coefficients, [1 / 6, 2 / 3, 1 / 6], mode="same")
    return values[N_PAD:-N_PAD]


@pytest.mark.parametrize("vsini", [0.3, 3.0, 40.0])
def test_transfer_is_the_transform_of_grays_profile(vsini: float) -> None:
    velocity = np.linspace(-vsini, vsini, 400_001)
    profile = gray_profile(velocity, vsini)
    frequency = np.array([0.0, 0.001, 0.01, 0.1, 0.3])
    direct = [
        np.trapezoid(profile * np.cos(2.0 * np.pi * f * velocity), velocity)
        for f in frequency
    ]
    np.testing.assert_allclose(rotation_transfer(frequency, vsini), direct, atol=1e-7)


@pytest.mark.parametrize("vsini", [2.0, 12.0, 60.0])
def test_broadening_equals_direct_convolution(vsini: float) -> None:
    flux = gaussian_line(2001, sigma=5.0)
    fine = np.arange(-vsini, vsini, STEP / 200.0)
    weight = gray_profile(fine, vsini) * STEP / 200.0
    pixels = np.arange(900, 1100)
    direct = [
        np.sum(
            weight * (1.0 - 0.6 * np.exp(-0.5 * ((p - 1000 - fine / STEP) / 5) ** 2))
        )
        for p in pixels
    ]
    np.testing.assert_allclose(at_pixels(flux, vsini)[pixels], direct, atol=3e-4)


@pytest.mark.parametrize("vsini", [0.0, 5.0, 50.0])
def test_equivalent_width_is_conserved(vsini: float) -> None:
    flux = gaussian_line(2001, sigma=3.0)
    np.testing.assert_allclose(
        np.sum(1.0 - at_pixels(flux, vsini)), np.sum(1.0 - flux), rtol=1e-4
    )


def test_without_rotation_the_spline_passes_through_the_pixels() -> None:
    flux = gaussian_line(501, sigma=2.0)
    np.testing.assert_allclose(at_pixels(flux, 0.0), flux, atol=1e-6)


def test_width_in_wavelength_grows_with_wavelength(emulator: Emulator) -> None:
    """A line is broadened by the same velocity at both ends of the spectrum."""
    widths = []
    for centre in (4000.0, 6800.0):
        part = emulator.window(centre - 5.0, centre + 5.0)
        wave = np.arange(centre - 1.5, centre + 1.5, 0.01)
        place = part.position(np.array([centre]))[0]
        pixels = np.arange(part.n_pixels)
        line = np.exp(-0.5 * ((pixels - place) / 2.0) ** 2)
        flux = (1.0 - 0.5 * line).astype(np.float32)
        depth = 1.0 - observe(part, flux, part.position(wave), vsini=30.0, rv=0.0)
        variance = np.sum(depth * (wave - centre) ** 2) / np.sum(depth)
        widths.append(np.sqrt(variance) / centre * SPEED_OF_LIGHT)
    assert widths[0] == pytest.approx(widths[1], rel=1e-3)


@pytest.mark.parametrize("rv", [-80.0, 0.37, 25.0])
def test_velocity_is_recovered_by_cross_correlation(
    emulator: Emulator, rv: float
) -> None:
    part = emulator.window(6100.0, 6200.0)
    flux = part.flux(5700.0, 4.4, 0.0, 0.1)
    wave = np.arange(6110.0, 6190.0, 0.01)
    moved = observe(part, flux, part.position(wave), vsini=3.0, rv=rv)
    trials = rv + np.linspace(-0.5, 0.5, 11)
    misfit = []
    for trial in trials:
        rest = wave / (1.0 + trial / SPEED_OF_LIGHT)
        model = observe(part, flux, part.position(rest), vsini=3.0, rv=0.0)
        misfit.append(np.sum((model - moved) ** 2))
    a, b, _ = np.polyfit(trials - rv, misfit, 2)
    assert -b / (2.0 * a) == pytest.approx(0.0, abs=0.01)
