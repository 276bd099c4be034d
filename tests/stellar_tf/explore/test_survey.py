from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.config import AnalysisConfig
from stellar_tf.explore.dimensions import MovableDimension
from stellar_tf.explore.survey import Survey
from tests.stellar_tf.analysis.planted import RV, TEFF, plant_latents


@pytest.fixture(scope="module")
def survey() -> Survey:
    latents = plant_latents(n_stars=60)
    latents["constant"] = 1.0
    dimensions = [
        MovableDimension(
            *(index, True, True, "", "stellar", 1.0, 0.9, 1.1, "", np.nan, np.nan),
            low=-1.0,
            high=1.0,
        )
        for index in (RV, TEFF)
    ]
    return Survey(latents, dimensions, AnalysisConfig())


def test_spectra_are_found_by_star_and_identifier(survey: Survey) -> None:
    rows = survey.find("hd 17")
    assert set(survey.star[rows]) == {"HD17"}
    assert len(rows) == 2
    dp_id = str(survey.dp_id[5])
    assert survey.find(dp_id[-6:].lower()).tolist() == [5]
    assert survey.find_row(dp_id) == 5
    assert len(survey.find("")) == len(survey) == 120
    assert survey.find("Vega").size == 0
    assert survey.find_row("Vega") is None
    assert survey.n_stars == 60


def test_names_that_begin_so_come_first(survey: Survey) -> None:
    stars = list(survey.star[survey.find("HD1")])
    assert stars[0].startswith("HD1")
    # Identifiers hold digits too, so that a later part may fit as well.
    first = [star.startswith("HD1") for star in stars]
    assert first == sorted(first, reverse=True)


def test_neighbours_are_other_spectra_in_order_of_distance(survey: Survey) -> None:
    near = survey.find_neighbours(survey.z_mean[7], 5, without=7)
    z = survey.z_mean[:, [RV, TEFF]].astype(float)
    distance = np.linalg.norm((z - z[7]) / z.std(axis=0), axis=1)
    expected = np.argsort(distance)[1:6]
    assert [n.row for n in near] == expected.tolist()
    np.testing.assert_allclose([n.distance for n in near], distance[expected])
    assert len(survey.find_neighbours(survey.z_mean[7], 5, without=None)) == 5


def test_what_is_pointed_at_is_nearest_on_the_screen(survey: Survey) -> None:
    point = survey.z_mean[9, [RV, TEFF]].astype(float) + np.array([0.001, -0.001])
    assert survey.nearest_in_plane(tuple(point), (RV, TEFF), (4.0, 4.0)) == 9
    # On a screen where one axis is squeezed the same point may be nearer to another.
    z = survey.z_mean[:, [RV, TEFF]]
    squeezed = survey.nearest_in_plane((5.0, float(z[3, 1])), (RV, TEFF), (1e6, 1.0))
    assert z[squeezed, 1] == pytest.approx(z[3, 1], abs=1e-6)


def test_an_outlier_is_told_from_the_crowd(survey: Survey) -> None:
    far = survey.z_mean[0].copy()
    far[[RV, TEFF]] = 8.0
    outlier = survey.score_outlier(far, None)
    assert outlier.score > 2.0
    assert outlier.share == 1.0
    most = int(survey.most_unusual[0])
    assert survey.score_outlier(survey.z_mean[most], most).share == pytest.approx(
        119 / 120
    )


def test_a_copy_has_identifier_and_code(survey: Survey) -> None:
    dp_id, z_mean = str(survey.dp_id[4]), survey.z_mean[4]
    assert survey.find_copy(dp_id, z_mean + np.float32(1e-5)) == 4
    assert survey.find_copy(dp_id, z_mean + np.float32(0.1)) is None
    assert survey.find_copy("Vega", z_mean) is None


def test_labels_that_say_nothing_are_left_out(survey: Survey) -> None:
    assert "constant" not in survey.labels
    assert "exptime" not in survey.labels  # 600 s everywhere
    assert {"rv", "teff", "spectral_type"} <= set(survey.labels)
    assert survey.units["teff"] == "K"
    assert survey.units["rv"] == "km / s"
    assert survey.units["mjd"] == "d"  # which the table does not say
