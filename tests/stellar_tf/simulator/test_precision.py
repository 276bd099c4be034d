from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.instrument import noise_deviation
from stellar_tf.simulator.precision import STEPS, bound_precision
from stellar_tf.simulator.spectrum import SpectrumSimulator
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

FACTORS = ("teff", "mh", "vsini", "rv", "tilt")


def test_what_is_expected_is_the_mean_of_what_is_simulated(
    simulator: SpectrumSimulator, window: SimulateConfig, sun: Star, exposure: Exposure
) -> None:
    wave, expected = simulator.expect(sun, exposure)
    assert wave[0] == pytest.approx(window.wave_min)
    assert wave.size == window.n_pixels
    fluxes = []
    for seed in range(100):
        spectrum = simulator.simulate(sun, exposure, np.random.default_rng(seed))
        fluxes.append(spectrum.flux[np.searchsorted(spectrum.wave, wave[0] - 1e-6) :])
    n = min(flux.size for flux in (*fluxes, expected))
    mean = np.mean([flux[:n] for flux in fluxes], axis=0)
    pull = (mean - expected[:n]) / noise_deviation(expected[:n]) * 10.0
    assert np.abs(pull).mean() == pytest.approx(np.sqrt(2.0 / np.pi), abs=0.05)


def test_velocity_alone_is_bounded_as_by_bouchy(
    window: SimulateConfig, sun: Star, exposure: Exposure
) -> None:
    """Their formula differentiates by wavelength, and knows the level of the flux."""
    # At 5000 Angstrom: there are no telluric lines, which would not move.
    simulator = SpectrumSimulator(window.model_copy(update={"wave_min": 5000.0}))
    wave, flux = simulator.expect(sun, exposure)
    slope = CubicSpline(wave, flux)(wave, 1) * wave / SPEED_OF_LIGHT
    weight = noise_deviation(flux).astype(np.float64) ** -2
    # The free level takes from the slope what is in proportion to the flux.
    slope -= flux * np.sum(weight * slope * flux) / np.sum(weight * flux**2)
    expected = 1.0 / np.sqrt(np.sum(weight * slope**2))
    precision = bound_precision(simulator, sun, exposure, ["rv"], correlation=0.0)
    assert precision.deviation["rv"] == pytest.approx(expected, rel=0.03)


def test_the_best_estimate_scatters_as_the_bound_says(
    simulator: SpectrumSimulator, sun: Star, exposure: Exposure
) -> None:
    """Noise is fitted by the changes of the flux, with a dense covariance."""
    n = 400
    wave, flux = simulator.expect(sun, exposure)
    slopes = []
    for name in FACTORS:
        ends = []
        for step in (-STEPS[name], STEPS[name]):
            if name in sun._fields:
                moved = sun._replace(**{name: getattr(sun, name) + step}), exposure
            else:
                moved = sun, exposure._replace(tilt=exposure.tilt + step)
            ends.append(np.asarray(simulator.expect(*moved).flux, np.float64))
        slopes.append((ends[1] - ends[0]) / (2.0 * STEPS[name]))
    matrix = np.stack([*slopes, flux], axis=1)
    deviation = noise_deviation(flux).astype(np.float64)
    lag = np.abs(np.subtract.outer(np.arange(flux.size), np.arange(flux.size)))
    covariance = np.outer(deviation, deviation) * np.where(
        lag == 0, 1.0, 0.5 * (lag == 1)
    )
    weighted = np.linalg.solve(covariance, matrix)
    estimator = np.linalg.solve(matrix.T @ weighted, weighted.T)
    noise = []
    for seed in range(n):
        spectrum = simulator.simulate(sun, exposure, np.random.default_rng(seed))
        first = np.searchsorted(spectrum.wave, wave[0] - 1e-6)
        noise.append(spectrum.flux[first : first + flux.size] - flux)
    scatter = (np.array(noise) @ estimator.T).std(axis=0)[: len(FACTORS)]
    bound = bound_precision(simulator, sun, exposure, FACTORS).deviation
    np.testing.assert_allclose(scatter, list(bound.values()), rtol=4.0 / np.sqrt(2 * n))


def test_what_else_is_unknown_widens_the_bound(
    simulator: SpectrumSimulator, sun: Star, exposure: Exposure
) -> None:
    alone = bound_precision(simulator, sun, exposure, ["teff"]).deviation["teff"]
    along = bound_precision(simulator, sun, exposure, FACTORS).deviation["teff"]
    assert along > alone


def test_at_the_border_of_the_grid_the_flux_is_differentiated_from_within(
    simulator: SpectrumSimulator, sun: Star, exposure: Exposure
) -> None:
    within, at = (
        bound_precision(simulator, sun._replace(mh=mh), exposure, ["mh"]).deviation[
            "mh"
        ]
        for mh in (0.49, 0.5)
    )
    assert at == pytest.approx(within, rel=0.05)


def test_a_factor_without_a_step_is_refused(
    simulator: SpectrumSimulator, sun: Star, exposure: Exposure
) -> None:
    with pytest.raises(ValueError, match=r"factors must be among teff, .* got colour"):
        bound_precision(simulator, sun, exposure, ["rv", "colour"])
