from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.simulator.instrument import (
    GAIN,
    GAP,
    black_body,
    correlated_noise,
    gap_pixels,
    level_for_snr,
    noise_deviation,
    read_noise,
    response,
    tilt_factor,
)
from tfrecords_tools.spectrum import SPEED_OF_LIGHT


def test_noise_has_unit_variance_and_correlation_one_half() -> None:
    noise = correlated_noise(400_000, np.random.default_rng(0)).astype(np.float64)
    assert noise.var() == pytest.approx(1.0, abs=0.01)
    for lag, expected in ((1, 0.5), (2, 0.0), (3, 0.0)):
        measured = np.mean(noise[lag:] * noise[:-lag])
        assert measured == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("snr", [5.0, 30.0, 300.0])
def test_level_has_the_signal_to_noise_asked_for(snr: float) -> None:
    level = level_for_snr(snr)
    deviation = noise_deviation(np.array([level], np.float32))[0]
    assert level / deviation == pytest.approx(snr, rel=1e-5)


def test_noise_is_poisson_plus_read_noise() -> None:
    flux = np.array([-10.0, 0.0, 1000.0], np.float32)
    electrons = np.array([0.0, 0.0, 1000.0 * GAIN])
    expected = np.sqrt(electrons + read_noise() ** 2) / GAIN
    np.testing.assert_allclose(noise_deviation(flux), expected, rtol=1e-6)


@pytest.mark.parametrize("berv", [-28.0, -3.6, 0.0, 18.26])
def test_gap_as_in_real_products(berv: float) -> None:
    wave_min = 3781.5
    gap = gap_pixels(wave_min, 0.01, 313_100, berv)
    assert gap.last - gap.first in (3294, 3295)
    start = wave_min + 0.01 * gap.first
    assert 5303.8 <= start <= 5304.8
    assert start == pytest.approx(GAP[0] * (1.0 + berv / SPEED_OF_LIGHT), abs=0.01)


def test_gap_is_empty_elsewhere_and_cut_at_the_border() -> None:
    elsewhere = gap_pixels(6200.0, 0.04, 8192, 0.0)
    assert elsewhere.first == elsewhere.last
    cut = gap_pixels(5320.0, 0.01, 1000, 0.0)
    assert cut == (0, 1000)


def test_black_body_obeys_wiens_law() -> None:
    """Photons per wavelength peak where lambda T = 3.6697e7 Angstrom K."""
    wave = np.arange(3000.0, 20_000.0, 1.0)
    for teff in (4000.0, 6000.0):
        peak = wave[np.argmax(black_body(wave, teff))]
        assert peak * teff == pytest.approx(3.6697e7, rel=1e-3)


def test_response_fades_in_the_blue() -> None:
    values = response(np.array([3781.0, 4000.0, 5000.0, 6000.0]))
    assert np.all(np.diff(values) > 0.0)
    assert values[0] < 0.06
    assert values[-1] == pytest.approx(1.0)


def test_tilt_is_the_difference_of_ln_flux() -> None:
    factor = tilt_factor(np.linspace(6200.0, 6528.0, 101), 0.3)
    assert np.log(factor[-1] / factor[0]) == pytest.approx(0.3)
    assert factor[50] == pytest.approx(1.0)
