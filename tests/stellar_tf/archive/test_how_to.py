"""The offline code of docs/archive.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table, vstack
from numpy.typing import NDArray

PAGE = Path(__file__).parents[3] / "docs" / "archive.md"
BLOCK = re.compile(r"(<!-- online -->\n)?```python\n(.*?)```", re.DOTALL)
DAYS_PER_YEAR = 365.25
MJD_OF_2016 = 57388.5 - 69.184 / 86400  # TCB runs ahead of UTC
DEGREE = np.pi / 180.0
N_STARS = 12


def to_vector(ra: Any, dec: Any) -> NDArray[np.float64]:
    ra, dec = np.asarray(ra) * DEGREE, np.asarray(dec) * DEGREE
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def move(catalogue: Table, years: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions after a motion along a straight line, by vectors [deg]."""
    ra, dec = np.asarray(catalogue["ra"]), np.asarray(catalogue["dec"])
    east = to_vector(ra + 90.0, 0.0 * dec)
    north = to_vector(ra, dec + 90.0)
    mas = DEGREE / 3.6e6
    position = to_vector(ra, dec) + years * mas * (
        np.asarray(catalogue["pmra"]) * east + np.asarray(catalogue["pmdec"]) * north
    )
    x, y, z = position / np.linalg.norm(position, axis=0)
    return np.stack([np.arctan2(y, x) / DEGREE % 360.0, np.arcsin(z) / DEGREE])


@pytest.fixture
def catalogue() -> Table:
    """The stars at 2016.0, among them some as fast as Barnard's."""
    rng = np.random.default_rng(0)
    speed = np.linspace(0.0, 10_000.0, N_STARS)
    angle = rng.uniform(0.0, 2.0 * np.pi, N_STARS)
    return Table(
        {
            "star": [f"HD{i}" for i in range(N_STARS)],
            "source_id": np.arange(N_STARS),
            "ra": rng.uniform(0.0, 360.0, N_STARS),
            "dec": rng.uniform(-80.0, 80.0, N_STARS),
            "pmra": speed * np.cos(angle),
            "pmdec": speed * np.sin(angle),
            "bp_rp": rng.uniform(0.5, 3.0, N_STARS),
        }
    )


def run_page(names: dict[str, Any]) -> dict[str, Any]:
    text = PAGE.read_text().split("## Join the latents to a HATS catalogue")[0]
    blocks = [code for online, code in BLOCK.findall(text) if not online]
    assert len(blocks) == 2
    for code in blocks:
        exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_stars_are_found_where_they_were_at_the_time(
    catalogue: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mjd = np.linspace(53_000.0, 59_000.0, N_STARS)[::-1]
    ra, dec = move(catalogue, (mjd - MJD_OF_2016) / DAYS_PER_YEAR)
    latents = Table(
        {
            "dp_id": [f"ADP.{i}" for i in range(N_STARS)], "star": catalogue["star"],
            "ra": ra, "dec": dec + 1.0 / 3600.0, "mjd": mjd,
        }
    )  # fmt: skip
    latents["ra"].unit = latents["dec"].unit = "deg"
    (tmp_path / "run").mkdir()
    latents.write("run/latents.parquet")
    # Where each star is pointed at, stands another one that does not move; and
    # where the fast ones will be in 2016, a third.
    decoys = catalogue.copy()
    decoys["source_id"] += 100
    decoys["ra"], decoys["dec"] = ra, dec + 4.0 / 3600.0
    decoys["pmra"] = decoys["pmdec"] = 0.0
    later = catalogue[N_STARS // 2 :].copy()
    later["source_id"] += 200
    later["pmra"] = later["pmdec"] = 0.0
    candidates = vstack([later, decoys, catalogue])
    names = run_page({"candidates": candidates})
    matched = names["matched"]
    assert list(matched["source_id"]) == [
        catalogue["source_id"][list(catalogue["star"]).index(star)]
        for star in matched["star"]
    ]
    assert len(matched) == N_STARS
    np.testing.assert_allclose(matched["separation"], 1.0, atol=2e-3)
    labels = Table.read("labels.ecsv")
    assert set(labels["dp_id"]) == set(latents["dp_id"])
    wrong_epoch = names["match"](names["stars"], candidates, 2000.0)
    assert list(wrong_epoch["source_id"]) != list(matched["source_id"])
