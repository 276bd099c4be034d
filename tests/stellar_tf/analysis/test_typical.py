from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.analysis.typical import measure_typical


def test_percentiles_of_the_nearest_stars() -> None:
    z = np.linspace(-1.0, 1.0, 2001)  # teff = 5000 + 1000 z: 5 % span 0.1
    teff = 5000.0 + 1000.0 * z
    shuffled = np.random.default_rng(0).permutation(z.size)
    typical = measure_typical(z[shuffled], teff[shuffled], np.array([0.0, 0.5]))
    expected = [[4966.0, 5000.0, 5034.0], [5466.0, 5500.0, 5534.0]]
    np.testing.assert_allclose(typical, expected, atol=2.0)


def test_stars_without_the_label_do_not_count() -> None:
    z = np.zeros(100)
    label = np.where(np.arange(100) < 50, 7.0, np.nan)
    np.testing.assert_array_equal(measure_typical(z, label, np.zeros(1)), [[7.0] * 3])


@pytest.mark.parametrize(
    "label", [np.array(["G", "K"] * 50), np.where(np.arange(100) < 19, 1.0, np.nan)]
)
def test_categories_and_rare_labels_have_none(label: np.ndarray) -> None:
    typical = measure_typical(np.linspace(0.0, 1.0, 100), label, np.array([0.5]))
    assert np.isnan(typical).all()
