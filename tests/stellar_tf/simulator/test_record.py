from __future__ import annotations

import re

from astropy.time import Time

from stellar_tf.config import SimulateConfig
from stellar_tf.simulator.record import draw_records, iso_time, mjd_after


def test_names_are_unique_and_like_those_of_the_archive() -> None:
    config = SimulateConfig(n_visits=3)
    records = [r for star in range(200) for r in draw_records(config, 0, star)]
    names = {record.dp_id for record in records}
    assert len(names) == 600
    pattern = re.compile(r"ADP\.\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}")
    assert all(pattern.fullmatch(name) for name in names)
    others = {draw_records(config, 1, star)[0].dp_id for star in range(200)}
    assert not names & others


def test_visits_share_the_star_but_not_the_exposure() -> None:
    first, second = draw_records(SimulateConfig(n_visits=2), 3, 5)
    assert first.star == second.star
    assert (first.target, first.ra, first.dec) == (second.target, second.ra, second.dec)
    assert first.exposure != second.exposure
    assert first.mjd != second.mjd


def test_first_visits_do_not_depend_on_their_number() -> None:
    few = draw_records(SimulateConfig(n_visits=2), 0, 7)
    many = draw_records(SimulateConfig(n_visits=5), 0, 7)
    assert [record[:-1] for record in many[:2]] == [record[:-1] for record in few]


def test_dates_equal_astropys() -> None:
    assert iso_time(53921.1615749) == Time(53921.1615749, format="mjd").isot
    (record,) = draw_records(SimulateConfig(), 0, 0)
    assert mjd_after(record, 0.0) == record.mjd
    assert (mjd_after(record, 1.0) - record.mjd) * 86_400.0 - record.exptime < 1e-3
