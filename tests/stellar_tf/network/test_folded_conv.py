from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.network.folded_conv import FoldedConv1D


def build_pair(
    n_inputs: int, n_channels: int, width: int, stride: int, fold: int
) -> tuple[keras.Model, keras.Model]:
    """The folded layer and Keras' own, with the same weights."""
    pair = []
    for build in (FoldedConv1D, keras.layers.Conv1D):
        options = {"fold": fold} if build is FoldedConv1D else {}
        layer = build(5, width, stride, bias_initializer="normal", **options)
        pair.append(keras.Sequential([keras.Input((n_inputs, n_channels)), layer]))
    folded, plain = pair
    folded.set_weights(plain.get_weights())
    return folded, plain


@pytest.mark.parametrize(
    ("n_inputs", "n_channels", "width", "stride", "fold"),
    [(38, 1, 7, 2, 4), (37, 1, 7, 2, 4), (35, 3, 5, 2, 2), (34, 2, 3, 1, 8),
     (37, 2, 4, 3, 4), (37, 1, 7, 3, 11)],
)  # fmt: skip
def test_it_is_the_same_convolution_with_the_same_gradients(
    n_inputs: int, n_channels: int, width: int, stride: int, fold: int
) -> None:
    folded, plain = build_pair(n_inputs, n_channels, width, stride, fold)
    assert folded.output_shape == plain.output_shape
    shape = (2, n_inputs, n_channels)
    x = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
    results = []
    for model in (folded, plain):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
            total = tf.reduce_sum(tf.sin(y))
        results.append([y, *tape.gradient(total, [x, *model.trainable_weights])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_no_convolution_is_left() -> None:
    folded, plain = build_pair(38, 1, 7, 2, 4)
    kinds = []
    for model in (plain, folded):
        graph = tf.function(model).get_concrete_function(tf.zeros((2, 38, 1))).graph
        kinds.append({operation.type for operation in graph.get_operations()})
    assert "Conv2D" in kinds[0]
    assert "Conv2D" not in kinds[1]


def test_it_is_read_back(tmp_path: Path) -> None:
    folded, plain = build_pair(38, 1, 7, 2, 4)
    folded.save(tmp_path / "a.keras")
    read = keras.saving.load_model(tmp_path / "a.keras")
    assert isinstance(read.layers[0], FoldedConv1D)
    x = np.random.default_rng(0).normal(size=(2, 38, 1)).astype(np.float32)
    np.testing.assert_allclose(read(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("n_inputs", "width", "stride", "fold"),
    [(36, 7, 2, 4), (38, 9, 1, 2), (32, 2, 4, 2), (32, 2, 2, 2)],
)
def test_what_cannot_be_folded(
    n_inputs: int, width: int, stride: int, fold: int
) -> None:
    with pytest.raises(ValueError, match=r"fold must divide the .* outputs and fit"):
        build_pair(n_inputs, 1, width, stride, fold)
