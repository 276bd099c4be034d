"""What the headers of an ESO Phase 3 product say."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import numpy as np

from stellar_tf.simulator.instrument import response
from stellar_tf.simulator.record import SECONDS_PER_DAY, Record, iso_time, mjd_after
from stellar_tf.simulator.spectrum import SimulatedSpectrum
from stellar_tf.simulator.template import HeaderTemplate, Value

MJD_ZERO = 2_400_000.5
"""Julian date of modified Julian date zero [d]."""
LONGITUDE = -70.7345
"""Of La Silla, east [deg]."""
AIRMASS_DRIFT = 1.0e-5
"""Rise of the airmass during an exposure, per second."""
TITLE_SUFFIX = "_s1d_A"
HALF_ORDER = 2048.0
"""Pixels from the beginning of an order to its centre."""
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


def read_template(name: str, full: bool) -> HeaderTemplate:
    """
    Read a header whose changing values are still to be filled.

    Parameters
    ----------
    name : str
        HDU of the product: ``primary`` or ``table``.
    full : bool
        All cards of a real product, or those that readers use.

    Returns
    -------
    header : HeaderTemplate
        The keywords are those of a real product, the values are made up.
    """
    folder = resources.files("stellar_tf.simulator").joinpath("templates")
    cards = folder.joinpath(f"{name}.hdr").read_text("ascii").splitlines()
    if not full:
        cards = [card for card in cards if _is_short(card)]
    return HeaderTemplate(cards)


def order_snr(primary: HeaderTemplate) -> dict[str, float]:
    """
    Signal to noise at the orders' centres, relative to their median.

    Parameters
    ----------
    primary : HeaderTemplate
        Has the wavelength solution of every order, or of none.

    Returns
    -------
    relative : dict of str to float
        By the keyword that states an order's signal to noise.
    """
    if "ESO DRS CAL TH ORDER NBR" not in primary:
        return {}
    n_orders = int(primary["ESO DRS CAL TH ORDER NBR"])
    n_terms = int(primary["ESO DRS CAL TH DEG LL"]) + 1
    stem = "ESO DRS CAL TH COEFF LL"
    terms = [float(primary[f"{stem}{i}"]) for i in range(n_orders * n_terms)]
    # Higher terms move the centre by 2 Angstrom, over which the response is even.
    start, slope = np.reshape(terms, (n_orders, n_terms))[:, :2].T
    signal = np.sqrt(response(start + HALF_ORDER * slope))
    relative = signal / np.median(signal)
    return {f"ESO DRS SPE EXT SN{i}": float(snr) for i, snr in enumerate(relative)}


def primary_values(
    spectrum: SimulatedSpectrum, record: Record, relative_snr: Mapping[str, float]
) -> dict[str, Value]:
    """
    Values of the primary header that differ between exposures.

    Parameters
    ----------
    spectrum : SimulatedSpectrum
        The pixels.
    record : Record
        What is known about the exposure.
    relative_snr : mapping of str to float
        What `order_snr` returned.

    Returns
    -------
    values : dict of str to bool, int, float or str
        By keyword.
    """
    return {
        **_archive_values(spectrum, record),
        **_time_values(record),
        **_pointing_values(record),
        **_signal_values(record, relative_snr),
        "ESO DRS BERV": record.exposure.berv,
    }


def table_values(spectrum: SimulatedSpectrum, record: Record) -> dict[str, Value]:
    """
    Values of the table's header that differ between exposures.

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
    wave, flux = spectrum.wave, spectrum.flux
    n_pixels = len(wave)
    return {
        "NAXIS1": 16 * n_pixels,
        "TFORM1": f"{n_pixels}D",
        "TFORM2": f"{n_pixels}E",
        "TFORM3": f"{n_pixels}E",
        "TITLE": f"{record.target}_HARPS.{iso_time(record.mjd)}{TITLE_SUFFIX}",
        "OBJECT": record.target,
        "RA": record.ra,
        "DEC": record.dec,
        "TELAPSE": record.exptime,
        "TMID": mjd_after(record, 0.5),
        "NELEM": n_pixels,
        "SPEC_VAL": _nanometres(wave[[0, -1]].mean()),
        "SPEC_BW": _nanometres(wave[-1] - wave[0]),
        "TDMIN1": float(wave[0]),
        "TDMAX1": float(wave[-1]),
        "TDMIN2": round(float(np.min(flux)), 5),
        "TDMAX2": round(float(np.max(flux)), 5),
    }


def _archive_values(spectrum: SimulatedSpectrum, record: Record) -> dict[str, Value]:
    raw = f"HARPS.{iso_time(record.mjd)}"
    wave = spectrum.wave
    return {
        "OBJECT": record.target,
        "ESO OBS TARG NAME": record.target,
        "WAVELMIN": _nanometres(wave[0]),
        "WAVELMAX": _nanometres(wave[-1]),
        "SPEC_BIN": _nanometres(wave[1] - wave[0]),
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


def _signal_values(
    record: Record, relative_snr: Mapping[str, float]
) -> dict[str, Value]:
    snr = 10.0**record.exposure.log_snr
    orders = {key: round(snr * value, 1) for key, value in relative_snr.items()}
    return {"SNR": round(snr, 2), **orders}


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


def _nanometres(wave: float) -> float:
    """Convert a wavelength [Angstrom] as headers state it."""
    return round(float(wave) / 10.0, 6)


def _is_short(card: str) -> bool:
    """Whether the short header has a card."""
    keyword, _, _ = card.removeprefix("HIERARCH ").partition(" = ")
    return not card.startswith("HIERARCH ") or keyword in SHORT
