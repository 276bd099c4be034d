"""One exposure of the simulated survey: its name, its position and its truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.factors import Exposure, Star, draw_exposure, draw_star

SECONDS_PER_STAR = 1000
"""Archive times of a star's exposures: a second each, so at most 1000 visits."""
ARCHIVE_START = np.datetime64("2014-09-16T00:00:00.000", "ms")
ARCHIVE_SPAN = 300_000_000
"""Seconds over which simulations of different seeds begin, so as to differ."""
MJD_RANGE = (53_000.0, 57_000.0)
"""Nights of the observations: 2003 to 2014."""
SECONDS_PER_DAY = 86_400.0
EXPTIME_RANGE = (60.0, 1800.0)
"""[s]"""
DEC_RANGE = (-85.0, 30.0)
"""What La Silla sees [deg]."""


class Record(NamedTuple):
    """All that is known about one exposure before its pixels are made."""

    dp_id: str
    """Archive name, unique to the exposure."""
    target: str
    """The star's name."""
    ra: float
    """Right ascension, ICRS [deg]."""
    dec: float
    """Declination, ICRS [deg]."""
    mjd: float
    """Modified Julian date of the start [d]."""
    exptime: float
    """[s]"""
    star: Star
    exposure: Exposure
    rng: np.random.Generator
    """Source of the exposure's noise."""


def draw_records(config: SimulateConfig, seed: int, star_number: int) -> list[Record]:
    """
    Draw a star and its exposures.

    Parameters
    ----------
    config : SimulateConfig
        The distributions and the number of visits.
    seed : int
        Seed of the simulation.
    star_number : int
        Counted from zero.

    Returns
    -------
    records : list of Record
        One per visit.

    Notes
    -----
    Every star and every visit has its own stream of random numbers, by a spawn key:
    a star is the same however many there are, and an exposure is the same whether
    or not the ones before it were made in this run.
    """
    rng = _stream(seed, star_number)
    star = draw_star(config.factors, rng)
    ra = float(rng.uniform(0.0, 360.0))
    sines = np.sin(np.radians(DEC_RANGE))
    dec = float(np.degrees(np.arcsin(rng.uniform(*sines))))
    milliseconds = rng.integers(0, 1000, config.n_visits)
    records = []
    for visit in range(config.n_visits):
        rng = _stream(seed, star_number, visit)
        exposure = draw_exposure(config.factors, rng)
        records.append(
            Record(
                dp_id=_dp_id(seed, star_number, visit, int(milliseconds[visit])),
                target=f"SIM{seed}-{star_number:06d}",
                ra=round(ra, 6),
                dec=round(dec, 6),
                mjd=round(float(rng.uniform(*MJD_RANGE)), 8),
                exptime=round(float(np.exp(rng.uniform(*np.log(EXPTIME_RANGE)))), 4),
                star=star,
                exposure=exposure,
                rng=rng,
            )
        )
    return records


def iso_time(mjd: float) -> str:
    """Write a Modified Julian date [d] as ESO does: 2006-07-05T03:52:40.071."""
    day = np.datetime64("1858-11-17T00:00:00.000", "ms")
    return str(day + np.timedelta64(round(mjd * 1000.0 * SECONDS_PER_DAY), "ms"))


def mjd_after(record: Record, fraction: float) -> float:
    """Date [d] at which a fraction of an exposure is over, rounded to a millisecond."""
    return round(record.mjd + fraction * record.exptime / SECONDS_PER_DAY, 8)


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _dp_id(seed: int, star_number: int, visit: int, milliseconds: int) -> str:
    start = int(_stream(seed).integers(ARCHIVE_SPAN))
    seconds = start + star_number * SECONDS_PER_STAR + visit
    time = ARCHIVE_START + np.timedelta64(1000 * seconds + milliseconds, "ms")
    return f"ADP.{time}"
