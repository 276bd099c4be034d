from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.labels.probe_table import (
    DESCRIPTIONS,
    NETWORK,
    describe_probes,
    list_mad,
    score_predictions,
    tabulate_probes,
)
from stellar_tf.analysis.labels.probes import LabelGroup, Predictions, Probe
from stellar_tf.config import AnalysisConfig

CONFIG = AnalysisConfig(n_resamples=400)


def test_scores_of_errors_that_are_all_alike() -> None:
    truth = np.array([0.0, 10.0, 0.0, 10.0])
    value, low, high = score_predictions(truth + 2.0 * np.ones((3, 1)), truth, CONFIG)
    for found in (value, low, high):
        np.testing.assert_allclose(found, [2.0, 1.0 - 4.0 / 25.0])


def test_the_value_is_the_median_and_the_interval_spans_the_draws() -> None:
    truth = np.linspace(-1.0, 1.0, 50)
    wrong = np.array([1.0, 2.0, 9.0])[:, np.newaxis]
    value, low, high = score_predictions(truth + wrong, truth, CONFIG)
    assert (value[0], low[0], high[0]) == (2.0, 1.0, 9.0)


def test_the_interval_of_one_draw_is_that_of_the_held_out_stars() -> None:
    """The median of N normal sizes has an error of 0.787 / sqrt(N), asymptotically."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=4_000)
    predicted = truth + rng.normal(size=(1, 4_000))
    _, low, high = score_predictions(predicted, truth, CONFIG)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * 0.787 / np.sqrt(4_000), rel=0.2)


def group() -> LabelGroup:
    values = np.column_stack([5000.0 + np.arange(20.0), np.arange(20.0)])
    rows = np.arange(20)
    return LabelGroup(("teff", "depth"), values, rows[:1, np.newaxis], rows, (10,))


def test_table_has_a_row_a_label_and_a_probe_in_its_unit() -> None:
    stars = group()
    probe = Probe("latents", "ridge", lambda rows, values, others: values)
    exact = Predictions(probe, 10, np.stack([stars.values] * 2))
    table = tabulate_probes([(stars, [exact])], {"depth": "m", "teff": "x"}, CONFIG)
    assert list(table["label"]) == ["teff", "depth"]
    assert list(table["unit"]) == ["K", "m"]
    assert list(table["mad"]) == [0.0, 0.0]
    assert list(table["r2"]) == [1.0, 1.0]
    assert list(table["spread"]) == [5.0, 5.0]
    assert table["n_draws"][0] == 2
    assert table["n_held_out"][0] == 20
    for name, words in DESCRIPTIONS.items():
        assert table[name].description == words


def scored(*rows: tuple[str, str, int, float]) -> Table:
    table = Table(rows=rows, names=("features", "method", "n_labelled", "mad"))
    table["label"], table["unit"], table["r2"], table["r2_low"] = "teff", "K", 0.9, 0.8
    return table


LATENTS = (
    ("latents", "ridge", 10, 90.0),
    ("latents", "ridge", 100, 50.0),
    ("latents", "knn", 10, 99.0),
    ("latents", "knn", 100, 40.0),
)


def test_words_name_the_fewest_stars_that_do_as_well() -> None:
    table = scored(
        *LATENTS, (NETWORK, NETWORK, 10, 300.0), (NETWORK, NETWORK, 1000, 90.0)
    )
    assert describe_probes(table) == [
        "teff: 10 labelled stars with frozen latents (ridge, MAD 90 K) do as well as "
        "1,000 with a network trained on them (MAD 90 K)."
    ]


def test_words_say_when_the_other_is_better_in_the_end() -> None:
    table = scored(
        *LATENTS, (NETWORK, NETWORK, 10, 45.0), (NETWORK, NETWORK, 100, 20.0)
    )
    assert describe_probes(table) == [
        "teff: 100 labelled stars with frozen latents (knn, MAD 40 K) do as well as 10 "
        "with a network trained on them (MAD 45 K); 100 labelled stars with frozen "
        "latents (knn, MAD 40 K) do less well than 100 with a network trained on them "
        "(MAD 20 K)."
    ]


def test_words_say_when_the_other_is_always_better() -> None:
    table = scored(*LATENTS, ("pixels", "knn", 10, 5.0), ("pixels", "knn", 100, 4.0))
    assert describe_probes(table) == [
        "teff: 100 labelled stars with frozen latents (knn, MAD 40 K) do less well "
        "than 10 with pixels (knn, MAD 5 K)."
    ]


def test_words_say_when_nothing_predicts_a_label() -> None:
    table = scored(*LATENTS, ("pixels", "knn", 10, 5.0))
    table["r2"], table["r2_low"] = 0.01, -0.1
    assert describe_probes(table) == ["teff: nothing predicts it (R2 at most 0.01)."]


def test_of_latents_alone_there_is_nothing_to_say() -> None:
    assert describe_probes(scored(*LATENTS)) == []


def test_mad_is_listed_by_the_number_of_labelled_stars() -> None:
    listed = list_mad(scored(*LATENTS, (NETWORK, NETWORK, 100, 0.01234)))
    assert listed.colnames == ["label", "unit", "features", "method", "10", "100"]
    assert list(listed["10"]) == ["90", "99", ""]
    assert list(listed["100"]) == ["50", "40", "0.0123"]
