from __future__ import annotations

from dataclasses import replace

import numpy as np

from stellar_tf.analysis.analyze import AnalysisResult
from stellar_tf.figures.labels import Pair, choose_pairs
from stellar_tf.figures.spectra import Reconstructions
from stellar_tf.report.captions import (
    choose_headlines,
    describe_pair,
    describe_residual,
    describe_verdict,
)
from tests.stellar_tf.analysis.planted import AIRMASS, RV, TEFF


def test_verdict_in_words(result: AnalysisResult) -> None:
    sentences = [text.replace("\u00a0", " ") for text in describe_verdict(result)]
    assert sentences[0] == (
        "5 of 12 latent dimensions are independently informative "
        "(95 % interval 5 to 5)."
    )
    assert "4 known factors varied: rv, teff, logg, airmass." in sentences
    assert "z7 (airmass) describes the observation." in sentences
    assert "z9 follows no label that was given." in sentences
    assert any(text.endswith("describe the star.") for text in sentences)


def test_a_series_of_one_star_is_told(result: AnalysisResult) -> None:
    sentences = describe_verdict(replace(result, series_of="HD128621"))
    assert sentences[1].startswith("All spectra are of one star, HD128621: each counts")
    assert not any("one star" in text for text in describe_verdict(result))
    leakage = result.leakage._replace(nuisances=())
    series = replace(result, series_of="HD128621", leakage=leakage)
    titles = [item.title for item in choose_headlines(series)]
    assert titles[-1] == "spectra of one star"
    assert "nats of leakage" not in titles


def test_headlines_hold_the_tables_numbers(result: AnalysisResult) -> None:
    shown = {item.title: item.value for item in choose_headlines(result)}
    assert shown["independently informative dimensions"] == "5"
    assert shown["informative dimensions"] == "5"
    assert shown["true factors"] == "4"
    assert "nats of leakage" in shown
    assert shown["stars"] == f"{result.n_stars:,}"
    row = result.label_table[result.label_table["label"] == "rv"][0]
    assert shown["|Spearman| of rv and z0"] == f"{abs(row['spearman_held_out']):.3f}"


def test_pairs_have_velocity_and_temperature_and_the_dimensions_order(
    result: AnalysisResult,
) -> None:
    pairs = choose_pairs(result)
    assert Pair(AIRMASS, "airmass") in pairs
    assert set(choose_pairs(result, n_most=2)) == {Pair(RV, "rv"), Pair(TEFF, "teff")}
    assert len(choose_pairs(result, n_most=3)) == 3
    order = list(result.verdict_table["dimension"])
    ranks = [order.index(pair.dimension) for pair in pairs]
    assert ranks == sorted(ranks)


def test_pair_has_interval_and_numbers_of_stars(result: AnalysisResult) -> None:
    text = describe_pair(result, Pair(TEFF, "teff"))
    table = result.association_table
    row = table[(table["dimension"] == TEFF) & (table["label"] == "teff")][0]
    assert f"{row['mi']:.3f} [{row['mi_low']:.3f}, {row['mi_high']:.3f}] nat" in text
    assert f"{row['n_stars']} stars" in text
    assert "held-out stars: Spearman −0.9" in text


def test_residual_counts_valid_pixels_only() -> None:
    flux = np.array([[1.0, np.nan, 0.5]], np.float32)
    model = np.array([[0.9, 1.0, 0.7]], np.float32)
    shown = Reconstructions(np.arange(3.0), ("HD1",), flux, model, np.full(1, np.nan))
    assert describe_residual(shown, 0) == (
        "Mean absolute residual 0.150 of the median flux over 2 valid pixels."
    )
    empty = shown._replace(flux=np.full((1, 3), np.nan, np.float32))
    assert describe_residual(empty, 0) == "No valid pixel."


def test_a_residual_of_pure_noise_is_one_noise_and_the_velocity_is_told() -> None:
    rng = np.random.default_rng(0)
    model = np.ones((1, 20_000), np.float32)
    flux = model + rng.normal(0.0, 0.02, model.shape).astype(np.float32)
    wave = np.arange(20_000.0)
    shown = Reconstructions(wave, ("HD1",), flux, model, np.array([-12.34]))
    text = describe_residual(shown, 0)
    size = float(text.split("Root mean square ")[1].split()[0])
    assert abs(size - 1.0) < 0.03
    assert text.endswith("marked at the star's velocity, \u221212.3\u00a0km/s.")
