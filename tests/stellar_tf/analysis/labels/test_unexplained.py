from __future__ import annotations

import numpy as np

from stellar_tf.analysis.labels.associations import Associations
from stellar_tf.analysis.labels.unexplained import find_unexplained, list_extremes
from stellar_tf.analysis.latents import read_codes
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import TEFF, plant_latents

LATENTS = plant_latents(n_stars=150, n_visits=1)
CODES = read_codes(LATENTS, AnalysisConfig(), labels=None, factors=())


def test_extremes_are_the_ends_of_the_order() -> None:
    table = list_extremes(CODES, np.array([TEFF]))
    order = np.argsort(LATENTS["z_mean"][:, TEFF])
    for end, expected in (("low", order[:5]), ("high", order[::-1][:5])):
        found = table[table["end"] == end]
        assert list(found["dp_id"]) == list(LATENTS["dp_id"][expected])
        assert list(found["rank"]) == [1, 2, 3, 4, 5]
    assert len(list_extremes(CODES, np.array([], int))) == 0


def test_unexplained_dimensions_have_no_significant_cell() -> None:
    q_value = np.array([[0.001, 0.5], [0.2, 0.9], [0.06, 0.04]])
    cells = [np.full((3, 2), 0.1)] * 3
    spearman = [np.zeros((3, 2))] * 3
    dimensions = np.array([7, 2, 5])
    associations = Associations(
        dimensions,
        ("rv", "teff"),
        np.array([9, 9]),
        *cells,
        q_value,
        q_value,
        *spearman,
        cells[0],
    )
    assert find_unexplained(associations, fdr=0.05).tolist() == [2]
    assert find_unexplained(associations, fdr=0.01).tolist() == [2, 5]
    # What has less than a tenth of what its dimension carries is not followed.
    carried = np.array([1.1, 0.5, 0.9])
    little = associations._replace(carried=carried)
    assert find_unexplained(little, fdr=0.05).tolist() == [2, 7]
    none = associations._replace(labels=(), q_value=np.empty((3, 0)))
    assert find_unexplained(none, fdr=0.05).tolist() == []
