from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from stellar_tf.analysis.labels.associations import measure_associations, select_labels
from stellar_tf.analysis.labels.categories import (
    measure_category_information,
    number_categories,
)
from stellar_tf.analysis.labels.mutual_information import MutualInformation
from stellar_tf.config import AnalysisConfig

CONFIG = AnalysisConfig(n_resamples=20, n_subsamples=20, n_permutations=1_000)


def measure(z: np.ndarray, category: np.ndarray, seed: int = 0) -> MutualInformation:
    return measure_category_information(
        z.reshape(category.size, -1),
        category,
        n_neighbours=3,
        n_subsamples=30,
        n_permutations=1_000,
        confidence=0.95,
        rng=np.random.default_rng(seed),
    )


def two_classes(gap: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    category = np.where(rng.random(n) < 0.5, "G2V", "K1III")
    return rng.normal(size=n) + np.where(category == "G2V", gap, 0.0), category


def information_of_two_normals(gap: float) -> float:
    """Entropy of the mixture minus that of its parts, by quadrature."""

    def integrand(z: float) -> float:
        density = 0.5 * (norm.pdf(z) + norm.pdf(z, gap))
        return -density * np.log(density)

    return quad(integrand, -10.0, 10.0 + gap)[0] - norm.entropy()


@pytest.mark.parametrize("gap", [0.0, 1.0, 3.0])
def test_closed_form_of_two_normals(gap: float) -> None:
    truth = information_of_two_normals(gap)
    found = [measure(*two_classes(gap, 800, seed), seed=seed) for seed in range(8)]
    assert np.mean([f.value[0] for f in found]) == pytest.approx(truth, abs=0.03)
    covered = [bool(f.low[0] <= truth <= f.high[0]) for f in found]
    assert np.mean(covered) >= 6 / 8


def test_the_null_is_rejected_as_often_as_it_should() -> None:
    rng = np.random.default_rng(0)
    category = rng.choice(["F", "G", "K"], 200, p=[0.2, 0.3, 0.5])
    p_value = measure(rng.normal(size=(200, 150)), category).p_value
    assert np.mean(p_value <= 0.05) == pytest.approx(0.05, abs=0.045)


def test_rare_categories_stand_together() -> None:
    category = np.array(["G"] * 6 + ["K"] * 5 + ["M"] * 2 + ["A"])
    codes = number_categories(category)
    assert codes.max() == 2
    assert np.unique(codes[11:]).size == 1


def test_a_category_is_related_beside_numbers() -> None:
    z, category = two_classes(3.0, 300, seed=1)
    labels = {"type": category, "noise": np.random.default_rng(2).normal(size=300)}
    labels["type"][:40] = ""
    found = measure_associations(
        z[:, None], np.array([0]), labels, CONFIG, np.random.default_rng(0)
    )
    assert found.labels == ("type", "noise")
    assert found.n_stars.tolist() == [260, 300]
    assert found.q_value[0, 0] < 0.01 < found.q_value[0, 1]
    assert np.isnan(found.spearman[0, 0])
    assert np.isfinite(found.spearman[0, 1])


def test_labels_that_are_no_categories_are_set_aside() -> None:
    names = np.array([f"HD {i}" for i in range(80)])
    same = np.full(80, "HARPS")
    usable, unusable = select_labels({"name": names, "instrument": same})
    assert usable == {}
    assert unusable["name"] == "80 categories, more than 50"
    assert unusable["instrument"] == "the same (HARPS) for all 80 stars"
