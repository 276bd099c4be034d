from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.codes_alone import CodesResult, analyze_codes
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import AIRMASS, RV, plant_latents

FAST = AnalysisConfig(n_resamples=50, n_subsamples=20, n_permutations=2_000)
LATENTS = plant_latents(n_stars=250)
LABELS = LATENTS["target", "rv", "airmass", "spectral_type"]


@pytest.fixture(scope="module")
def result() -> CodesResult:
    return analyze_codes(np.asarray(LATENTS["z_mean"]), LABELS, FAST)


def test_one_spectrum_of_each_star_is_used(result: CodesResult) -> None:
    assert (result.n_spectra, result.n_stars) == (500, 250)
    assert set(result.association_table["n_stars"]) == {250}


def test_the_dispersion_is_the_papers_and_claims_no_more(result: CodesResult) -> None:
    table = result.dispersion_table
    dispersed = set(table["dimension"][table["mad_informative"]])
    assert dispersed == {0, 3, 5, 7, 9}
    assert not {"informative", "ks_q_value", "information"} & set(table.colnames)


def test_dimensions_are_tied_to_labels(result: CodesResult) -> None:
    table = result.dispersion_table
    tracks = dict(zip(table["dimension"], table["tracks"], strict=True))
    assert tracks[RV] == "rv"
    assert tracks[AIRMASS] == "airmass"
    cells = result.association_table
    quiet = cells[(cells["dimension"] == 1) & (cells["label"] == "rv")][0]
    assert not quiet["significant"]


def test_without_labels_there_is_dispersion_alone() -> None:
    found = analyze_codes(np.asarray(LATENTS["z_mean"]), None, FAST)
    assert found.n_stars == 500
    assert len(found.association_table) == 0
    assert found.dispersion_table["mad_informative"].sum() == 5


@pytest.mark.parametrize(
    ("codes", "labels", "message"),
    [
        (np.zeros(30), None, r"shape \(n_spectra, n_latent\), got float64 of shape"),
        (np.zeros((30, 2), int), None, "array of floats"),
        (np.full((30, 2), np.nan), None, "must be finite"),
        (np.zeros((19, 2)), None, "must be of 20 stars, got 19"),
        (np.zeros((30, 2)), Table({"rv": np.zeros(29)}), "each of the 30 codes"),
    ],
)
def test_bad_input_is_told(
    codes: np.ndarray, labels: Table | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        analyze_codes(codes, labels, FAST)
