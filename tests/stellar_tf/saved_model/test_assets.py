from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.config import Config
from stellar_tf.flags import Flag
from stellar_tf.saved_model.assets import (
    DIMENSIONS_FILE,
    FLAGS_FILE,
    read_informative,
    read_settings,
    write_assets,
)
from tests.stellar_tf.analysis.planted import (
    INFORMATIVE,
    N_LATENT,
    RV,
    TEFF,
    UNEXPLAINED,
)
from tests.stellar_tf.settings import with_settings


def test_dimensions_are_in_the_order_of_the_code(
    result: AnalysisResult, config: Config, tmp_path: Path
) -> None:
    config = with_settings(config, model={"n_latent": N_LATENT})
    maps = {found.dimension: found for found in result.unit_maps}
    described = describe_dimensions(result.verdict_table)
    write_assets(config, described, maps, tmp_path)
    dimensions = json.loads((tmp_path / DIMENSIONS_FILE).read_text())
    assert [d["index"] for d in dimensions] == list(range(N_LATENT))
    assert tuple(d["index"] for d in dimensions if d["informative"]) == INFORMATIVE
    assert read_informative(tmp_path) == [d for d in dimensions if d["informative"]]
    teff, unexplained = dimensions[TEFF], dimensions[UNEXPLAINED]
    assert teff["title"] == f"z{TEFF}: follows teff"
    row = result.verdict_table[result.verdict_table["dimension"] == TEFF][0]
    assert teff["tracks_mi"] == row["tracks_mi"]
    assert teff["information"] == row["information"]
    assert unexplained["tracks"] is None
    assert unexplained["tracks_mi"] is None
    assert unexplained["unit_map"] is None
    written, rv = dimensions[RV]["unit_map"], maps[RV]
    assert (written["name"], written["unit"]) == ("radial velocity", "km/s")
    np.testing.assert_allclose(written["z"], rv.z, rtol=1e-5)
    np.testing.assert_allclose(written["value"], rv.value, rtol=1e-5)
    assert written["error"] == rv.error
    assert written["width"] == rv.width


def test_without_analysis_dimensions_have_names_only(
    config: Config, tmp_path: Path
) -> None:
    write_assets(config, (), {}, tmp_path)
    dimensions = json.loads((tmp_path / DIMENSIONS_FILE).read_text())
    assert [d["name"] for d in dimensions] == ["z0", "z1", "z2", "z3"]
    assert {d["informative"] for d in dimensions} == {None}
    assert {d["unit_map"] for d in dimensions} == {None}
    assert read_informative(tmp_path) == read_informative(tmp_path / "none") == []


def test_grid_and_flags(config: Config, tmp_path: Path) -> None:
    write_assets(config, (), {}, tmp_path)
    settings = read_settings(tmp_path)
    assert settings["grid"] == config.grid.model_dump()
    assert settings["convert"] == config.convert.model_dump(mode="json")
    flags = json.loads((tmp_path / FLAGS_FILE).read_text(encoding="utf-8"))
    assert {flag["name"]: flag["bit"] for flag in flags} == Flag.__members__
    assert all(flag["meaning"] for flag in flags)
