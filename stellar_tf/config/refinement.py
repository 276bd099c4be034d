"""Settings of the second part of a fit, which measures what the first discovered."""

from __future__ import annotations

from typing import Any

from stellar_tf.config.recipe import merge_settings
from stellar_tf.config.sections import Config

_DEPENDENT_PIXELS = 2.0
"""Pixels to a measurement of its own, where neighbours correlate by one half."""
_SHARE_OF_STEPS = 0.5
"""Of the steps of the first part."""


def refine_config(config: Config, given: Config, n_latent: int) -> Config:
    """
    Lay out the refinement of a run.

    Parameters
    ----------
    config : Config
        The run's settings, whole.
    given : Config
        What was asked for; what was set in it stays.
    n_latent : int
        Dimensions that are kept.

    Returns
    -------
    config : Config
        Whole.

    Notes
    -----
    The logarithm of the mean absolute error, times the number of independent pixels, is
    minus the log likelihood under a Laplace distribution as wide as each spectrum
    needs. In units of the mean pixel a nat of divergence then weighs one over that
    number, from the first step to the last.
    """
    below = config.model_dump()
    changes = recommend_refinement(config, n_latent)
    tree = merge_settings(merge_settings(below, changes), _list_given(given))
    whole = Config.model_validate({**tree, "grid": config.grid.model_dump()})
    return whole.model_copy(update={"convert": config.convert})


def recommend_refinement(config: Config, n_latent: int) -> dict[str, Any]:
    """
    List what the second part does otherwise than the first.

    Parameters
    ----------
    config : Config
        The run's settings, whole.
    n_latent : int
        Dimensions that are kept.

    Returns
    -------
    settings : dict
        A tree of settings.
    """
    n_steps = max(1, round(_SHARE_OF_STEPS * config.training.n_steps))
    return {
        "model": {
            "n_latent": n_latent,
            "folded": {"spline_order": 3, "smooth_decoder": True},
        },
        "objective": {
            "error": "likelihood",
            "weight_by_errors": "auto",
            "kl_weights": ((0, _DEPENDENT_PIXELS / config.grid.n_pixels),),
            "kl_reduction": "sum",
            "free_nats": 0.0,
            "total_correlation": 0.0,
            "visits": 0,  # each spectrum is measured by itself
            "scales": (1,),
            "coarse_scales": (),
            "coarse_end": 0,
        },
        "training": {
            "n_steps": n_steps,
            "learning_rate": 5.0e-4,
            "learning_rate_decay": "cosine",
            "warmup": 0.02,
            "max_gradient_ratio": 2.0,
            "steps_per_epoch": min(config.training.steps_per_epoch, n_steps),
        },
        "inference": {"n_steps": 50},
    }


def _list_given(given: Config) -> dict[str, Any]:
    """Return what was set, but for the latent dimensions, which the run decides on."""
    tree = given.model_dump(exclude_unset=True)
    tree.get("model", {}).pop("n_latent", None)
    return {name: tree[name] for name in tree if name not in ("grid", "convert")}
