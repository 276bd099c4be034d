from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stellar_tf import losses
from stellar_tf.config import load_config


def spectra(seed: int, n_pixels: int = 24) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    flux = rng.normal(1.0, 0.3, (4, n_pixels)).astype(np.float32)
    flux[rng.random(flux.shape) < 0.3] = np.nan
    return flux, rng.normal(1.0, 0.3, flux.shape).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1, 2, 4, 8]))
def test_reconstruction_error_is_the_plain_formula(seed: int, scale: int) -> None:
    flux, reconstruction = spectra(seed)
    expected = []
    for target, guess in zip(flux, reconstruction, strict=True):
        guess = np.where(np.isfinite(target), guess, np.nan)
        errors = []
        for t, g in zip(
            target.reshape(-1, scale), guess.reshape(-1, scale), strict=True
        ):
            if np.isfinite(t).any():
                errors.append(abs(np.nanmean(t) - np.nanmean(g)))
        expected.append(np.mean(errors) if errors else 0.0)
    error = losses.reconstruction_error(
        tf.constant(flux), tf.constant(reconstruction), (scale,)
    )
    np.testing.assert_allclose(error, expected, rtol=1e-4, atol=1e-6)


def test_scales_are_averaged() -> None:
    flux, reconstruction = map(tf.constant, spectra(1))
    both = losses.reconstruction_error(flux, reconstruction, (1, 4))
    each = [losses.reconstruction_error(flux, reconstruction, (s,)) for s in (1, 4)]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2.0, rtol=1e-6)


def test_bad_pixels_have_no_gradient() -> None:
    flux, reconstruction = spectra(2)
    flux[0] = np.nan
    guess = tf.Variable(reconstruction)
    with tf.GradientTape() as tape:
        error = losses.reconstruction_error(tf.constant(flux), guess, (1, 4))
    gradient = tape.gradient(error, guess).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[np.isnan(flux)].any()
    assert gradient[1:].any(axis=1).all()
    assert error.numpy()[0] == 0.0


def test_reduce_kl() -> None:
    kl = tf.constant([[1.0, 2.0, 3.0]])
    assert losses.reduce_kl(kl, "sum").numpy() == pytest.approx([6.0])
    assert losses.reduce_kl(kl, "mean").numpy() == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.0), (5_000, 0.0), (12_500, 0.15), (20_000, 0.3), (10**6, 0.3)],
)
def test_kl_weight_of_the_paper(step: int, expected: float) -> None:
    schedule = load_config("paper").objective.kl_weights
    assert losses.kl_weight_at(step, schedule) == pytest.approx(expected)


def test_kl_weight_may_fall() -> None:
    schedule = ((0, 0.4), (10, 0.1), (20, 0.3))
    weights = [losses.kl_weight_at(step, schedule) for step in (0, 5, 10, 15, 99)]
    assert weights == pytest.approx([0.4, 0.25, 0.1, 0.2, 0.3])
