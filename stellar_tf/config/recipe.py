"""The one recipe: settings for any grid and any number of spectra."""

from __future__ import annotations

import math
from typing import Any

from stellar_tf.config.sections import Config
from tfrecords_tools.grid import Grid
from tfrecords_tools.spectrum import SPEED_OF_LIGHT

_ENCODER_STEP, _DECODER_STEP = 2.4, 1.2
"""What pixels are averaged to, at most: half and a quarter of narrow lines [km/s]."""
_COARSEST_STEP = 150.0
"""Training begins on spectra averaged over so much: as far as stars move [km/s]."""
_COARSE_SHARE = 0.4
"""Of the steps."""
_DISPLACEMENT = 100.0
"""By a coefficient of 1 [km/s]."""
_LONG = 16_384
"""Pixels from which on the encoder has four stages, not two."""
_FEWEST_STEPS = 4000
"""The factors enter one by one, however few spectra there are."""
_N_EPOCHS = 20
"""At least, in a run."""
_CAPACITY, _CAPACITY_PIXELS, _MORE_CAPACITY = 20.0, 8_192, 8.0
"""Divergence that a code may come to [nat], of spectra of so many pixels as the encoder
has them, and for each factor e more: half a nat for each of 16 dimensions."""


def complete_config(config: Config, grid: Grid, n_spectra: int) -> Config:
    """
    Fill what a configuration leaves open with the recipe.

    Parameters
    ----------
    config : Config
        The settings; what was set in them stays.
    grid : Grid
        The records' grid, which replaces theirs.
    n_spectra : int
        Spectra to train on.

    Returns
    -------
    config : Config
        Whole.
    """
    given = config.model_dump(exclude_unset=True)
    n_steps = given.get("training", {}).get("n_steps") or count_steps(n_spectra)
    tree = merge_settings(recommend(grid, n_spectra, n_steps), given)
    whole = Config.model_validate({**tree, "grid": grid.model_dump()})
    # Nothing is open any more, whoever completes it again.
    return Config.model_validate(whole.model_dump())


def count_steps(n_spectra: int) -> int:
    """
    Say how long to train.

    Parameters
    ----------
    n_spectra : int
        Spectra to train on.

    Returns
    -------
    n_steps : int
        As their square root: ten times as many spectra are met a third as often each.
        Few spectra are met the more often.
    """
    return max(_FEWEST_STEPS, round(100.0 * math.sqrt(n_spectra)))


def recommend(grid: Grid, n_spectra: int, n_steps: int) -> dict[str, Any]:
    """
    Lay out network, objective and training.

    Parameters
    ----------
    grid : Grid
        The records' wavelengths.
    n_spectra : int
        Spectra to train on.
    n_steps : int
        Batches until the end.

    Returns
    -------
    settings : dict
        A tree of settings; what is not in it has its default.
    """
    scales = _coarse_scales(_step_of(grid))
    return {
        "dataset": {"normalise": "continuum"},
        "model": {
            "architecture": "folded",
            "n_latent": 16,
            "subtract_mean": True,
            "folded": _lay_out(grid),
        },
        "objective": {
            "error": "likelihood",
            "kl_weights": (),
            "kl_reduction": "sum",
            "kl_unit": noise_edge(grid.n_pixels, n_spectra),
            "kl_capacity": _capacity(grid),
            "coarse_scales": scales,
            "coarse_end": max(len(scales), round(_COARSE_SHARE * n_steps)),
        },
        "training": {
            "n_steps": n_steps,
            "batch_size": 32,
            "learning_rate": 4.0e-3,
            "learning_rate_decay": "cosine",
            "warmup": 0.02,
            "max_gradient_ratio": 2.0,
            "steps_per_epoch": min(1000, -(-n_steps // _N_EPOCHS)),
        },
    }


def noise_edge(n_pixels: int, n_spectra: int) -> float:
    """
    Say which share of the variance the largest component of noise alone explains.

    Parameters
    ----------
    n_pixels : int
        Pixels a spectrum.
    n_spectra : int
        Spectra.

    Returns
    -------
    share : float
        A divergence that weighs more, in nats of the mean pixel, lets no component of
        noise into the code.

    Notes
    -----
    The upper edge of Marchenko & Pastur (1967) over the number of pixels. A linear
    encoder and decoder take in a component when what it explains exceeds the weight of
    the divergence (Lucas et al. 2019, arXiv 1911.02469).
    """
    root = math.sqrt(1.0 / n_pixels) + math.sqrt(1.0 / n_spectra)
    return root * root


def _step_of(grid: Grid) -> float:
    """Return the width of the middle pixel [km/s]."""
    if grid.spacing == "log":
        return SPEED_OF_LIGHT * grid.wave_step / grid.wave_min
    middle = grid.wave_min + 0.5 * grid.wave_step * grid.n_pixels
    return SPEED_OF_LIGHT * grid.wave_step / middle


def _capacity(grid: Grid) -> float:
    """Let in what more pixels tell of the same factors, whose widths go as the root."""
    n_binned = grid.n_pixels / _encoder_binning(grid)
    more = math.log(max(1.0, n_binned / _CAPACITY_PIXELS))
    return round(_CAPACITY + _MORE_CAPACITY * more, 1)


def _encoder_binning(grid: Grid) -> int:
    return 1 << max(0, math.floor(math.log2(_ENCODER_STEP / _step_of(grid))))


def _lay_out(grid: Grid) -> dict[str, Any]:
    step, encoder_binning = _step_of(grid), _encoder_binning(grid)
    n_binned = grid.n_pixels // encoder_binning
    stages: dict[str, Any] = {
        "folds": (16 if n_binned <= _LONG // 4 else 32, 8),
        "channels": (64, 64),
        "kernels": (3, 1),
    }
    if n_binned > _LONG:
        stages = {
            "folds": (16, 4, 4, 4),
            "channels": (32, 64, 128, 128),
            "kernels": (3, 1, 1, 1),
        }
    return {
        **stages,
        "encoder_binning": encoder_binning,
        "decoder_binning": 1 << max(0, math.floor(math.log2(_DECODER_STEP / step))),
        "n_basis": (64,),
        # A velocity moves all pixels of a logarithmic grid alike.
        "n_displacement": 1 if grid.spacing == "log" else 2,
        "displacement_scale": _DISPLACEMENT / step,
    }


def _coarse_scales(step: float) -> tuple[int, ...]:
    n_stages = max(0, round(math.log2(_COARSEST_STEP / step)))
    return tuple(1 << stage for stage in range(n_stages, 0, -1))


def merge_settings(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """
    Put one tree of settings over another.

    Parameters
    ----------
    below, above : dict
        Settings by section and key.

    Returns
    -------
    settings : dict
        Those of both; where both have one, that of `above`.
    """
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_settings(merged[key], value) if both else value
    return merged
