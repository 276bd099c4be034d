"""Tests of the figures of spectra."""

from __future__ import annotations

import numpy as np
import pytest

from stellar_tf.figures.spectra import (
    Reconstructions,
    count_zoomed,
    draw_reconstruction,
    estimate_noise,
)

WAVE = 6200.0 + 0.02 * np.arange(4_000)


def make_reconstructions(rv: float) -> Reconstructions:
    noise = np.random.default_rng(1).normal(0.0, 0.01, (1, WAVE.size))
    model = 1.0 - 0.5 * np.exp(-0.5 * ((WAVE - 6230.72) / 0.1) ** 2)[None]
    flux = (model + noise).astype(np.float32)
    flux[:, 50:80] = np.nan
    return Reconstructions(WAVE, ("HD1",), flux, model, np.array([rv]))


def test_noise_is_that_which_was_added() -> None:
    flux = make_reconstructions(0.0).flux[0]
    assert estimate_noise(flux) == pytest.approx(0.01, rel=0.06)
    assert np.isnan(estimate_noise(flux[50:84]))


@pytest.mark.parametrize(
    ("step", "n_pixels", "expected"),
    [(0.02, 4_000, 1_500), (0.9, 2_048, 100), (0.9, 60, 60)],
)
def test_what_is_shown_first_has_pixels_enough(
    step: float, n_pixels: int, expected: int
) -> None:
    found = count_zoomed(6200.0 + step * np.arange(n_pixels))
    assert found == pytest.approx(expected, abs=1)


def test_the_residual_is_in_units_of_the_noise() -> None:
    shown = make_reconstructions(0.0)
    figure = draw_reconstruction(shown, 0, max_pixels=4_000)
    assert figure.layout.yaxis2.title.text == "residual [σ]"
    assert np.nanstd(figure.data[2].y) == pytest.approx(1.0, rel=0.06)
    without = shown._replace(flux=shown.reconstruction)
    level = draw_reconstruction(
        without._replace(flux=np.ones_like(shown.flux)), 0, max_pixels=4_000
    )
    assert level.layout.yaxis2.title.text == "residual"


@pytest.mark.parametrize(
    ("rv", "shift"), [(150.0, 1.0 + 150.0 / 299_792.458), (np.nan, 1.0)]
)
def test_lines_stand_at_the_stars_velocity(rv: float, shift: float) -> None:
    figure = draw_reconstruction(make_reconstructions(rv), 0, max_pixels=4_000)
    named = {note.text: note.x for note in figure.layout.annotations}
    assert named["Fe I 6230.7"] == pytest.approx(6230.72 * shift, abs=1e-6)
    marked = [line.x0 for line in figure.layout.shapes]
    assert named["Fe I 6230.7"] in marked
