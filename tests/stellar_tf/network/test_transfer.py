from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from stellar_tf.config import Config
from stellar_tf.network.model import build_autoencoder, set_flux_scale
from stellar_tf.network.transfer import keep_dimensions, to_cubic

N_PIXELS = 64
KEPT = [4, 1]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give a test the same numbers whichever others were run before."""
    RNG.bit_generator.state = np.random.default_rng(1).bit_generator.state


def config(n_latent: int, spline_order: int = 1, **model: Any) -> Config:
    folded = {
        "folds": [8],
        "channels": [8],
        "kernels": [1],
        "dense": [6],
        "n_basis": [5],
        "spline_order": spline_order,
        **model.pop("folded", {}),
    }
    return Config.model_validate(
        {
            "grid": {"n_pixels": N_PIXELS},
            "model": {"n_latent": n_latent, "folded": folded, **model},
        }
    )


def build(config: Config) -> keras.Model:
    model = build_autoencoder(config)
    for weight in model.trainable_weights:
        weight.assign(RNG.normal(0.0, 0.3, weight.shape))
    if config.model.subtract_mean:
        mean = RNG.normal(1.0, 0.1, N_PIXELS).astype(np.float32)
        set_flux_scale(model, config.model, mean, 0.2)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"folded": {"dense": []}},
        {
            "architecture": "strided",
            "subtract_mean": False,
            "strided": {"channels": [4, 4, 8], "kernels": [3, 3, 3]},
        },
    ],
    ids=["folded", "no dense layers", "strided"],
)
def test_what_is_kept_encodes_and_decodes_as_before(changes: dict[str, Any]) -> None:
    source, target = build(config(6, **changes)), build(config(2, **changes))
    keep_dimensions(source, target, KEPT)
    flux = RNG.normal(1.0, 0.1, (3, N_PIXELS)).astype(np.float32)
    before, after = source(flux), target(flux)
    for name in ("z_mean", "z_log_var"):
        np.testing.assert_allclose(
            after[name], np.asarray(before[name])[:, KEPT], atol=1e-5
        )
    code = np.zeros((3, 6), np.float32)
    code[:, KEPT] = before["z_mean"].numpy()[:, KEPT]
    np.testing.assert_allclose(
        target.get_layer("decoder")(code[:, KEPT]),
        source.get_layer("decoder")(code),
        atol=1e-5,
    )


def test_codes_on_axes_stay_on_them() -> None:
    """The decoder exactly, the encoder where its compression does nothing yet."""
    source, target = build(config(4)), build(config(2))
    rotation = np.linalg.qr(RNG.normal(size=(4, 4)))[0].astype(np.float32)
    source.get_layer("encoder").get_layer("to_axes").matrix.assign(rotation)
    source.get_layer("decoder").get_layer("from_axes").matrix.assign(rotation.T)
    for name in ("z_mean", "z_log_var"):
        layer = source.get_layer("encoder").get_layer(name)
        layer.set_weights([1e-3 * weight for weight in layer.get_weights()])
    keep_dimensions(source, target, [3, 1])
    flux = RNG.normal(1.0, 0.1, (3, N_PIXELS)).astype(np.float32)
    before, after = np.asarray(source(flux)["z_mean"]), target(flux)["z_mean"]
    np.testing.assert_allclose(after, before[:, [3, 1]], atol=1e-6)
    code = np.zeros((3, 4), np.float32)
    code[:, [3, 1]] = RNG.normal(size=(3, 2))
    np.testing.assert_allclose(
        target.get_layer("decoder")(code[:, [3, 1]]),
        source.get_layer("decoder")(code),
        atol=1e-5,
    )


def test_splines_pass_through_the_values() -> None:
    values = RNG.normal(size=(2, 30)).astype(np.float32)
    ends = np.pad(to_cubic(values), ((0, 0), (1, 1)), mode="edge")
    at_pixels = (ends[:, :-2] + 4.0 * ends[:, 1:-1] + ends[:, 2:]) / 6.0
    np.testing.assert_allclose(at_pixels, values, atol=1e-5)


def test_cubic_splines_decode_the_same_where_nothing_moves() -> None:
    source, target = build(config(6)), build(config(6, spline_order=3))
    for model in (source, target):
        model.get_layer("decoder").get_layer("displacement1").kernel.assign(
            np.zeros((6, 3))
        )
        model.get_layer("decoder").get_layer("displacement1").bias.assign(np.zeros(3))
    keep_dimensions(source, target, range(6))
    code = RNG.normal(size=(2, 6)).astype(np.float32)
    np.testing.assert_allclose(
        target.get_layer("decoder")(code), source.get_layer("decoder")(code), atol=1e-5
    )


@pytest.mark.parametrize(
    "folded", [{"dense": [24, 24]}, {"dense": [24], "n_basis": [5, 3]}, {"dense": []}]
)
def test_a_decoder_without_corners_decodes_much_the_same(
    folded: dict[str, Any],
) -> None:
    source = build(config(6, folded=folded))
    smooth, copied = (
        build(config(2, folded={**folded, "smooth_decoder": True})) for _ in range(2)
    )
    keep_dimensions(source, smooth, KEPT)
    sharp = build(config(2, folded=folded))
    keep_dimensions(source, sharp, KEPT)
    copied.set_weights(sharp.get_weights())
    code = RNG.normal(size=(500, 2)).astype(np.float32)
    expected, fitted, plain = (
        np.asarray(model.get_layer("decoder")(code))
        for model in (sharp, smooth, copied)
    )
    error = np.sqrt(np.mean((fitted - expected) ** 2))
    assert error < np.sqrt(np.mean((plain - expected) ** 2)) / 3.0
    assert error < 0.1 * expected.std(axis=0).mean()
    # What cancels out is lost in float32.
    largest = [
        max(float(np.abs(weight).max()) for weight in model.get_weights())
        for model in (smooth, sharp)
    ]
    assert largest[0] < 10.0 * largest[1]


def test_another_network_is_refused() -> None:
    source, target = build(config(6)), build(config(2, folded={"dense": [4]}))
    with pytest.raises(ValueError, match="shape"):
        keep_dimensions(source, target, KEPT)
