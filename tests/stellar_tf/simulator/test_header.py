from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import EarthLocation
from astropy.io import fits
from astropy.time import Time

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator import header, instrument
from stellar_tf.simulator.factors import LIMITS
from stellar_tf.simulator.record import Record, draw_records
from stellar_tf.simulator.spectrum import SimulatedSpectrum


@pytest.fixture(scope="module")
def record(window: SimulateConfig) -> Record:
    return draw_records(window, 0, 0)[0]


@pytest.fixture(scope="module")
def spectrum() -> SimulatedSpectrum:
    return SimulatedSpectrum(np.linspace(6280.0, 6281.0, 101), np.ones(101, np.float32))


def test_the_template_states_the_simulated_instrument() -> None:
    template = header.read_template("primary", full=True)
    assert template["GAIN"] == instrument.GAIN
    assert template["ESO DRS CCD CONAD"] == instrument.GAIN
    assert template["DETRON"] == instrument.READ_NOISE
    assert template["ESO DRS CCD SIGDET"] == instrument.READ_NOISE
    assert template["ESO DRS SPE EXT WINDOW"] == instrument.EXTRACTION_WIDTH
    assert template["ESO DRS BERVMX"] == LIMITS["berv"][1]
    assert template["ESO TEL GEOLON"] == header.LONGITUDE


def test_the_wavelength_solution_follows_the_grating_equation() -> None:
    """Wavelength times the order's number is the same in all orders."""
    template = header.read_template("primary", full=True)
    stem = "ESO DRS CAL TH"
    first, n_blue, n_orders = (
        int(template[f"{stem} ORDER {name}"]) for name in ("START", "NBLUE", "NBR")
    )
    for order in range(n_orders):
        number = first - order - (order >= n_blue)  # one falls into the gap
        for term in range(4):
            value = float(template[f"{stem} COEFF LL{4 * order + term}"])
            bluest = float(template[f"{stem} COEFF LL{term}"])
            assert value * number == pytest.approx(bluest * first, rel=1e-12)


def test_the_orders_signal_follows_the_response(
    spectrum: SimulatedSpectrum, record: Record
) -> None:
    relative = header.order_snr(header.read_template("primary", full=True))
    values = header.primary_values(spectrum, record, relative)
    orders = np.array([values[f"ESO DRS SPE EXT SN{i}"] for i in range(72)], float)
    centres = 3804.2 * 161.0 / np.array([*range(161, 115, -1), *range(114, 88, -1)])
    expected = np.sqrt(instrument.response(centres))
    expected *= float(values["SNR"]) / np.median(expected)
    np.testing.assert_allclose(orders, expected, atol=0.06)


@pytest.mark.parametrize("name", ["primary", "table"])
def test_every_value_has_its_card_and_its_kind(
    name: str, spectrum: SimulatedSpectrum, record: Record
) -> None:
    """A value of another kind, or one that cuts the comment, would change the card."""
    template = header.read_template(name, full=True)
    if name == "primary":
        relative = header.order_snr(template)
        values = header.primary_values(spectrum, record, relative)
    else:
        values = header.table_values(spectrum, record)
    before = fits.Header.fromstring(template.sign(b""))
    for keyword, value in values.items():
        assert type(template[keyword]) is type(value), keyword
    template.fill(values)
    after = fits.Header.fromstring(template.sign(b""))
    assert list(after) == list(before)
    assert list(after.comments) == list(before.comments)


def test_the_short_header_is_part_of_the_full_one() -> None:
    template = header.read_template("primary", full=False)
    short = fits.Header.fromstring(template.sign(b""))
    full = fits.Header.fromstring(header.read_template("primary", full=True).sign(b""))
    cards = {str(card) for card in short.cards if card.keyword != "CHECKSUM"}
    assert cards <= {str(card) for card in full.cards}
    assert list(short) == [keyword for keyword in full if keyword in short]
    observatory = {keyword for keyword in short if keyword.startswith("ESO ")}
    assert observatory == header.SHORT
    assert header.order_snr(template) == {}


def test_sidereal_time_is_that_of_la_silla(
    spectrum: SimulatedSpectrum, record: Record
) -> None:
    values = header.primary_values(spectrum, record, {})
    place = EarthLocation.from_geodetic(header.LONGITUDE, -29.2584, 2400.0)
    time = Time(record.mjd, format="mjd", location=place)
    time.delta_ut1_utc = 0.0
    sidereal = time.sidereal_time("mean", model="IAU1982").hour
    assert float(values["LST"]) == pytest.approx(3600.0 * sidereal, abs=0.1)
