from __future__ import annotations

import math
import random
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.config import Config, ModelConfig, load_config
from stellar_tf.network.model import (
    build_autoencoder,
    build_decoder,
    build_encoder,
    set_flux_scale,
)

STRIDED = ModelConfig.model_validate(
    {
        "architecture": "strided",
        "n_latent": 3,
        "subtract_mean": False,
        "strided": {"channels": (4, 6, 8, 8), "kernels": (7, 5, 3, 3)},
    }
)
FOLDED = ModelConfig.model_validate(
    {"n_latent": 3, "folded": {"folds": (8, 2), "channels": (4, 6), "kernels": (3, 1)}}
)
BINNED = ModelConfig.model_validate(
    {
        "n_latent": 3,
        "folded": {
            "encoder_binning": 2, "folds": (4, 2), "channels": (4, 6),
            "kernels": (3, 1), "n_basis": (5, 3), "decoder_binning": 4,
        },
    }
)  # fmt: skip


def n_trainable(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_the_papers_network_has_7046997_weights() -> None:
    autoencoder = build_autoencoder(load_config("paper"))
    assert n_trainable(autoencoder) == 7_046_997
    # The counter of the noise is the only other one.
    assert autoencoder.count_params() == 7_046_998
    assert autoencoder.input_shape == (None, 312_501)


def correlate(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int
) -> np.ndarray:
    """A convolution as the paper's framework defines it, term by term."""
    width = len(kernel)
    x = np.pad(x, (((width - 1) // 2,) * 2, (0, 0)))
    starts = range(0, len(x) - width + 1, stride)
    rows = [np.tensordot(x[s : s + width], kernel, 2) + bias for s in starts]
    return np.array(rows)


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0.0, x, 0.1 * x)


def randomise(model: keras.Model) -> None:
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0.0, 0.4, w.shape) for w in model.get_weights()])


def test_strided_encoder_term_by_term() -> None:
    encoder = build_encoder(STRIDED, 32)
    randomise(encoder)
    flux = np.random.default_rng(0).normal(size=(1, 32)).astype(np.float32)
    x = flux[0, :, np.newaxis]
    for i, stride in enumerate((2, 2, 2, 1), start=1):
        kernel, bias = encoder.get_layer(f"conv{i}").get_weights()
        x = leaky(correlate(x, kernel, bias, stride))
    flat = x.T.reshape(-1)  # channel by channel
    outputs = encoder(flux)
    for name in ("z_mean", "z_log_var"):
        kernel, bias = encoder.get_layer(name).get_weights()
        np.testing.assert_allclose(outputs[name][0], flat @ kernel + bias, rtol=1e-3)


def transpose(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int
) -> np.ndarray:
    """A transposed convolution: every input pixel paints the kernel, then a crop."""
    width = len(kernel)
    full = np.zeros((stride * (len(x) - 1) + width, kernel.shape[1]))
    for i, pixel in enumerate(x):
        full[stride * i : stride * i + width] += kernel @ pixel
    crop = (width - stride) // 2
    return full[crop : len(full) - crop] + bias


def test_strided_decoder_term_by_term() -> None:
    decoder = build_decoder(STRIDED, 32)
    randomise(decoder)
    z = np.random.default_rng(0).normal(size=(1, 3)).astype(np.float32)
    kernel, bias = decoder.get_layer("expand").get_weights()
    x = (z[0] @ kernel + bias).reshape(8, 4).T  # 8 channels of 4 positions
    for i, stride in ((4, 1), (3, 2), (2, 2), (1, 2)):
        kernel, bias = decoder.get_layer(f"deconv{i}").get_weights()
        x = leaky(transpose(x, kernel, bias, stride))
    kernel, bias = decoder.get_layer("predict").get_weights()
    expected = correlate(x, kernel, bias, 1)[:, 0]
    np.testing.assert_allclose(decoder(z)[0], expected, rtol=1e-3, atol=1e-4)


def test_a_binned_network_sees_and_makes_no_finer_detail() -> None:
    encoder, decoder = build_encoder(BINNED, 32), build_decoder(BINNED, 32)
    randomise(encoder)
    randomise(decoder)
    encoder.get_layer("standardise").reference.assign(tf.zeros(32))
    rng = np.random.default_rng(0)
    flux = rng.normal(size=(1, 32)).astype(np.float32)
    swapped = flux.reshape(-1, 2)[:, ::-1].reshape(1, 32)
    np.testing.assert_allclose(
        encoder(flux)["z_mean"], encoder(swapped)["z_mean"], rtol=1e-4, atol=1e-5
    )
    made = decoder(rng.normal(size=(1, 3)).astype(np.float32))[0].numpy()
    # Straight from the centre of one bin, at pixel 1.5, to that of the next, at 5.5.
    np.testing.assert_allclose(np.diff(made[2:6], 2), 0.0, atol=1e-4)


def test_an_encoder_sees_the_asinh_of_its_bins() -> None:
    encoder = build_encoder(BINNED, 32)
    seen = keras.Model(encoder.input, encoder.get_layer("to_channels").input)
    standardise = encoder.get_layer("standardise")
    standardise.scale.assign(0.05)
    flux = np.random.default_rng(3).normal(0.0, 1.0, (2, 32)).astype(np.float32)
    bins = (flux / 0.05).reshape(2, 16, 2).mean(axis=-1)
    np.testing.assert_allclose(seen(flux), np.arcsinh(bins), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0e30, -3.0e38, np.nan])
def test_posteriors_of_ours_are_bounded_whatever_the_flux(value: float) -> None:
    encoder = build_encoder(FOLDED, 32)
    randomise(encoder)
    posterior = encoder(np.full((1, 32), value, np.float32))
    assert np.abs(posterior["z_mean"]).max() < 40.0
    assert np.abs(posterior["z_log_var"]).max() < 40.0  # exp(40) has a square


def test_the_networks_scale_is_set_in_all_its_parts() -> None:
    config = Config.model_validate(
        {"grid": {"n_pixels": 29}, "model": BINNED.model_dump()}
    )
    autoencoder = build_autoencoder(config)
    mean = np.linspace(0.5, 1.5, 29, dtype=np.float32)
    set_flux_scale(autoencoder, config.model, mean, 0.3)
    binned = np.pad(mean, (1, 2), mode="edge").reshape(8, 4).mean(axis=1)
    encoder, decoder = (autoencoder.get_layer(name) for name in ("encoder", "decoder"))
    for layer, reference in (
        (encoder.get_layer("standardise"), mean),
        (decoder.get_layer("destandardise1"), binned),
        (decoder.get_layer("destandardise2"), np.zeros(8)),
    ):
        assert float(layer.scale) == pytest.approx(0.3)
        np.testing.assert_allclose(layer.reference, reference, rtol=1e-6)


def test_shortcuts_lead_past_the_dense_layers() -> None:
    encoder, decoder = build_encoder(FOLDED, 64), build_decoder(FOLDED, 64)
    for i in (1, 2):
        for model, name in (
            (encoder, f"encode_dense{i}"),
            (decoder, f"decode_dense{i}"),
        ):
            layer = model.get_layer(name)
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    flux = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    codes = encoder(flux)
    for values in codes.values():
        assert not np.allclose(values[0], values[1])
    # The displacement has a way past them of its own.
    displacement = decoder.get_layer("displacement1")
    displacement.kernel.assign(tf.zeros_like(displacement.kernel))
    spectra = decoder(codes["z_mean"])
    assert not np.allclose(spectra[0], spectra[1])


def test_sums_are_displaced_apart() -> None:
    decoder = build_decoder(BINNED, 32)
    names = {layer.name for layer in decoder.layers}
    assert {"displace1", "displace2"} <= names
    shapes = [decoder.get_layer(f"basis{i}").kernel.shape for i in (1, 2)]
    assert shapes == [(5, 8), (3, 8)]


@pytest.mark.parametrize(
    "model",
    [STRIDED, FOLDED, BINNED],
    ids=["strided", "folded", "binned"],
)
class TestAnyArchitecture:
    def build(self, model: ModelConfig) -> keras.Model:
        tree = {
            "model": model.model_dump(),
            "grid": {"n_pixels": 60},
        }
        return build_autoencoder(Config.model_validate(tree))

    def test_shapes(self, model: ModelConfig) -> None:
        outputs = self.build(model)(tf.ones((5, 60)))
        assert {name: tuple(t.shape) for name, t in outputs.items()} == {
            "reconstruction": (5, 60),
            "z": (5, 3),
            "kl": (5, 3),
            "z_mean": (5, 3),
            "z_log_var": (5, 3),
        }

    def test_seed_decides_the_initial_weights(self, model: ModelConfig) -> None:
        def draw(seed: int) -> list[np.ndarray]:
            tree = {
                "model": model.model_dump(),
                "grid": {"n_pixels": 60},
                "training": {"seed": seed},
            }
            autoencoder = build_autoencoder(Config.model_validate(tree))
            weights = [w.numpy() for w in autoencoder.trainable_weights]
            return [w for w in weights if w.ndim > 1]

        state = random.getstate()
        first, again, other = draw(0), draw(0), draw(1)
        assert random.getstate() == state
        for a, b, c in zip(first, again, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c)

    def test_bad_pixels_do_not_spread(self, model: ModelConfig) -> None:
        autoencoder = self.build(model)
        flux = np.ones((2, 60), np.float32)
        flux[0, 10:20] = np.nan
        outputs = autoencoder(flux)
        assert all(np.isfinite(output).all() for output in outputs.values())

    def test_saved_and_loaded(self, model: ModelConfig, tmp_path: Path) -> None:
        autoencoder = self.build(model)
        autoencoder.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        flux = np.random.default_rng(1).normal(size=(2, 60)).astype(np.float32)
        expected, found = autoencoder(flux), loaded(flux)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)

    def test_every_weight_learns(self, model: ModelConfig) -> None:
        autoencoder = self.build(model)
        with tf.GradientTape() as tape:
            outputs = autoencoder(tf.random.stateless_normal((4, 60), (1, 2)))
            loss = tf.reduce_sum(outputs["reconstruction"] ** 2 + 0.0)
            loss += tf.reduce_sum(outputs["kl"])
        weights = autoencoder.trainable_weights
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            assert gradient is not None, weight.path
            assert np.any(gradient.numpy()), weight.path

    def test_padding_is_of_bad_pixels(self, model: ModelConfig) -> None:
        """As a longer spectrum with bad pixels at its ends is encoded and decoded."""
        n_pixels = 61
        before, after = model.padding(n_pixels)
        assert (before + n_pixels + after) % model.length_multiple == 0
        assert 0 <= after - before <= 1
        flux = np.random.default_rng(0).normal(size=(2, n_pixels)).astype(np.float32)
        ends = ((0, 0), (before, after))
        padded = np.pad(flux, ends, constant_values=np.nan)
        encoders = [build_encoder(model, x.shape[1]) for x in (flux, padded)]
        decoders = [build_decoder(model, x.shape[1]) for x in (flux, padded)]
        for short, long in (encoders, decoders):
            for a, b in zip(short.weights, long.weights, strict=True):
                a.assign(b[: a.shape[0]] if a.name == "reference" else b)
        short, long = (e(x) for e, x in zip(encoders, (flux, padded), strict=True))
        np.testing.assert_allclose(
            short["z_mean"], long["z_mean"], rtol=1e-4, atol=1e-6
        )
        made, whole = (decoder(long["z_mean"]) for decoder in decoders)
        assert made.shape == flux.shape
        np.testing.assert_allclose(
            made, whole[:, before : before + n_pixels], rtol=1e-4, atol=1e-6
        )
