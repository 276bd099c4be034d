from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.columns import LatentsError
from stellar_tf.analysis.neighbours.retrieval import find_similar
from stellar_tf.tables import TableError

N_SPECTRA = 60


@pytest.fixture
def latents() -> Table:
    rng = np.random.default_rng(0)
    z_mean = rng.normal(size=(N_SPECTRA, 3)) * (1.0, 5.0, 100.0)
    names = [f"ADP.{i}" for i in range(N_SPECTRA)]
    return Table({"dp_id": names, "star": names, "z_mean": z_mean, "rv": z_mean[:, 1]})


def verdict(*informative: int) -> Table:
    """Dimension 1 follows rv; the others follow nothing."""
    table = Table({"dimension": [0, 1, 2], "kind": ["stellar"] * 3})
    table["informative"] = [i in informative for i in range(3)]
    table["independent"] = table["informative"]
    table["tracks"], table["repeats"] = ["", "rv", ""], ["", "", ""]
    for name in (
        *("information", "information_low", "information_high"),
        *("tracks_mi", "tracks_spearman", "width_scale"),
    ):
        table[name] = 1.0
    return table


def test_a_verdict_of_another_version_is_refused(latents: Table) -> None:
    old = verdict(0)
    old.remove_column("repeats")
    with pytest.raises(TableError, match=r"no column repeats.*overwrite=True"):
        find_similar(latents, old, np.zeros(3), 1)


def test_neighbours_are_those_of_a_sort_by_distance(latents: Table) -> None:
    chosen = np.asarray(latents["z_mean"])[:, :2]
    here = np.array([0.3, -2.0, 1e6])
    distance = np.linalg.norm((chosen - here[:2]) / chosen.std(axis=0), axis=1)
    order = np.argsort(distance)[:7]
    found = find_similar(latents, verdict(0, 1), here, 7).neighbours
    assert found.colnames == ["dp_id", "star", "distance", "rv"]
    assert list(found["dp_id"]) == [f"ADP.{i}" for i in order]
    np.testing.assert_allclose(found["distance"], distance[order])
    np.testing.assert_array_equal(found["rv"], latents["rv"][order])


def test_a_spectrum_is_not_its_own_neighbour(latents: Table) -> None:
    here = np.asarray(latents["z_mean"])[5]
    known = find_similar(latents, verdict(1), here, N_SPECTRA, dp_id="ADP.5")
    assert sorted(known.neighbours["dp_id"]) == sorted(
        name for name in latents["dp_id"] if name != "ADP.5"
    )
    stranger = find_similar(latents, verdict(1), here, 1)
    assert stranger.neighbours["dp_id"][0] == "ADP.5"


def test_far_away_it_is_an_outlier(latents: Table) -> None:
    centre = find_similar(latents, verdict(0, 1), np.zeros(3), 1).outlier_score
    outside = find_similar(latents, verdict(0, 1), np.full(3, 40.0), 1).outlier_score
    assert centre < 1.5 < 3.0 < outside


def test_without_informative_dimensions_nothing_is_alike(latents: Table) -> None:
    with pytest.raises(LatentsError, match="no dimension is informative"):
        find_similar(latents, verdict(), np.zeros(3), 1)
