from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.config import ConfigError, Distribution, Factors
from stellar_tf.simulator.domain import is_inside
from stellar_tf.simulator.factors import LIMITS, draw_exposure, draw_star

from .conftest import FIXED_FACTORS, fixed


def test_fixed_factors_are_fixed() -> None:
    rng = np.random.default_rng(0)
    star, exposure = draw_star(FIXED_FACTORS, rng), draw_exposure(FIXED_FACTORS, rng)
    assert star == (5700.0, 4.4, 0.0, 0.1, 3.0, 12.0)
    assert exposure == (-7.0, 1.3, 0.0, 2.0)


def test_draws_stay_inside_even_where_distributions_reach_beyond() -> None:
    factors = Factors(
        teff=Distribution(kind="uniform", a=3000.0, b=9000.0),
        logg=Distribution(kind="uniform", a=0.0, b=6.0),
        vsini=Distribution(kind="normal", a=0.0, b=5.0),
        berv=Distribution(kind="normal", a=0.0, b=30.0),
    )
    rng = np.random.default_rng(0)
    for _ in range(300):
        star, exposure = draw_star(factors, rng), draw_exposure(factors, rng)
        assert is_inside(*star[:4])
        assert star.vsini >= 0.0
        assert abs(exposure.berv) <= LIMITS["berv"][1]


def test_distributions_have_their_moments() -> None:
    rng = np.random.default_rng(0)
    stars = [draw_star(Factors(), rng) for _ in range(3000)]
    rv = np.array([star.rv for star in stars])
    vsini = np.array([star.vsini for star in stars])
    assert rv.std() == pytest.approx(30.0, rel=0.06)
    assert rv.mean() == pytest.approx(0.0, abs=2.0)
    assert vsini.min() >= 1.0
    assert vsini.max() <= 12.0
    assert vsini.mean() == pytest.approx(6.5, abs=0.25)


def test_star_outside_the_grid_is_an_error() -> None:
    factors = FIXED_FACTORS.model_copy(update={"teff": fixed(9000.0)})
    with pytest.raises(ConfigError, match="must lie inside the grid"):
        draw_star(factors, np.random.default_rng(0))


def test_factor_outside_its_limits_is_an_error() -> None:
    factors = FIXED_FACTORS.model_copy(update={"vsini": fixed(-3.0)})
    with pytest.raises(ConfigError, match=r"vsini must reach 0 to 200, .* last -3"):
        draw_star(factors, np.random.default_rng(0))
    factors = FIXED_FACTORS.model_copy(update={"airmass": fixed(0.5)})
    with pytest.raises(ConfigError, match="airmass must reach 1 to 4"):
        draw_exposure(factors, np.random.default_rng(0))
