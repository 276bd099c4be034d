"""Settings, data and simulators that the tests of the simulator share."""

from __future__ import annotations

import pytest

from stellar_tf.config import Distribution, Factors, SimulateConfig
from stellar_tf.simulator.emulator import Emulator
from stellar_tf.simulator.factors import Exposure, Star
from stellar_tf.simulator.spectrum import SpectrumSimulator


def fixed(value: float) -> Distribution:
    return Distribution(kind="fixed", a=value)


FIXED_FACTORS = Factors(
    teff=fixed(5700.0),
    logg=fixed(4.4),
    mh=fixed(0.0),
    alpha_m=fixed(0.1),
    vsini=fixed(3.0),
    rv=fixed(12.0),
    berv=fixed(-7.0),
    airmass=fixed(1.3),
    tilt=fixed(0.0),
    log_snr=fixed(2.0),
)


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    return Emulator.load()


@pytest.fixture
def sun() -> Star:
    return Star(teff=5770.0, logg=4.44, mh=0.0, alpha_m=0.05, vsini=2.0, rv=0.0)


@pytest.fixture
def exposure() -> Exposure:
    return Exposure(berv=0.0, airmass=1.254, tilt=0.0, log_snr=2.0)


@pytest.fixture(scope="session")
def window() -> SimulateConfig:
    """Choose 41 Angstrom with tellurics, short files."""
    return SimulateConfig(
        n_stars=3,
        n_visits=2,
        wave_min=6280.0,
        wave_step=0.04,
        n_pixels=1024,
        full_header=False,
    )


@pytest.fixture(scope="session")
def simulator(window: SimulateConfig) -> SpectrumSimulator:
    return SpectrumSimulator(window)
