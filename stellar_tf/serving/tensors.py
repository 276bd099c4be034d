"""From what a request holds to arrays that fit a signature, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from kserve.errors import InvalidInput
from kserve.utils.numpy_codec import from_np_dtype, to_np_dtype
from numpy.typing import NDArray

from stellar_tf.serving.loading import Arrays, LoadedSignature, TensorInfo

_TYPES: dict[str, set[type]] = {
    "f": {float, int, type(None)},
    "i": {int},
    "u": {int},
    "b": {bool},
}
"""What a kind of tensor takes from JSON without changing it."""
_MAX_DEPTH = 8
"""Levels of nested lists: more than any tensor has."""


def datatype(spec: TensorInfo) -> str:
    """Name a type as the Open Inference protocol does."""
    return str(from_np_dtype(spec.dtype))


def read_json_values(values: object, spec: TensorInfo) -> NDArray[Any]:
    """
    Make an array of nested lists.

    Parameters
    ----------
    values : object
        From JSON; null is NaN, for JSON has no other way.
    spec : TensorInfo
        What they are for.

    Returns
    -------
    array : ndarray
        Of the type of the tensor, of whatever shape the lists have.

    Raises
    ------
    InvalidInput
        If the lists are ragged or hold what the tensor's type does not take.
    """
    if not _find_types(values, spec.name) <= _TYPES.get(spec.dtype.kind, set()):
        or_null = " or null" if spec.dtype.kind == "f" else ""
        raise InvalidInput(f"{spec.name} must hold {datatype(spec)} values{or_null}")
    try:
        # Left to itself numpy would make objects of numbers and null.
        array = np.array(values, np.float64 if spec.dtype.kind == "f" else None)
        with np.errstate(over="ignore"):  # beyond the type's range is infinite: bad
            return _cast(array, spec)
    except OverflowError:
        raise InvalidInput(f"{spec.name}: a number is too large") from None
    except (TypeError, ValueError):
        raise InvalidInput(f"{spec.name}: the lists must make a rectangle") from None


def _find_types(values: object, name: str) -> set[type]:
    """
    Find what nested lists hold, level by level.

    Before numpy sees them: it would give each of many values the room of the longest
    text among them.
    """
    types: set[type] = set()
    lists: list[list[Any]] = [[values]]
    for _ in range(_MAX_DEPTH):
        here = set().union(*(map(type, items) for items in lists))
        types |= here - {list}
        if list not in here:
            return types
        lists = [item for items in lists for item in items if type(item) is list]
    raise InvalidInput(f"{name}: the lists are nested deeper than {_MAX_DEPTH}")


def _cast(array: NDArray[Any], spec: TensorInfo) -> NDArray[Any]:
    cast = array.astype(spec.dtype)
    if spec.dtype.kind in "iu" and array.size and not np.array_equal(cast, array):
        raise OverflowError
    return cast


def read_bytes(
    content: bytes | memoryview, name: str, shape: Iterable[int], type_name: str
) -> NDArray[Any]:
    """
    Take an array from its bytes, without copying them.

    Parameters
    ----------
    content : bytes or memoryview
        Little-endian, row by row.
    name : str
        Of the tensor.
    shape : iterable of int
        Its shape.
    type_name : str
        Its type, as the Open Inference protocol names it.

    Returns
    -------
    array : ndarray
        Not to be written to.

    Raises
    ------
    InvalidInput
        If the type is unknown, or there are more or fewer bytes than the shape says.
    """
    dtype = to_np_dtype(type_name)
    if dtype is None or type_name == "BYTES":
        raise InvalidInput(f"{name}: unknown datatype {type_name}")
    try:
        return np.frombuffer(content, np.dtype(dtype)).reshape(check_shape(name, shape))
    except ValueError:
        raise InvalidInput(
            f"{name}: {len(content)} bytes are not {type_name} of shape {list(shape)}"
        ) from None


def check_shape(name: str, shape: object) -> tuple[int, ...]:
    """
    Take a shape that a request states.

    Parameters
    ----------
    name : str
        Of the tensor.
    shape : object
        What stands there.

    Returns
    -------
    shape : tuple of int
        The same.

    Raises
    ------
    InvalidInput
        If it is no list of a few non-negative integers.
    """
    numbers: list[Any] = list(shape) if isinstance(shape, Iterable) else [None]
    if len(numbers) > _MAX_DEPTH or any(type(n) is not int or n < 0 for n in numbers):
        raise InvalidInput(f"{name}: shape must be a list of integers")
    return tuple(numbers)


def check_inputs(signature: LoadedSignature, inputs: Arrays, max_bytes: int) -> None:
    """
    Refuse what a signature does not take.

    Parameters
    ----------
    signature : LoadedSignature
        What is to be called.
    inputs : mapping of str to ndarray
        With what.
    max_bytes : int
        What the answer may have: a short code is decoded to a long spectrum.

    Raises
    ------
    InvalidInput
        If a tensor is missing, unknown, or of another type or shape.
    """
    wanted = {spec.name: spec for spec in signature.inputs}
    if set(inputs) != set(wanted):
        raise InvalidInput(
            f"{signature.name} takes {', '.join(wanted)}; got {', '.join(inputs)}"
        )
    for name, array in inputs.items():
        _check_tensor(array, wanted[name])
    if signature.has_rows:
        counts = {len(array) for array in inputs.values()}
        if len(counts) > 1 or 0 in counts:
            raise InvalidInput(
                "all inputs must have the same number of rows, 1 or more"
            )
        row_bytes = sum(spec.row_bytes for spec in signature.outputs)
        max_rows = max(1, max_bytes // row_bytes)
        if counts.pop() > max_rows:
            raise InvalidInput(
                f"the answer would be too large; {signature.name} takes at most "
                f"{max_rows} rows a request here"
            )


def _check_tensor(array: NDArray[Any], spec: TensorInfo) -> None:
    if array.dtype != spec.dtype:
        got = from_np_dtype(array.dtype) or array.dtype
        raise InvalidInput(f"{spec.name} must be {datatype(spec)}, got {got}")
    fits = len(array.shape) == len(spec.shape) and all(
        wanted in (None, got)
        for wanted, got in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ["any" if n is None else n for n in spec.shape]
        raise InvalidInput(
            f"{spec.name} must have shape ({', '.join(map(str, wanted))}), "
            f"got {array.shape}"
        )
