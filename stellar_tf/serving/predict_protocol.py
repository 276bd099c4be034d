"""TensorFlow Serving's REST protocol, which is KServe's V1: rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from kserve.errors import InvalidInput
from numpy.typing import NDArray

from stellar_tf.serving.loading import Arrays, LoadedSignature, TensorInfo
from stellar_tf.serving.tensors import read_json_values

MAX_NUMBERS = 1 << 23
"""Numbers of a JSON request; in Python's lists each takes 40 bytes."""
MAX_PARTS = 65_536
"""Lists, objects and strings of a JSON request; each takes 50 bytes or more."""


def parse_json(body: bytes) -> dict[str, Any]:
    """
    Read a JSON object.

    Parameters
    ----------
    body : bytes
        Of the request.

    Returns
    -------
    request : dict
        What it says.

    Raises
    ------
    InvalidInput
        If it is something else, or more than `MAX_NUMBERS` or `MAX_PARTS`.
    """
    _check_size(body)
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Python's json writes NaN, which no standard knows.
        hint = "; a bad pixel is null" if b"NaN" in body[:4096] else ""
        raise InvalidInput(f"the body is not JSON: {error}{hint}") from None
    if not isinstance(request, dict):
        raise InvalidInput("the body must be a JSON object")
    return request


def _check_size(body: bytes) -> None:
    """Count by the marks of JSON, before there are lists: it takes milliseconds."""
    n_parts = body.count(b"[") + body.count(b"{") + body.count(b'"') // 2
    if n_parts > MAX_PARTS:
        raise InvalidInput(
            f"the JSON has {n_parts} lists, objects and strings, of {MAX_PARTS} at "
            f"most; send fewer rows, or tensors as bytes"
        )
    if body.count(b",") > MAX_NUMBERS:
        raise InvalidInput(
            f"the JSON has more than {MAX_NUMBERS} numbers; send tensors as bytes"
        )


def read_predict(signature: LoadedSignature, request: Mapping[str, Any]) -> Arrays:
    """
    Take the inputs of a signature from a request.

    Parameters
    ----------
    signature : LoadedSignature
        What is to be called.
    request : mapping
        With ``instances``, one a row, or ``inputs``, one a tensor.

    Returns
    -------
    inputs : dict of str to ndarray
        By name.

    Raises
    ------
    InvalidInput
        If the request has neither or both, or they do not fit.
    """
    if ("instances" in request) == ("inputs" in request):
        raise InvalidInput("the request must have either instances or inputs")
    if "inputs" in request:
        columns = _by_name(request["inputs"], signature.inputs)
    else:
        columns = _gather_rows(request["instances"], signature.inputs)
    specs = {spec.name: spec for spec in signature.inputs}
    for name in columns:
        if name not in specs:
            raise InvalidInput(f"{signature.name} has no input {name}")
    return {
        name: read_json_values(values, specs[name]) for name, values in columns.items()
    }


def write_predict(outputs: Arrays, *, in_rows: bool) -> dict[str, Any]:
    """
    Form the answer.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        By name.
    in_rows : bool
        Whether ``instances`` were given.

    Returns
    -------
    answer : dict
        ``predictions`` or ``outputs``; a single output goes without its name.

    Raises
    ------
    InvalidInput
        If rows are wanted of outputs that have no rows in common.
    """
    if not in_rows:
        single = next(iter(outputs.values())) if len(outputs) == 1 else None
        return {"outputs": dict(outputs) if single is None else single}
    counts = {array.shape[0] if array.ndim else None for array in outputs.values()}
    if len(counts) != 1 or None in counts:
        raise InvalidInput("these outputs have no rows; send inputs, not instances")
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    rows: list[dict[str, NDArray[Any] | np.generic]] = [
        dict(zip(outputs, row, strict=True))
        for row in zip(*outputs.values(), strict=True)
    ]
    return {"predictions": rows}


def _by_name(values: object, specs: tuple[TensorInfo, ...]) -> Mapping[str, object]:
    if isinstance(values, dict):
        return values
    if len(specs) != 1:
        raise InvalidInput("inputs must be an object with every input by its name")
    return {specs[0].name: values}


def _gather_rows(rows: object, specs: tuple[TensorInfo, ...]) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise InvalidInput("instances must be a list of at least one row")
    named = [_by_name(row, specs) for row in rows]
    if any(set(row) != set(named[0]) for row in named):
        raise InvalidInput("instances must all have the same inputs")
    return {name: [row[name] for row in named] for name in named[0]}
