from __future__ import annotations

import numpy as np
import tensorflow as tf

from stellar_tf.network.gauss_newton import (
    FREEDOM,
    Measurement,
    measure_codes,
    measure_noise,
)

N_PIXELS, N_LATENT = 300, 3
RNG = np.random.default_rng(0)
PIXEL = np.arange(N_PIXELS)
BASIS = np.array([np.sin(PIXEL / (5.0 + 3.0 * k)) for k in range(N_LATENT)]) * 0.1


def decode(z: tf.Tensor) -> tf.Tensor:
    """Decode linearly, as a network on its best behaviour."""
    return 1.0 + z @ tf.constant(BASIS, tf.float32)


def draw_noise(n: int, deviation: float) -> np.ndarray:
    """Draw noise whose neighbours correlate by one half."""
    white = RNG.normal(size=(n, N_PIXELS + 1)) * np.sqrt(0.5)
    return (white[:, 1:] + white[:, :-1]) * deviation


def measure(flux: np.ndarray, error: np.ndarray | None = None) -> Measurement:
    start = tf.zeros((len(flux), N_LATENT))
    errors = None if error is None else tf.constant(error, tf.float32)
    return measure_codes(
        decode, tf.constant(flux, tf.float32), start, errors, n_steps=8
    )


def spectra(n: int, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    z = RNG.normal(size=(n, N_LATENT))
    return z, np.asarray(decode(tf.constant(z, tf.float32))) + draw_noise(n, deviation)


def test_a_linear_decoder_has_the_ridge_regressions_posterior() -> None:
    _, flux = spectra(1, 0.05)
    found = measure(flux)
    deviation = np.asarray(found.noise.deviation, np.float64)[0]
    residual = (flux - np.asarray(decode(found.z)))[0] / deviation
    root = 1.0 / np.sqrt(1.0 + residual**2 / FREEDOM)
    lag = np.abs(np.subtract.outer(PIXEL, PIXEL))
    correlation = float(found.noise.correlation[0])
    inverse = np.linalg.inv(np.where(lag == 0, 1.0, correlation * (lag == 1)))
    slopes = BASIS * root / deviation
    level = np.asarray(decode(found.z), np.float64)[0] * root / deviation
    along = inverse @ level / (level @ inverse @ level)  # what changes the level only
    inverse -= np.outer(along, level @ inverse)
    normal = slopes @ inverse @ slopes.T + np.eye(N_LATENT)
    np.testing.assert_allclose(found.covariance[0], np.linalg.inv(normal), rtol=3e-3)
    pull = slopes @ inverse @ (root * residual)
    off = np.linalg.solve(normal, pull - np.asarray(found.z)[0])
    np.testing.assert_allclose(off, 0.0, atol=5e-3)  # less than a tenth of the width


def test_the_level_of_a_spectrum_is_free() -> None:
    """The median of noisy flux is off by more than its mean."""
    _, flux = spectra(20, 0.02)
    once, other = measure(flux), measure(1.01 * flux)
    width = np.sqrt(np.diagonal(np.asarray(once.covariance), axis1=1, axis2=2))
    # Half a per cent of the codes themselves, and a tenth of the width, remain.
    assert (np.abs(once.z - other.z) < 0.15 * width + 0.02).all()


def test_pulls_are_unit_normal() -> None:
    z, flux = spectra(2000, 0.05)
    found = measure(flux)
    variance = np.diagonal(np.asarray(found.covariance), axis1=1, axis2=2)
    pulls = (np.asarray(found.z) - z) / np.sqrt(variance)
    assert np.abs((np.abs(pulls) < 1.0).mean() - 0.683) < 0.03
    assert np.abs((np.abs(pulls) < 1.96).mean() - 0.95) < 0.02


def test_noise_is_measured_by_what_the_model_leaves() -> None:
    model = np.where(PIXEL < 150, 1.0, 0.25) * np.ones((200, 1))
    flux = model + draw_noise(200, 1.0) * 0.03 * np.sqrt(model)
    flux[:, 5] = np.nan
    noise = measure_noise(*(tf.constant(x, tf.float32) for x in (flux, model)))
    mean = np.asarray(noise.deviation).mean(axis=0)
    np.testing.assert_allclose(mean[[0, 299]], [0.03, 0.015], rtol=0.02)
    # Half is more than is believed.
    assert 0.43 < np.asarray(noise.correlation).mean() <= 0.45


def test_errors_count_and_more_where_residuals_are_larger() -> None:
    _, flux = spectra(2, 0.05)
    error = np.full(flux.shape, 0.1)
    error[0, 7] = np.nan
    error[1] = 0.01
    model = decode(measure(flux).z)
    noise = measure_noise(*(tf.cast(x, tf.float32) for x in (flux, model, error)))
    deviation = np.asarray(noise.deviation)
    np.testing.assert_allclose(deviation[0, :7], 0.1, rtol=1e-6)
    assert np.isinf(deviation[0, 7])
    np.testing.assert_allclose(deviation[1, 0], 0.05, rtol=0.2)


def test_a_spectrum_without_errors_is_measured_beside_one_with() -> None:
    z, flux = spectra(2, 0.05)
    error = np.full(flux.shape, 0.05)
    error[1] = np.nan
    found = measure(flux, error)
    np.testing.assert_allclose(found.z, z, atol=0.5)
    widths = np.asarray(found.covariance)[:, 0, 0]
    assert widths[1] / widths[0] < 1.5


def test_cosmic_rays_hardly_move_a_code() -> None:
    _, flux = spectra(1, 0.01)
    clean = measure(flux)
    flux[0, [40, 90, 200]] += 50.0
    width = np.sqrt(np.diagonal(np.asarray(clean.covariance)[0]))
    # Plainly averaged, each would move it by hundreds of widths.
    assert (np.abs(measure(flux).z - clean.z)[0] < 3.0 * width).all()


def test_without_a_valid_pixel_the_posterior_is_the_prior() -> None:
    found = measure(np.full((1, N_PIXELS), np.nan))
    np.testing.assert_array_equal(found.z, np.zeros((1, N_LATENT)))
    np.testing.assert_allclose(found.covariance[0], np.eye(N_LATENT), atol=1e-6)


def test_each_spectrum_stops_where_it_would_alone() -> None:
    _, flux = spectra(3, 0.05)
    flux[1] += np.asarray(decode(tf.constant([[2.0, -2.0, 1.0]])))[0] - 1.0
    together = measure(flux)
    assert np.asarray(together.has_converged).all()
    for row in range(3):
        alone = measure(flux[row : row + 1])
        np.testing.assert_allclose(together.z[row], alone.z[0], atol=1e-3)
        np.testing.assert_allclose(
            together.covariance[row], alone.covariance[0], rtol=1e-4, atol=1e-6
        )


def test_who_does_not_arrive_is_told() -> None:
    _, flux = spectra(2, 0.05)
    # A step is half a unit of the code at most.
    flux[1] += np.asarray(decode(tf.constant([[7.0, 0.0, 0.0]])))[0] - 1.0
    found = measure(flux)
    assert np.asarray(found.has_converged).tolist() == [True, False]
    assert np.asarray(found.z)[1, 0] < 4.1


def test_steps_that_go_to_and_fro_are_shortened() -> None:
    """What the decoder cannot describe lies where it bends away from."""
    bend = 0.1 * np.cos(PIXEL / 7.0)

    def decode_bent(z: tf.Tensor) -> tf.Tensor:
        return decode(z) + z[:, :1] ** 2 * tf.constant(bend, tf.float32)

    rng = np.random.default_rng(0)
    flux = 1.0 - bend + rng.normal(size=(6, N_PIXELS)) * 0.02
    start = tf.constant(rng.normal(size=(6, N_LATENT)) * 0.5, tf.float32)
    found = measure_codes(decode_bent, tf.constant(flux, tf.float32), start)
    assert np.asarray(found.has_converged).all()
    # Along the bend nothing fits better than to stay where it begins.
    np.testing.assert_allclose(found.z[:, 0], 0.0, atol=0.1)
