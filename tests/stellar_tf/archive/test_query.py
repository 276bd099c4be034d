from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from stellar_tf.archive.errors import ArchiveError
from stellar_tf.archive.query import Cone, Criteria, build_adql, quote
from tests.stellar_tf.archive.eso_server import EsoServer

LITERAL = re.compile(r"'(?:[^']|'')*'")
NAMES = st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip())


@given(NAMES)
def test_any_name_is_one_literal_and_that_name(name: str) -> None:
    # Another implementation of the same literals.
    (value,) = sqlite3.connect(":memory:").execute(f"SELECT {quote(name)}").fetchone()
    assert value == name


@given(st.lists(NAMES, min_size=1, max_size=3), NAMES, NAMES, NAMES)
def test_names_change_nothing_but_literals(
    targets: list[str], program: str, instrument: str, after: str
) -> None:
    def shape(*texts: str) -> str:
        criteria = Criteria(texts[0], texts[3:], texts[1])
        return LITERAL.sub("?", build_adql(criteria, 10, texts[2]))

    plain = shape(*["x"] * (3 + len(targets)))
    assert shape(instrument, program, after, *targets) == plain
    assert "'" not in plain


@given(st.floats(0.0, 1e6))
def test_numbers_are_exact_and_without_exponent(snr: float) -> None:
    found = re.search(r"snr >= (\S+)", build_adql(Criteria(min_snr=snr), 10))
    assert found
    assert re.fullmatch(r"\d+\.\d+", found[1])
    assert float(found[1]) == snr


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "a\x1b[31m"])
def test_no_name(name: str) -> None:
    with pytest.raises(ArchiveError, match="a name must be of printable characters"):
        quote(name)


CRITERIA: list[tuple[Criteria, Callable[[dict[str, Any]], bool]]] = [
    (Criteria(), lambda row: True),
    (Criteria(instrument="HARPS"), lambda row: True),
    (Criteria(instrument="UVES"), lambda row: False),
    (Criteria(program="072.C-0481(E)"), lambda row: "481" in row["proposal_id"]),
    (Criteria(min_snr=50.0), lambda row: (row["snr"] or 0.0) >= 50.0),
    (Criteria(since=54_000.0), lambda row: row["t_min"] >= 54_000.0),
    (Criteria(until=54_000.0), lambda row: row["t_min"] <= 54_000.0),
]


@pytest.mark.parametrize(("criteria", "fits"), CRITERIA)
def test_criteria_choose_what_python_chooses(
    criteria: Criteria, fits: Callable[[dict[str, Any]], bool], server: EsoServer
) -> None:
    spectra = [row for row in server.rows if row["dataproduct_type"] == "spectrum"]
    table, _ = server.query(build_adql(criteria, 100), 100)
    assert list(table["dp_id"]) == sorted(r["dp_id"] for r in spectra if fits(r))


def test_targets_and_cone_choose_what_astropy_chooses(server: EsoServer) -> None:
    rows = [row for row in server.rows if row["dataproduct_type"] == "spectrum"]
    targets = (rows[0]["target_name"], rows[-1]["target_name"])
    table, _ = server.query(build_adql(Criteria(targets=targets), 100), 100)
    assert set(table["target_name"]) == set(targets)

    positions = SkyCoord(
        [r["s_ra"] for r in rows], [r["s_dec"] for r in rows], unit="deg"
    )
    separations = positions[0].separation(positions)
    radius = float(sorted(separations.deg)[len(rows) // 2]) + 0.01
    cone = Cone(rows[0]["s_ra"], rows[0]["s_dec"], min(radius, 10.0))
    table, _ = server.query(build_adql(Criteria(cone=cone), 100), 100)
    inside = separations <= (cone.radius + 0.0002) * u.deg
    assert 0 < len(table) < len(rows)
    expected = [r["dp_id"] for r, is_in in zip(rows, inside, strict=True) if is_in]
    assert list(table["dp_id"]) == sorted(expected)


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (Criteria(cone=Cone(361.0, 0.0, 0.1)), "ra must be from 0 to 360"),
        (Criteria(cone=Cone(10.0, -91.0, 0.1)), "dec must be from -90 to 90"),
        (Criteria(cone=Cone(10.0, 0.0, 0.0)), "radius must be above 0"),
        (Criteria(cone=Cone(float("nan"), 0.0, 0.1)), "ra must be from 0 to 360"),
        (Criteria(min_snr=float("inf")), "a number must be finite, got inf"),
    ],
)
def test_no_query(criteria: Criteria, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        build_adql(criteria, 10)
