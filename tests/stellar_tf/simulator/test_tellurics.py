from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.simulator.tellurics import MEASURED_AIRMASS, Tellurics
from tfrecords_tools.spectrum import SPEED_OF_LIGHT


@pytest.fixture(scope="module")
def tellurics() -> Tellurics:
    return Tellurics.load()


def synthetic(place: int) -> Tellurics:
    depth = np.zeros(4001, np.float32)
    depth[place - 3 : place + 4] = [0.1, 0.3, 0.7, 1.0, 0.7, 0.3, 0.1]
    return Tellurics(wave_min=6000.0, wave_step=0.01, depth=depth)


@pytest.mark.parametrize("berv", [-28.0, 0.0, 17.5])
def test_a_line_moves_with_berv(berv: float) -> None:
    """A line at 6020 Angstrom in the observer's frame, found at 6020 (1 + berv/c)."""
    wave = np.arange(6010.0, 6030.0, 0.001)
    depth = 1.0 - synthetic(2000).transmission(wave, berv, MEASURED_AIRMASS)
    centre = np.sum(depth * wave) / np.sum(depth)
    assert centre == pytest.approx(6020.0 * (1.0 + berv / SPEED_OF_LIGHT), abs=1e-3)


def test_depth_grows_with_airmass() -> None:
    wave = np.array([6020.0])
    once = synthetic(2000).transmission(wave, 0.0, MEASURED_AIRMASS)
    twice = synthetic(2000).transmission(wave, 0.0, 2.0 * MEASURED_AIRMASS)
    np.testing.assert_allclose(once, np.exp(-1.0), rtol=1e-6)
    np.testing.assert_allclose(twice, once**2, rtol=1e-6)


def test_never_above_one_and_one_outside(tellurics: Tellurics) -> None:
    wave = np.arange(3780.0, 6914.0, 0.01)
    transmission = tellurics.transmission(wave, 10.0, 1.5)
    assert transmission.max() <= 1.0
    assert np.all(transmission[(wave < 4799.0) | (wave > 6912.5)] == 1.0)


def test_only_outside_is_all_ones(tellurics: Tellurics) -> None:
    wave = np.arange(4000.0, 4100.0, 0.01)
    assert np.all(tellurics.transmission(wave, 0.0, 2.0) == 1.0)


def test_the_oxygen_bands_are_there(tellurics: Tellurics) -> None:
    """B band of O2 at 6867 Angstrom, gamma band at 6277, none at 6100."""
    for centre, lowest in ((6875.0, 0.2), (6282.0, 0.8)):
        wave = np.arange(centre - 8.0, centre + 8.0, 0.01)
        assert tellurics.transmission(wave, 0.0, 1.25).min() < lowest
    quiet = tellurics.transmission(np.arange(6100.0, 6150.0, 0.01), 0.0, 1.25)
    assert quiet.mean() > 0.999
