from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stellar_tf.config import load_config
from stellar_tf.training import losses


def spectra(seed: int, n_pixels: int = 24) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    flux = rng.normal(1.0, 0.3, (4, n_pixels)).astype(np.float32)
    flux[rng.random(flux.shape) < 0.3] = np.nan
    return flux, rng.normal(1.0, 0.3, flux.shape).astype(np.float32)


@pytest.mark.parametrize("scale", [1, 4, 5])
def test_weighted_error_is_the_plain_formula(scale: int) -> None:
    flux, reconstruction = spectra(0)
    rng = np.random.default_rng(1)
    error = np.exp(rng.normal(-3.0, 1.0, flux.shape)).astype(np.float32)
    error[0, :5] = np.nan, 0.0, -1.0, np.inf, 1.0e-9  # not known, and hardly true
    error[3] = np.nan
    expected = []
    for target, guess, sigma in zip(flux, reconstruction, error, strict=True):
        valid = np.isfinite(target)
        known = valid & np.isfinite(sigma) & (sigma > 0.0)
        weight = np.where(valid, 1.0, 0.0)
        if known.any():
            mean = np.exp(np.mean(np.log(sigma[known].astype(np.float64))))
            weight[known] = np.minimum(mean / sigma[known], 10.0)
        total = count = 0.0
        for first in range(0, target.size, scale):
            group = slice(first, first + scale)
            if valid[group].any():
                apart = (target - guess)[group][valid[group]].mean()
                total += weight[group].mean() * abs(apart)
                count += weight[group].mean()
        expected.append(total / count)
    weights = losses.weigh_pixels(tf.constant(flux), tf.constant(error))
    found = losses.reconstruction_error(
        tf.constant(flux), tf.constant(reconstruction), (scale,), weights
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    plain = losses.masked_absolute_error(flux, reconstruction)
    even = losses.weigh_pixels(tf.constant(flux), tf.fill(flux.shape, 0.3))
    found = losses.masked_absolute_error(flux, reconstruction, even)
    np.testing.assert_allclose(found, plain, rtol=1e-5)


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
    assert float(losses.kl_weight_at(step, schedule)) == pytest.approx(expected)


def test_kl_weight_may_fall() -> None:
    schedule = ((0, 0.4), (10, 0.1), (20, 0.3))
    weights = [
        float(losses.kl_weight_at(step, schedule)) for step in (0, 5, 10, 15, 99)
    ]
    assert weights == pytest.approx([0.4, 0.25, 0.1, 0.2, 0.3])


def test_free_nats_count_small_divergences_alike() -> None:
    kl = tf.constant([[0.1, 0.5, 2.0], [0.0, 0.3, 0.2]])
    found = losses.reduce_kl(kl, "sum", free_nats=0.3)
    np.testing.assert_allclose(found, [0.3 + 0.5 + 2.0, 0.3 + 0.3 + 0.3])
    np.testing.assert_allclose(losses.reduce_kl(kl, "mean", 0.0), [2.6 / 3, 0.5 / 3])


def test_total_correlation_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(0)
    z, mean, log_var = (rng.normal(0.0, 1.0, (5, 3)).astype("f4") for _ in range(3))
    density = np.empty((5, 5, 3))
    for i, j, d in np.ndindex(5, 5, 3):
        variance = np.exp(log_var[j, d])
        exponent = np.exp(-((z[i, d] - mean[j, d]) ** 2) / (2.0 * variance))
        density[i, j, d] = exponent / np.sqrt(2.0 * np.pi * variance)
    joint = np.log(density.prod(axis=2).mean(axis=1))
    marginals = np.log(density.mean(axis=1)).sum(axis=1)
    found = losses.total_correlation(*map(tf.constant, (z, mean, log_var)))
    np.testing.assert_allclose(found, joint - marginals, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_total_correlation_of_a_bivariate_normal(rho: float) -> None:
    """The closed form is -log(1 - rho^2) / 2."""
    rng = np.random.default_rng(1)
    n, variance = 3000, 0.3  # posteriors and their means add up to unit variances
    covariance = np.array([[1.0, rho], [rho, 1.0]]) - variance * np.eye(2)
    if rho > 0.6:
        variance = 0.05
        covariance = np.array([[1.0, rho], [rho, 1.0]]) - variance * np.eye(2)
    mean = rng.multivariate_normal([0.0, 0.0], covariance, n).astype("f4")
    z = mean + rng.normal(0.0, np.sqrt(variance), mean.shape).astype("f4")
    log_var = np.full_like(mean, np.log(variance))
    found = losses.total_correlation(*map(tf.constant, (z, mean, log_var)))
    expected = -0.5 * np.log(1.0 - rho**2)
    assert float(tf.reduce_mean(found)) == pytest.approx(expected, abs=0.04)
