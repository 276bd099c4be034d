from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.config import Config, load_config
from stellar_tf.config.recipe import complete_config, count_steps, noise_edge
from tfrecords_tools.grid import Grid

GRIDS = {
    "a survey's, 69 km/s": Grid(
        wave_min=3900.0, wave_step=0.898, spacing="log", n_pixels=2048
    ),
    "infrared, 4.1 km/s": Grid(
        wave_min=15_100.0, wave_step=0.2088, spacing="log", n_pixels=8575
    ),
    "a library's, 0.9 Angstrom": Grid(wave_min=3541.0, wave_step=0.9, n_pixels=4301),
    "a window": Grid(wave_min=4970.02, wave_step=0.04, n_pixels=8192),
    "HARPS": Grid(),
    "one pixel": Grid(n_pixels=1),
    "300 km/s": Grid(wave_min=5000.0, wave_step=5.0, n_pixels=500),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_network_for_every_grid(name: str) -> None:
    grid = GRIDS[name]
    config = complete_config(load_config(None), grid, n_spectra=1000)
    assert config.grid == grid
    padding = sum(config.model.padding(grid.n_pixels))
    assert (grid.n_pixels + padding) % config.model.length_multiple == 0
    assert padding < 4096
    assert config.training.n_steps == 4000


@pytest.mark.parametrize(
    ("name", "coarsest", "terms", "stages"),
    [
        ("a survey's, 69 km/s", 2, 1, 2),
        ("infrared, 4.1 km/s", 32, 1, 2),
        ("a library's, 0.9 Angstrom", 4, 2, 2),
        ("a window", 64, 2, 2),
        ("HARPS", 256, 2, 4),
    ],
)
def test_its_scales_are_velocities(
    name: str, coarsest: int, terms: int, stages: int
) -> None:
    grid = GRIDS[name]
    config = complete_config(load_config(None), grid, n_spectra=1000)
    folded, objective = config.model.folded, config.objective
    assert max(objective.coarse_scales) == coarsest
    assert folded.n_displacement == terms
    assert len(folded.folds) == stages
    middle = grid.wave[grid.n_pixels // 2]
    step = 299_792.458 * np.diff(grid.wave)[grid.n_pixels // 2] / middle
    assert folded.displacement_scale * step == pytest.approx(100.0, rel=1e-3)


def test_what_was_set_stays() -> None:
    config = load_config(
        None,
        [
            "model.folded={folds: [4, 4], channels: [8, 8], kernels: [3, 1]}",
            "model.n_latent=5",
            "training.n_steps=50",
            "dataset.normalise=masked",
        ],
    )
    whole = complete_config(config, GRIDS["a window"], n_spectra=1000)
    assert whole.model.folded.folds == (4, 4)
    assert whole.model.n_latent == 5
    assert whole.training.n_steps == 50
    assert whole.objective.coarse_end == 20
    assert whole.dataset.normalise == "masked"
    assert complete_config(whole, GRIDS["a window"], n_spectra=7) == whole


def test_the_papers_settings_are_the_papers() -> None:
    paper = load_config("paper")
    whole = complete_config(paper, Grid(), n_spectra=267_361)
    for section in ("model", "training"):
        given = getattr(paper, section).model_dump(exclude_unset=True)
        found = getattr(whole, section).model_dump()
        assert {key: found[key] for key in given} == given
    assert whole.objective.kl_weights == ((0, 0.0), (5_000, 0.0), (20_000, 0.3))
    assert whole.objective.error == "absolute"
    assert whole.objective.coarse_scales == ()
    assert whole.training.warmup == 0.0
    assert whole.dataset.normalise == "masked"


def test_a_config_is_not_changed() -> None:
    config = load_config(None)
    complete_config(config, Grid(), n_spectra=10)
    assert config == Config()


@pytest.mark.parametrize(
    ("n_spectra", "n_steps"), [(0, 4000), (131, 4000), (2500, 5000)]
)
def test_steps_follow_the_number_of_spectra(n_spectra: int, n_steps: int) -> None:
    assert count_steps(n_spectra) == n_steps


@pytest.mark.parametrize(
    ("name", "capacity"),
    # Of 78,125 pixels, ln 9.54 = 2.255 times 8 more than of 8,192.
    [("demo", 20.0), ("default", 38.0)],
)
def test_more_pixels_may_tell_more(name: str, capacity: float) -> None:
    config = load_config(name)
    whole = complete_config(config, config.grid, n_spectra=2_000)
    assert whole.objective.kl_capacity == capacity


def test_noise_explains_the_edge() -> None:
    """Of the variance of white noise, by its largest singular value."""
    n_pixels, n_spectra = 400, 100
    noise = np.random.default_rng(0).normal(size=(n_spectra, n_pixels))
    largest = np.linalg.svd(noise, compute_uv=False)[0] ** 2 / n_spectra
    assert noise_edge(n_pixels, n_spectra) == pytest.approx(largest / n_pixels, rel=0.1)
