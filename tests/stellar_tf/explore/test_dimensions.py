from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.files import list_tables, write_named
from stellar_tf.explore.dimensions import (
    N_WITHOUT_VERDICT,
    ExploreError,
    read_dimensions,
)
from tests.stellar_tf.analysis.planted import RV, TEFF, UNEXPLAINED, plant_latents
from tests.stellar_tf.explore.conftest import FAST


@pytest.fixture(scope="module")
def latents() -> Table:
    return plant_latents()


@pytest.fixture(scope="module")
def result(latents: Table) -> AnalysisResult:
    return analyze(latents, FAST)


@pytest.fixture(scope="module")
def verdict(result: AnalysisResult) -> Table:
    return result.verdict_table


def write(verdict: Table, folder: Path) -> Path:
    folder.mkdir()
    verdict.write(folder / "verdict.ecsv", format="ascii.ecsv")
    return folder


def test_dimensions_are_named_by_what_they_track(
    latents: Table, verdict: Table, tmp_path: Path
) -> None:
    z_mean = np.asarray(latents["z_mean"])
    found = read_dimensions(write(verdict, tmp_path / "analysis"), z_mean)
    by_index = {dimension.index: dimension for dimension in found}
    assert [d.information for d in found] == sorted(
        (d.information for d in found), reverse=True
    )
    (row,) = verdict[verdict["dimension"] == RV]
    assert by_index[RV].title == f"z{RV} rv (MI {row['tracks_mi']:.2f} nat)"
    assert by_index[TEFF].name == f"z{TEFF} teff"
    nameless = by_index[UNEXPLAINED]
    (row,) = verdict[verdict["dimension"] == UNEXPLAINED]
    assert nameless.title == (
        f"z{UNEXPLAINED} (no label; {row['information']:.2f} nat)"
    )
    assert (nameless.low, nameless.high) == (
        z_mean[:, UNEXPLAINED].min(),
        z_mean[:, UNEXPLAINED].max(),
    )


def test_dimensions_know_what_their_values_mean(
    latents: Table, result: AnalysisResult, verdict: Table, tmp_path: Path
) -> None:
    z_mean = np.asarray(latents["z_mean"])
    write_named(list_tables(result), tmp_path / "analysis")
    found = read_dimensions(tmp_path / "analysis", z_mean)
    words = {d.index: d.unit_map.describe(0.3, 0.1) for d in found if d.unit_map}
    assert RV in words
    assert words == {m.dimension: m.describe(0.3, 0.1) for m in result.unit_maps}
    # They can still be told apart and be keys.
    assert len(set(found)) == len(found)
    without = read_dimensions(write(verdict, tmp_path / "without"), z_mean)
    assert {d.unit_map for d in without} == {None}


def test_without_informative_dimensions_the_nearest_are_shown(
    latents: Table, verdict: Table, tmp_path: Path
) -> None:
    poor = verdict.copy()
    poor["informative"] = False
    poor["tracks"] = ""
    z_mean = np.asarray(latents["z_mean"])
    found = read_dimensions(write(poor, tmp_path / "analysis"), z_mean)
    assert len(found) == N_WITHOUT_VERDICT
    assert found[0].index == verdict["dimension"][0]
    assert found[0].title.endswith("(not informative)")


def test_what_has_to_be_run_first(
    latents: Table, verdict: Table, tmp_path: Path
) -> None:
    z_mean = np.asarray(latents["z_mean"])
    with pytest.raises(ExploreError, match=f"stellar-tf analyze {tmp_path} first"):
        read_dimensions(tmp_path / "analysis", z_mean)
    folder = write(verdict[:3], tmp_path / "analysis")
    with pytest.raises(ExploreError, match="is about 3 dimensions, the latents have"):
        read_dimensions(folder, z_mean)
