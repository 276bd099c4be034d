from __future__ import annotations

from stellar_tf.config import Config, load_config
from stellar_tf.config.recipe import complete_config
from stellar_tf.config.refinement import refine_config

GIVEN = load_config("demo", {"objective.visits": 4, "training.seed": 7})
RUN = complete_config(GIVEN, GIVEN.grid, 4000)


def test_it_is_the_run_but_for_what_measures() -> None:
    refined = refine_config(RUN, Config(), 5)
    assert refined.model.n_latent == 5
    assert refined.model.folded.spline_order == 3
    assert refined.model.folded.smooth_decoder
    assert refined.objective.visits == 0
    assert refined.objective.kl_weights == ((0, 2.0 / 8192),)
    assert refined.objective.coarse_scales == ()
    assert refined.training.n_steps == round(0.5 * RUN.training.n_steps)
    assert refined.inference.n_steps == 50
    for kept in ("dataset", "grid", "simulate", "convert", "analysis"):
        assert getattr(refined, kept) == getattr(RUN, kept)
    assert refined.training.seed == 7


def test_what_is_given_stays_but_for_the_dimensions() -> None:
    given = load_config(None, {"inference.n_steps": 5, "model.n_latent": 9})
    refined = refine_config(RUN, given, 5)
    assert refined.inference.n_steps == 5
    assert refined.model.n_latent == 5
