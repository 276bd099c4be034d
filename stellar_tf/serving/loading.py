"""The functions of a SavedModel, whatever they are, on numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name."""


class TensorInfo(NamedTuple):
    """What a signature takes or gives under a name."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """None where any number will do."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; what is of any length counts as 1."""
        return self.dtype.itemsize * math.prod(n or 1 for n in self.shape[1:])


class LoadedSignature(NamedTuple):
    """One function of the model."""

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    function: tf.types.experimental.ConcreteFunction

    @property
    def has_rows(self) -> bool:
        """
        Whether it treats every row apart, so that requests can share one call.

        True where all that goes in is a batch of vectors, and all that comes out a
        batch of something: a vector alone may be one spectrum, not a batch of numbers.
        """
        if not self.inputs or any(len(spec.shape) < 2 for spec in self.inputs):
            return False
        specs = (*self.inputs, *self.outputs)
        return all(spec.shape and spec.shape[0] is None for spec in specs)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Call the function with inputs of the names, types and shapes of `inputs`."""
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        return {name: out.numpy() for name, out in self.function(**tensors).items()}


def load_signatures(version: Path) -> dict[str, LoadedSignature]:
    """
    Load a SavedModel.

    Parameters
    ----------
    version : Path
        Its folder.

    Returns
    -------
    signatures : dict of str to LoadedSignature
        By name, ready to be called.
    """
    model = tf.saved_model.load(str(version))
    return {
        name: LoadedSignature(
            name,
            _read_specs(function.structured_input_signature[1]),
            _read_specs(function.structured_outputs),
            function,
        )
        for name, function in model.signatures.items()
    }


def _read_specs(specs: Mapping[str, tf.TensorSpec]) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(name, np.dtype(spec.dtype.as_numpy_dtype), _read_shape(spec.shape))
        for name, spec in specs.items()
    )


def _read_shape(shape: tf.TensorShape) -> tuple[int | None, ...]:
    # Of unknown rank: nothing that a request could be checked against.
    return () if shape.rank is None else tuple(shape.as_list())
