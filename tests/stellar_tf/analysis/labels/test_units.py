from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.labels.units import (
    UnitMap,
    _fit,
    list_unit_maps,
    name_label,
    unit_map_table,
)
from stellar_tf.analysis.latents import HELD_OUT, Codes
from tests.stellar_tf.analysis.planted import AIRMASS, LOGG, RV, TEFF, UNEXPLAINED


def test_dimensions_that_follow_a_label_are_told_in_its_unit(
    result: AnalysisResult,
) -> None:
    maps = {found.dimension: found for found in result.unit_maps}
    assert {RV, AIRMASS} <= set(maps)
    assert UNEXPLAINED not in maps
    rv = maps[RV]
    # Planted: z = 1.2 tanh(rv / 40) with a scatter of 0.02 and a width of 0.1.
    slope = 40.0 / 1.2
    assert np.interp(0.6, rv.z, rv.value) == pytest.approx(40 * np.arctanh(0.5), abs=2)
    # The slope is larger where the planted dimension saturates.
    assert 0.674 * 0.02 * slope < rv.error < 3.0 * 0.674 * 0.02 * slope
    assert 0.1 * slope < rv.width < 3.0 * 0.1 * slope
    assert rv.n_held_out == result.n_held_out
    assert np.all(np.diff(rv.value) >= 0.0)
    rows = {row["dimension"]: row for row in result.verdict_table}
    assert rows[RV]["tracks_error"] == rv.error
    assert rows[RV]["tracks_width"] == rv.width
    assert np.isnan(rows[UNEXPLAINED]["tracks_error"])


def test_words_have_name_unit_and_interval() -> None:
    falling = UnitMap(
        3, "teff", np.array([-1.0, 1.0]), np.array([6e3, 4e3]), 9.0, 99, 1
    )
    assert falling.describe(0.0) == "T_eff about 5000 K"
    assert falling.describe(0.0, 0.1) == "T_eff about 5000 K (68 %: 4900 to 5100)"
    assert falling.describe(9.0) == "T_eff about 4000 K"
    assert name_label("mh") == ("[M/H]", "dex")
    assert name_label("colour") == ("colour", "")
    plain = falling._replace(label="colour")
    assert plain.describe(0.0) == "colour about 5000"


def test_table_holds_every_knot(result: AnalysisResult) -> None:
    table = unit_map_table(list(result.unit_maps))
    assert set(table["dimension"]) <= {RV, TEFF, LOGG, AIRMASS}
    rv = next(found for found in result.unit_maps if found.dimension == RV)
    rows = table[table["dimension"] == RV]
    np.testing.assert_array_equal(rows["z"], rv.z)
    np.testing.assert_array_equal(rows["value"], rv.value)
    assert len(unit_map_table([])) == 0


def test_digits_are_those_that_the_width_bears() -> None:
    rv = UnitMap(6, "rv", np.array([-1.0, 1.0]), np.array([-20.0, 20.0]), 0.4, 80, 0.06)
    assert rv.describe(-0.6013, 0.005) == (
        "radial velocity about -12.0 km/s (68 %: -12.1 to -11.9)"
    )
    assert rv.describe(-0.6013) == "radial velocity about -12.03 km/s"
    assert rv.describe(-1e-6) == "radial velocity about 0.00 km/s"
    # Beyond the ends the map is flat, and its median width decides.
    assert rv.describe(2.0, 0.1) == (
        "radial velocity about 20.00 km/s (68 %: 20.00 to 20.00)"
    )
    assert (
        rv._replace(width=0.0).describe(-0.6013) == "radial velocity about -12.03 km/s"
    )


def test_widths_are_those_of_the_slope_where_stars_scatter() -> None:
    rng = np.random.default_rng(3)
    n_stars, width = 3000, 0.01
    z = rng.standard_normal((n_stars, 1))
    teff = 5500.0 - 400.0 * z[:, 0] + 150.0 * rng.standard_normal(n_stars)
    name = np.array([f"HD{i}" for i in range(n_stars)])
    split = np.where(np.arange(n_stars) % 5, "train", HELD_OUT)
    log_var = np.full_like(z, 2.0 * np.log(width))
    stars = Codes(name, name, split, z, log_var, {"teff": teff})
    found = _fit(stars, 0, "teff")
    assert found is not None
    # Of single steps the median width is far smaller, or 0.
    assert found.width == pytest.approx(400.0 * width, rel=0.3)
    assert found.error == pytest.approx(0.6745 * 150.0, rel=0.1)
    assert np.interp(0.5, found.z, found.value) == pytest.approx(5300.0, abs=40.0)


def test_quality_in_words() -> None:
    rv = UnitMap(6, "rv", np.zeros(1), np.zeros(1), 0.412, 1080, 0.06)
    assert rv.describe_quality() == (
        "wrong by 0.41 km/s (median of 1,080 held-out stars); "
        "posteriors are 0.06 km/s wide"
    )
    few = rv._replace(label="colour", error=np.nan)
    assert few.describe_quality() == "posteriors are 0.06 wide"


def test_maps_come_back_from_their_table(result: AnalysisResult) -> None:
    found = list_unit_maps(unit_map_table(list(result.unit_maps)))
    assert list(found) == sorted(expected.dimension for expected in result.unit_maps)
    for expected in result.unit_maps:
        for back, value in zip(found[expected.dimension], expected, strict=True):
            np.testing.assert_array_equal(back, value)
