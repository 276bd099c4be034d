from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from stellar_tf.analysis.labels.baselines import (
    MAX_PIXELS,
    Components,
    average_pixels,
    compare_with_components,
    find_components,
)
from stellar_tf.config import AnalysisConfig
from stellar_tf.report.captions import describe_baselines

CONFIG = AnalysisConfig(n_resamples=50)
N_STARS = 300


def survey(n_known: int = N_STARS) -> tuple[Table, np.ndarray, np.ndarray]:
    """Spectra that are linear in depth and not in position, with gaps."""
    rng = np.random.default_rng(0)
    depth, position = rng.normal(size=(2, N_STARS))
    pixel = np.arange(200.0)
    flux = 1.0 - 0.1 * (3.0 + depth)[:, None] * np.exp(-0.5 * ((pixel - 50) / 5) ** 2)
    centre = 140.0 + 15.0 * position[:, None]
    flux -= 0.5 * np.exp(-0.5 * ((pixel - centre) / 2.0) ** 2)
    flux += 0.01 * rng.normal(size=flux.shape)
    flux[::7, 100:110] = np.nan
    stars = Table({"split": np.where(np.arange(N_STARS) % 3 == 0, "test", "train")})
    poor = depth + 2.0 * rng.normal(size=N_STARS)
    stars["z_mean"] = np.column_stack([poor, np.tanh(position)])
    depth[n_known:] = np.nan
    stars["depth"], stars["position"] = depth, position
    return stars, flux.astype(np.float32), stars["split"] != "test"


def label_table(dimensions: dict[str, int]) -> Table:
    return Table({"label": [*dimensions], "spearman_dimension": [*dimensions.values()]})


def test_what_is_linear_pca_finds_and_the_report_says_so() -> None:
    stars, flux, seen = survey()
    components = find_components(flux, seen, 20, seed=0)
    assert components.pca.shape == components.ica.shape == (N_STARS, 20)
    labels = label_table({"depth": 0, "position": 1, "kind": -1})
    table = compare_with_components(stars, labels, components, CONFIG)
    depth, position = table
    assert list(table["label"]) == ["depth", "position"]
    assert depth["n_held_out"] == 100
    assert max(depth["pca"], depth["ica"]) > 0.9 > 0.7 > depth["single"]
    assert depth["behind"]
    assert depth["ridge_behind"]
    assert position["single"] == pytest.approx(1.0)
    assert position["pca"] < 0.9
    assert not position["behind"]
    assert depth["single_low"] < depth["single"] < depth["single_high"]
    behind, less = describe_baselines(table)
    assert behind.startswith("The network is behind PCA or FastICA")
    assert "depth (0." in behind
    assert "position" not in behind
    assert less.startswith("The network has learnt less than PCA")
    table["label"] = ["berv", "position"]
    assert describe_baselines(table) == []


def test_where_the_network_is_ahead_nothing_is_said() -> None:
    stars, flux, seen = survey()
    components = find_components(flux, seen, 2, seed=0)
    table = compare_with_components(
        stars, label_table({"position": 1}), components, CONFIG
    )
    assert describe_baselines(table) == []
    assert describe_baselines(Table()) == []


def test_a_label_of_few_held_out_stars_is_not_tried() -> None:
    stars, flux, seen = survey(n_known=20)
    components = find_components(flux, seen, 2, seed=0)
    labels = label_table({"depth": 0})
    assert len(compare_with_components(stars, labels, components, CONFIG)) == 0


def test_long_spectra_are_averaged_over_their_valid_pixels() -> None:
    flux = np.arange(3.0 * MAX_PIXELS - 2, dtype=np.float32)
    flux[[1, 3, 4, 5]] = np.nan
    averaged = average_pixels(flux)
    assert averaged.size == MAX_PIXELS
    assert averaged[0] == 1.0
    assert np.isnan(averaged[1])
    assert averaged[2] == 7.0
    assert averaged[-1] == flux[-1]
    short = np.array([1.0, np.nan], np.float32)
    np.testing.assert_array_equal(average_pixels(short), short)


def test_a_lead_in_the_third_digit_is_none() -> None:
    rng = np.random.default_rng(3)
    label, noise = rng.normal(size=(2, N_STARS))
    stars = Table({"split": np.where(np.arange(N_STARS) % 3 == 0, "test", "train")})
    stars["z_mean"] = np.column_stack([label + 0.02 * noise, noise])
    stars["depth"] = label
    exact = np.column_stack([label, noise])
    table = compare_with_components(
        stars, label_table({"depth": 0}), Components(exact, exact), CONFIG
    )
    assert table["pca"][0] == pytest.approx(1.0)
    assert 0.99 < table["single"][0] < 1.0
    assert not table["behind"][0]
    assert not table["ridge_behind"][0]
