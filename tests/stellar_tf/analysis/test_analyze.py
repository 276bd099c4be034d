from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from stellar_tf.analysis.analyze import AnalysisResult, analyze
from stellar_tf.analysis.dimensions import describe_dimensions
from stellar_tf.config import AnalysisConfig
from stellar_tf.report.captions import describe_verdict
from tests.stellar_tf.analysis.planted import (
    AIRMASS,
    INFORMATIVE,
    RV,
    TEFF,
    UNEXPLAINED,
    plant_latents,
)

FAST = AnalysisConfig(n_resamples=40, n_subsamples=20, n_permutations=500)


def test_finds_the_planted_dimensions_and_no_other(result: AnalysisResult) -> None:
    assert tuple(result.verdict.dimensions) == INFORMATIVE
    verdict = result.verdict
    assert verdict.n_low <= verdict.n_informative == 5 <= verdict.n_high
    assert result.n_factors == 4


def test_says_what_each_dimension_is(result: AnalysisResult) -> None:
    rows = {row["dimension"]: row for row in result.verdict_table}
    assert rows[RV]["tracks"] == "rv"
    assert rows[TEFF]["tracks"] == "teff"
    assert rows[TEFF]["tracks_spearman"] < -0.99
    assert rows[AIRMASS]["tracks"] == "airmass"
    assert rows[UNEXPLAINED]["tracks"] == ""
    assert np.isnan(rows[UNEXPLAINED]["tracks_mi"])
    assert rows[AIRMASS]["kind"] == "observational"
    assert rows[RV]["kind"] == rows[UNEXPLAINED]["kind"] == "stellar"
    assert rows[1]["kind"] == "uninformative"


def test_blocks_of_a_training_on_visits_are_told(
    latents: Table, result: AnalysisResult
) -> None:
    blocks = ("stellar",) * AIRMASS + ("observational",) * (result.n_latent - AIRMASS)
    found = analyze(latents, FAST, blocks=blocks)
    of_dimension = dict(
        zip(found.verdict_table["dimension"], found.verdict_table["block"], strict=True)
    )
    assert tuple(of_dimension[i] for i in range(found.n_latent)) == blocks
    # The observational block is meant to know of the exposure.
    assert found.leakage.total == found.leakage.total_high == 0.0
    np.testing.assert_allclose(found.leakage.mi, result.leakage.mi, atol=1e-3)
    swapped = tuple({"stellar": "observational"}.get(b, "stellar") for b in blocks)
    leaking = analyze(latents, FAST, blocks=swapped)
    assert leaking.leakage.total == pytest.approx(result.leakage.total, abs=1e-3)
    sentences = describe_verdict(found)
    assert any("first 7 dimensions are the stellar block" in s for s in sentences)
    assert (
        f"In the observational block, z{UNEXPLAINED} describes the star all the same."
        in sentences
    )
    assert (
        f"In the stellar block, z{AIRMASS} describes the observation all the same."
        in describe_verdict(leaking)
    )
    assert set(result.verdict_table["block"]) == {""}


def test_what_no_label_explains_is_laid_out(result: AnalysisResult) -> None:
    assert result.unexplained.tolist() == [UNEXPLAINED]
    ends = result.extremes
    assert set(ends["dimension"]) == {UNEXPLAINED}
    assert ends["z"][ends["end"] == "high"].min() > 1.0
    assert ends["z"][ends["end"] == "low"].max() < -1.0
    assert set(result.unusual["dimension"]) <= set(INFORMATIVE)


def test_a_category_that_repeats_a_label_says_nothing_more(
    result: AnalysisResult,
) -> None:
    cells = result.association_table
    cell = cells[(cells["dimension"] == TEFF) & (cells["label"] == "spectral_type")][0]
    assert cell["significant"]
    assert np.isnan(cell["spearman"])
    given = result.conditional_table
    assert not given["significant"].any()


def test_held_out_correlation_is_of_test_stars_only(
    result: AnalysisResult, latents: Table
) -> None:
    row = result.label_table[result.label_table["label"] == "rv"][0]
    stars = result.stars[result.stars["split"] == "test"]
    assert row["n_held_out"] == result.n_held_out == len(stars)
    expected = stats.spearmanr(stars["z_mean"][:, RV], stars["rv"]).statistic
    assert row["spearman_held_out"] == pytest.approx(expected)
    assert row["spearman_held_out_low"] <= expected <= row["spearman_held_out_high"]
    assert row["spearman_dimension"] == RV


def test_same_seed_same_numbers(latents: Table) -> None:
    first, second = (analyze(latents, FAST) for _ in range(2))
    for name in first.verdict_table.colnames:
        np.testing.assert_array_equal(
            first.verdict_table[name], second.verdict_table[name]
        )


def test_only_the_configured_splits_are_used(latents: Table) -> None:
    config = FAST.model_copy(update={"splits": ("train",)})
    result = analyze(latents, config)
    n_train = len(set(latents["star"][latents["split"] == "train"]))
    assert result.n_stars == n_train
    assert set(result.stars["split"]) == {"train", "validation", "test"}
    assert (result.stars["entered"] == (result.stars["split"] == "train")).all()


def test_noise_alone_has_no_informative_dimension() -> None:
    latents = plant_latents(n_stars=200)
    rng = np.random.default_rng(0)
    latents["z_mean"] = rng.normal(0.0, 0.02, latents["z_mean"].shape)
    latents["z_log_var"] = np.zeros(latents["z_mean"].shape)
    result = analyze(latents, FAST, factors=("rv", "teff"))
    assert result.verdict.n_informative == result.verdict.n_high == 0
    assert result.associations.mi.shape == (0, 8)
    assert (result.label_table["spearman_dimension"] == -1).all()


def test_one_dimension_and_no_labels() -> None:
    latents = plant_latents(n_stars=100)["dp_id", "star", "split", "z_mean"]
    latents["z_log_var"] = np.full((len(latents), 1), -3.0)
    latents["z_mean"] = latents["z_mean"][:, :1]
    result = analyze(latents, FAST)
    assert result.verdict.n_informative == 1
    assert result.disentanglement is None
    assert result.n_factors is None
    assert len(result.association_table) == len(result.label_table) == 0


def test_too_few_stars_is_an_error() -> None:
    latents = plant_latents(n_stars=12)
    message = "at least 20 stars of splits train, validation, test, got 12"
    with pytest.raises(ValueError, match=message):
        analyze(latents, FAST)


def test_analysis_and_report_do_not_import_tensorflow() -> None:
    import subprocess

    code = (
        "import sys, stellar_tf.report.write, stellar_tf.analysis.files\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_no_label_tells_more_than_its_dimension_carries(result: AnalysisResult) -> None:
    carried = dict(
        zip(
            result.verdict_table["dimension"],
            result.verdict_table["information_high"],
            strict=True,
        )
    )
    for cell in result.association_table:
        assert cell["mi_low"] <= carried[cell["dimension"]]
    logg = result.association_table[result.association_table["label"] == "logg"]
    best = logg[np.argmax(logg["mi"])]
    assert best["mi"] < best["mi_mean"]


def test_a_weak_copy_is_informative_but_not_counted(latents: Table) -> None:
    copied = latents.copy()
    teff = np.asarray(copied["z_mean"])[:, TEFF]
    copied["z_mean"][:, 1] = 0.8 * np.tanh(teff)
    copied["z_log_var"][:, 1] = np.log(0.4)
    result = analyze(copied, FAST)
    assert result.verdict.n_informative == 6
    assert result.independence.n_independent == 5
    rows = {row["dimension"]: row for row in result.verdict_table}
    assert rows[1]["informative"]
    assert not rows[1]["independent"]
    assert rows[1]["repeats"] == f"z{TEFF}"
    assert rows[1]["added_low"] < 0.05 < rows[1]["information_low"]
    titles = {d.index: d.title for d in describe_dimensions(result.verdict_table)}
    assert titles[1].endswith(f", repeats z{TEFF}")
    sentence = f"1 more is informative but redundant: z1 repeats z{TEFF}."
    assert sentence in describe_verdict(result)
