from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from stellar_tf.analysis.labels.contingency import (
    binned_information,
    choose_n_bins,
    contingency_tables,
    permutation_p_value,
)


def test_tables_count_every_star_once() -> None:
    rng = np.random.default_rng(0)
    tables = contingency_tables(rng.normal(size=(103, 3)), rng.normal(size=103), 4)
    assert tables.shape == (3, 4, 4)
    assert (tables.sum(axis=(1, 2)) == 103).all()
    assert (tables.sum(axis=2) == tables[0].sum(axis=1)).all()
    assert np.ptp(tables[0].sum(axis=0)) <= 1


def test_information_equals_scikit_learns_minus_its_bias() -> None:
    rng = np.random.default_rng(1)
    z, label = rng.normal(size=(500, 1)), rng.normal(size=500)
    table = contingency_tables(z, label, 5)[0]
    pairs = np.repeat(np.argwhere(table >= 0), table.ravel(), axis=0)
    expected = mutual_info_score(pairs[:, 0], pairs[:, 1]) - 16 / 1000
    assert binned_information(table) == pytest.approx(expected, abs=1e-12)


def test_independent_variables_have_none_on_average() -> None:
    rng = np.random.default_rng(2)
    z, label = rng.normal(size=(400, 500)), rng.normal(size=400)
    found = binned_information(contingency_tables(z, label, 8))
    assert abs(found.mean()) < 4.0 * found.std() / np.sqrt(500) + 2e-3


def test_direct_tables_have_the_distribution_of_permutations() -> None:
    # A second route: permute the label, star by star.
    rng = np.random.default_rng(3)
    z, label = rng.normal(size=(60, 1)), rng.normal(size=60)
    label += 0.25 * z[:, 0]
    n_bins = choose_n_bins(60)
    observed = binned_information(contingency_tables(z, label, n_bins))
    permuted = [
        binned_information(contingency_tables(z, rng.permutation(label), n_bins))
        for _ in range(4_000)
    ]
    expected = np.mean(np.array(permuted) >= observed - 1e-12)
    found = permutation_p_value(z, label, 20_000, rng)[0]
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("n_stars", "n_bins"), [(10, 2), (500, 10), (7_000, 16)])
def test_number_of_bins(n_stars: int, n_bins: int) -> None:
    assert choose_n_bins(n_stars) == n_bins
