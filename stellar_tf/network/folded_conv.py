"""A convolution of few channels as one product of matrices."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("stellar_tf")
class FoldedConv1D(keras.layers.Conv1D):
    """
    A strided convolution computed as one product of matrices, with the same weights.

    Parameters
    ----------
    *args
        Those of `keras.layers.Conv1D`: filters, kernel size and strides.
    fold : int
        Neighbouring outputs that are computed together. Their number must be a
        multiple of it, and the fold as long as what the kernel reaches beyond it.
    **kwargs
        Passed on to `keras.layers.Conv1D`; padding must be "valid".

    Raises
    ------
    ValueError
        When it is built, if the outputs cannot be folded so.

    Notes
    -----
    Each row of the one matrix holds the inputs that ``fold`` outputs need, each column
    of the other the kernel, moved to where its output reads. Most of that matrix is
    zero, but where the kernel is small and has few channels the dense product is
    faster than the convolution, which then moves more than it computes.
    """

    def __init__(self, *args: Any, fold: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fold = fold

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        (stride,), (width,) = self.strides, self.kernel_size
        n_outputs = ((input_shape[1] or 0) - width) // stride + 1
        reach = stride * (self.fold + 1)
        if n_outputs % self.fold or not stride < width <= reach:
            raise ValueError(
                f"fold must divide the {n_outputs} outputs and fit the kernel of "
                f"{width} and stride {stride}, got {self.fold}"
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        (stride,), (width,) = self.strides, self.kernel_size
        n_channels, step = inputs.shape[2], stride * self.fold
        n_rows = ((inputs.shape[1] - width) // stride + 1) // self.fold
        n_beyond = width - stride
        # The outputs of a row read its own inputs and the first of the next row.
        end = n_rows * step
        rows = tf.reshape(inputs[:, :end], (-1, n_rows, step * n_channels))
        last = inputs[:, end : end + n_beyond]
        last = tf.reshape(last, (-1, 1, n_beyond * n_channels))
        beyond = tf.concat([rows[:, 1:, : n_beyond * n_channels], last], axis=1)
        rows = tf.concat([rows, beyond], axis=2)
        band = self._band(tf.convert_to_tensor(self.kernel))
        outputs = tf.matmul(tf.reshape(rows, (-1, rows.shape[2])), band)
        if self.use_bias:
            outputs += tf.tile(tf.convert_to_tensor(self.bias), [self.fold])
        return tf.reshape(outputs, (-1, n_rows * self.fold, self.filters))

    def _band(self, kernel: tf.Tensor) -> tf.Tensor:
        """Move the kernel to each output, (inputs of a row, fold * filters)."""
        (stride,) = self.strides
        room = stride * (self.fold - 1)
        moved = [
            tf.pad(kernel, [[begin, room - begin], [0, 0], [0, 0]])
            for begin in range(0, room + 1, stride)
        ]
        band = tf.stack(moved, axis=2)  # (room + width, n_channels, fold, filters)
        return tf.reshape(band, (-1, self.fold * self.filters))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fold": self.fold}
