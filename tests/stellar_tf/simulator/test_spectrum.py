from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.config import ConfigError, SimulateConfig
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.instrument import level_for_snr, noise_deviation
from stellar_tf.simulator.spectrum import SpectrumSimulator
from tfrecords_tools.spectrum import SPEED_OF_LIGHT


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("berv", [-30.0, 0.0, 30.0])
def test_files_cover_the_window_on_one_step(
    simulator: SpectrumSimulator,
    window: SimulateConfig,
    sun: Star,
    exposure: Exposure,
    berv: float,
) -> None:
    wave, _ = simulator.simulate(sun, exposure._replace(berv=berv), rng())
    offset = (window.wave_min - wave[0]) / window.wave_step
    assert offset == pytest.approx(round(offset), abs=1e-6)
    assert wave[0] <= window.wave_min
    assert wave[-1] >= window.wave_min + window.wave_step * (window.n_pixels - 1) - 1e-6
    np.testing.assert_allclose(np.diff(wave), window.wave_step, atol=1e-9)


def test_signal_to_noise_and_correlation_are_those_asked_for(
    simulator: SpectrumSimulator, sun: Star, exposure: Exposure
) -> None:
    """The same exposure many times: only the noise differs."""
    spectra = [simulator.simulate(sun, exposure, rng(i)) for i in range(200)]
    start = max(s.wave[0] for s in spectra)
    flux = np.array([s.flux[np.searchsorted(s.wave, start) :][:1000] for s in spectra])
    mean = flux.mean(axis=0)
    scatter = (flux - mean) / noise_deviation(mean)
    assert scatter.var() == pytest.approx(1.0, abs=0.02)
    neighbours = np.mean(scatter[:, 1:] * scatter[:, :-1])
    assert neighbours == pytest.approx(0.5, abs=0.02)
    level = level_for_snr(100.0)
    assert np.median(mean) == pytest.approx(level, rel=0.01)


def test_coarse_pixels_are_means_of_native_ones(sun: Star, exposure: Exposure) -> None:
    """Noise is drowned by signal; S/N 10,000."""
    bright = exposure._replace(log_snr=4.0)
    fine = SpectrumSimulator(
        SimulateConfig(wave_min=6120.0, wave_step=0.01, n_pixels=4096)
    ).simulate(sun, bright, rng())
    coarse = SpectrumSimulator(
        SimulateConfig(wave_min=6120.015, wave_step=0.04, n_pixels=1000)
    ).simulate(sun, bright, rng())
    first = round((coarse.wave[0] - 0.015 - fine.wave[0]) / 0.01)
    skip = 0
    while first < 0:
        first, skip = first + 4, skip + 1
    n = min(len(coarse.flux) - skip, (len(fine.flux) - first) // 4)
    averaged = fine.flux[first : first + 4 * n].reshape(n, 4).mean(axis=1)
    ratio = coarse.flux[skip : skip + n] / averaged
    assert np.std(ratio / np.median(ratio)) < 5e-4


def test_full_size_file_is_like_a_real_product(sun: Star) -> None:
    simulator = SpectrumSimulator(SimulateConfig())
    faint = Exposure(berv=-8.69, airmass=1.1, tilt=0.0, log_snr=1.4)
    cool = sun._replace(teff=4300.0, logg=4.6)
    wave, flux = simulator.simulate(cool, faint, rng())
    assert 313_025 <= len(wave) <= 313_170
    assert 3781.2 <= wave[0] <= 3783.15
    zeros = np.flatnonzero(flux == 0.0)
    assert len(zeros) in (3294, 3295)
    assert np.all(np.diff(zeros) == 1)
    doppler = 1.0 - 8.69 / SPEED_OF_LIGHT
    assert wave[zeros[0]] == pytest.approx(5304.317 * doppler, abs=0.02)
    blue = flux[wave < 3900.0]
    assert 0.05 < np.mean(blue < 0.0) < 0.5
    assert np.all(np.isfinite(flux))


def test_window_beyond_the_grid_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"must stay within 3780 to 6914.99"):
        SpectrumSimulator(SimulateConfig(wave_min=3779.0, n_pixels=1000))
    with pytest.raises(ConfigError, match=r"must stay within 3780 to 6914.99"):
        SpectrumSimulator(SimulateConfig(wave_min=6910.0, n_pixels=1000))


def test_step_must_be_a_whole_multiple() -> None:
    with pytest.raises(ValueError, match=r"whole multiple of 0.01 Angstrom, got 0.025"):
        SimulateConfig(wave_step=0.025)
