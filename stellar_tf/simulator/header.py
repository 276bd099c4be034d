"""What the headers of an ESO Phase 3 product say."""

from __future__ import annotations

import numpy as np

from stellar_tf.simulator.archive_cards import TITLE_SUFFIX, archive_cards, nanometres
from stellar_tf.simulator.calibration_cards import (
    N_ORDERS,
    calibration_cards,
    order_wave,
)
from stellar_tf.simulator.cards import Card, Value
from stellar_tf.simulator.instrument import response
from stellar_tf.simulator.instrument_cards import instrument_cards
from stellar_tf.simulator.record import SECONDS_PER_DAY, Record, iso_time, mjd_after
from stellar_tf.simulator.spectrum import SimulatedSpectrum
from stellar_tf.simulator.telescope_cards import telescope_cards

MJD_ZERO = 2_400_000.5
"""Julian date of modified Julian date zero [d]."""
LONGITUDE = -70.7345
"""Of La Silla, east [deg]."""
AIRMASS_DRIFT = 1.0e-5
"""Rise of the airmass during an exposure, per second."""
SHORT = frozenset(
    {
        "ESO DPR CATG",
        "ESO DPR TYPE",
        "ESO OBS TARG NAME",
        "ESO TEL AIRM START",
        "ESO TEL AIRM END",
        "ESO DRS VERSION",
        "ESO DRS CCD SIGDET",
        "ESO DRS CCD CONAD",
        "ESO DRS BERV",
        "ESO DRS BJD",
    }
)
"""Cards of the observatory that the short header keeps."""


def primary_cards(full: bool) -> list[Card]:
    """
    Cards of the primary header, their changing values still to be filled.

    Parameters
    ----------
    full : bool
        All of a real product, or those that readers use.

    Returns
    -------
    cards : list of Card
        All but END.
    """
    observatory = telescope_cards() + instrument_cards() + calibration_cards()
    if not full:
        observatory = [card for card in observatory if card.keyword in SHORT]
    closing = [
        Card("CHECKSUM", "", "HDU checksum"),
        Card("DATASUM", "", "data unit checksum"),
        Card("ARCFILE", "", "Archive File Name"),
        Card("P3ORIG", "IDP", "ESO internal data product"),
    ]
    return [*archive_cards(), *observatory, *closing]


def primary_values(spectrum: SimulatedSpectrum, record: Record) -> dict[str, Value]:
    """
    Values of the primary header that differ between exposures.

    Parameters
    ----------
    spectrum : SimulatedSpectrum
        The pixels.
    record : Record
        What is known about the exposure.

    Returns
    -------
    values : dict of str to bool, int, float or str
        By keyword.
    """
    return {
        **_archive_values(spectrum, record),
        **_time_values(record),
        **_pointing_values(record),
        **_signal_values(record),
        "ESO DRS BERV": record.exposure.berv,
    }


def _archive_values(spectrum: SimulatedSpectrum, record: Record) -> dict[str, Value]:
    raw = f"HARPS.{iso_time(record.mjd)}"
    wave = spectrum.wave
    return {
        "OBJECT": record.target,
        "ESO OBS TARG NAME": record.target,
        "WAVELMIN": nanometres(wave[0]),
        "WAVELMAX": nanometres(wave[-1]),
        "SPEC_BIN": nanometres(wave[1] - wave[0]),
        "ORIGFILE": f"{raw}{TITLE_SUFFIX}_DRS_HARPS_3.5_ESOSDP.fits",
        "ASSON1": f"{raw}_DRS_HARPS_3.5.tar",
        "PROV1": f"{raw}.fits",
        "ARCFILE": f"{record.dp_id}.fits",
    }


def _time_values(record: Record) -> dict[str, Value]:
    start = iso_time(record.mjd)
    sidereal = _sidereal_hours(record.mjd)
    return {
        "DATE": start,
        "DATE-OBS": start,
        "ESO OBS START": start[:19],
        "ESO TPL START": start[:19],
        "MJD-OBS": record.mjd,
        "MJD-END": mjd_after(record, 1.0),
        "ESO DRS BJD": round(MJD_ZERO + mjd_after(record, 0.5), 8),
        "UTC": round(record.mjd % 1.0 * SECONDS_PER_DAY, 3),
        "UT": start[11:],
        "LST": round(sidereal * 3600.0, 3),
        "ST": _clock(sidereal),
        "EXPTIME": record.exptime,
        "TEXPTIME": record.exptime,
        "ESO DET WIN1 DIT1": record.exptime,
        "ESO DET WIN1 DKTM": record.exptime,
        "ESO DET WIN1 UIT1": record.exptime,
    }


def _pointing_values(record: Record) -> dict[str, Value]:
    airmass = record.exposure.airmass
    alpha = round(_sexagesimal(record.ra / 15.0), 3)
    delta = round(_sexagesimal(record.dec), 3)
    return {
        "RA": record.ra,
        "DEC": record.dec,
        "AIRMASS": round(airmass, 3),
        "ESO TEL AIRM START": round(airmass, 3),
        "ESO TEL AIRM END": round(airmass + AIRMASS_DRIFT * record.exptime, 3),
        "ESO TEL ALT": round(float(np.degrees(np.arcsin(1.0 / airmass))), 3),
        "ESO TEL TARG ALPHA": alpha,
        "ESO TEL TARG DELTA": delta,
        "ESO INS ADC1 RA": alpha,
        "ESO INS ADC1 DEC": delta,
        "ESO INS ADC2 RA": alpha,
        "ESO INS ADC2 DEC": delta,
    }


def _signal_values(record: Record) -> dict[str, Value]:
    snr = 10.0**record.exposure.log_snr
    values: dict[str, Value] = {"SNR": round(snr, 2)}
    for order, relative in enumerate(_ORDER_SNR):
        values[f"ESO DRS SPE EXT SN{order}"] = round(snr * relative, 1)
    return values


def _order_snr() -> list[float]:
    """Signal to noise at the orders' centres, relative to their median."""
    centres = np.array([order_wave(order) for order in range(N_ORDERS)])
    signal = np.sqrt(response(centres))
    return [float(value) for value in signal / np.median(signal)]


_ORDER_SNR = _order_snr()


def _sidereal_hours(mjd: float) -> float:
    """Sidereal time at La Silla [h], by the linear formula for GMST."""
    degrees = 280.46062 + 360.98564737 * (mjd - 51_544.5) + LONGITUDE
    return degrees % 360.0 / 15.0


def _sexagesimal(value: float) -> float:
    """Degrees or hours as the number ddmmss.sss, ESO's way of writing them."""
    whole, minutes = divmod(abs(value), 1.0)
    minutes, seconds = divmod(minutes * 60.0, 1.0)
    packed = 10_000.0 * whole + 100.0 * minutes + 60.0 * seconds
    return float(np.copysign(packed, value))


def _clock(hours: float) -> str:
    milliseconds = int(hours * 3_600_000.0)
    minutes, rest = divmod(milliseconds, 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
    )
