"""The Open Inference protocol (V2) over REST: JSON, and tensors as bytes after it."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from kserve import InferInput, InferRequest, InferResponse
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import RequestedOutput

from stellar_tf.serving.predict_protocol import parse_json
from stellar_tf.serving.tensors import check_shape, read_bytes

MAX_TENSORS = 64
"""Tensors of a request, and outputs that it may name."""


def read_infer(body: bytes, json_length: str | None, model_name: str) -> InferRequest:
    """
    Read a request; KServe's own reader makes lists of numbers out of bytes.

    Parameters
    ----------
    body : bytes
        JSON, and perhaps the bytes of tensors.
    json_length : str, optional
        The header that says how much is JSON.
    model_name : str
        What is asked for.

    Returns
    -------
    request : InferRequest
        Its inputs hold lists where they came as JSON, arrays where as bytes.

    Raises
    ------
    InvalidInput
        If the body does not follow the protocol.
    """
    n_json = _read_length(json_length, len(body))
    request = parse_json(body[:n_json])
    inputs, rest = [], memoryview(body)[n_json:]
    for tensor in _objects(request, "inputs"):
        inputs.append(_read_input(tensor, rest))
        rest = rest[_binary_size(tensor) or 0 :]
    if len(rest):
        raise InvalidInput(f"{len(rest)} bytes belong to no input")
    outputs = [
        RequestedOutput(_text(output, "name"), _parameters(output))
        for output in _objects(request, "outputs", required=False)
    ]
    request_id = request.get("id")
    return InferRequest(
        model_name,
        inputs,
        request_id=str(request_id) if request_id else str(uuid.uuid4()),
        parameters=_parameters(request),
        request_outputs=outputs or None,
    )


def write_infer(
    response: InferResponse, request: InferRequest
) -> tuple[bytes, int | None]:
    """
    Write an answer.

    Parameters
    ----------
    response : InferResponse
        Its outputs hold arrays.
    request : InferRequest
        Says which outputs are wanted as bytes.

    Returns
    -------
    body : bytes
        JSON, and perhaps the bytes of tensors.
    n_json : int or None
        How many of these are JSON; None for all.
    """
    by_default = bool((request.parameters or {}).get("binary_data_output", False))
    wanted = {
        output.name: output.binary_data for output in request.request_outputs or []
    }
    outputs, parts = [], []
    for output in response.outputs:
        described = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": output.shape,
        }
        as_bytes = wanted.get(output.name)
        if by_default if as_bytes is None else as_bytes:
            parts.append(output.data.tobytes())
            described["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            described["data"] = output.data.ravel()
        outputs.append(described)
    answer = {
        "id": response.id,
        "model_name": response.model_name,
        "model_version": response.model_version,
        "outputs": outputs,
    }
    head = dump_json(answer)
    return b"".join([head, *parts]), len(head) if parts else None


def dump_json(answer: object) -> bytes:
    """Write JSON, arrays in it as lists and what is not finite as null."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _read_length(header: str | None, n_body: int) -> int:
    if header is None:
        return n_body
    # Python refuses to read thousands of digits.
    if not header.isdecimal() or len(header) > 20 or int(header) > n_body:
        raise InvalidInput(
            f"{INFERENCE_CONTENT_LENGTH_HEADER} must be a length within the body"
        )
    return int(header)


def _read_input(tensor: dict[str, Any], rest: memoryview) -> InferInput:
    name, type_name = _text(tensor, "name"), _text(tensor, "datatype")
    shape, size = check_shape(name, tensor.get("shape")), _binary_size(tensor)
    if (size is None) == ("data" not in tensor):
        raise InvalidInput(f"{name} must have either data or binary_data_size")
    data = tensor.get("data")
    if size is not None:
        if size > len(rest):
            raise InvalidInput(f"{name}: the body ends before its {size} bytes do")
        data = read_bytes(rest[:size], name, shape, type_name)
    return InferInput(name, list(shape), type_name, data)


def _binary_size(tensor: dict[str, Any]) -> int | None:
    size = _parameters(tensor).get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise InvalidInput("binary_data_size must be a number of bytes")
    return size


def _objects(
    request: dict[str, Any], key: str, *, required: bool = True
) -> list[dict[str, Any]]:
    values = request.get(key)
    if values is None and not required:
        return []
    if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
        raise InvalidInput(f"{key} must be a list of tensors")
    if len(values) > MAX_TENSORS:
        raise InvalidInput(f"{key} has more than {MAX_TENSORS} tensors")
    return values


def _parameters(holder: dict[str, Any]) -> dict[str, Any]:
    parameters = holder.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidInput("parameters must be an object")
    return parameters


def _text(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    if not isinstance(value, str):
        raise InvalidInput(f"every tensor must have a {key}")
    return value
