from __future__ import annotations

import numpy as np

from stellar_tf.analysis.latents import read_codes
from stellar_tf.analysis.neighbours.unusual import list_unusual
from stellar_tf.config import AnalysisConfig
from tests.stellar_tf.analysis.planted import INFORMATIVE, TEFF, plant_latents

LATENTS = plant_latents(n_stars=150, n_visits=1)
LATENTS["z_mean"][17, TEFF] = 12.0
CODES = read_codes(LATENTS, AnalysisConfig(), labels=None, factors=())


def test_the_planted_spectrum_is_listed_first_with_its_dimension() -> None:
    table = list_unusual(CODES, np.array(INFORMATIVE))
    assert table["dp_id"][0] == LATENTS["dp_id"][17]
    assert table["star"][0] == LATENTS["star"][17]
    assert table["dimension"][0] == TEFF
    assert table["offset"][0] > 5.0
    assert (np.diff(table["score"]) <= 0.0).all()
    assert table["nearest"][0] != table["dp_id"][0]


def test_nothing_is_unusual_without_informative_dimensions() -> None:
    assert len(list_unusual(CODES, np.array([], int))) == 0
