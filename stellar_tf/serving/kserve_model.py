"""One version of an exported model, as KServe calls it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import to_http_parameters
from numpy.typing import NDArray

from stellar_tf.saved_model.assets import read_informative, read_settings
from stellar_tf.serving.batching import Batcher
from stellar_tf.serving.loading import (
    Arrays,
    LoadedSignature,
    TensorInfo,
    load_signatures,
)
from stellar_tf.serving.predict_protocol import read_predict, write_predict
from stellar_tf.serving.tensors import (
    check_inputs,
    check_shape,
    datatype,
    read_json_values,
)


class ServedModel(Model):
    """
    Answers V1 requests (dictionaries) and V2 requests (`InferRequest`).

    Parameters
    ----------
    name : str
        The model's name.
    version : int
        Its version.
    folder : Path
        The SavedModel.
    executor : Executor
        Where it is run.
    max_bytes : int
        What an answer may have.
    max_rows : int
        Rows of one call of the model.
    """

    def __init__(
        self,
        name: str,
        version: int,
        folder: Path,
        executor: Executor,
        *,
        max_bytes: int,
        max_rows: int,
    ) -> None:
        super().__init__(name)
        self.version = version
        self.settings: dict[str, Any] = {**read_settings(folder)}
        if dimensions := read_informative(folder):
            self.settings["dimensions"] = dimensions
        self.max_bytes = max_bytes
        self.signatures = load_signatures(folder)
        self._batchers = {
            key: Batcher(signature, name, max_rows, executor)
            for key, signature in self.signatures.items()
        }
        self._warm_up()
        self.load()

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe what the default signature takes; in a shape -1 is any number."""
        return _describe(self._signature(None).inputs)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe what the default signature gives; in a shape -1 is any number."""
        return _describe(self._signature(None).outputs)

    def describe(self) -> dict[str, Any]:
        """
        Tell what else a client may want to know.

        Returns
        -------
        parameters : dict
            ``signatures``, ``max_request_bytes`` and what `export` wrote beside the
            model: ``grid``, ``convert`` and, if it was analysed, the informative
            ``dimensions``.
        """
        signatures = {
            name: {
                "inputs": _describe(signature.inputs),
                "outputs": _describe(signature.outputs),
            }
            for name, signature in self.signatures.items()
        }
        return {
            "signatures": signatures,
            "max_request_bytes": self.max_bytes,
            **self.settings,
        }

    async def predict(
        self,
        payload: dict[str, Any] | InferRequest,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """
        Answer one request.

        Parameters
        ----------
        payload : dict or InferRequest
            The request.
        headers, response_headers : mapping, optional
            Given by KServe; no answer depends on them.

        Returns
        -------
        answer : dict or InferResponse
            In the form of the request; arrays are numpy's.

        Raises
        ------
        InvalidInput
            If the request does not fit the signature, or the model refuses it.
        """
        if isinstance(payload, InferRequest):
            return await self._infer(payload)
        signature = self._signature(payload.get("signature_name"))
        inputs = await asyncio.to_thread(read_predict, signature, payload)
        outputs = await self._run(signature, inputs)
        return write_predict(outputs, in_rows="instances" in payload)

    async def _infer(self, request: InferRequest) -> InferResponse:
        parameters = to_http_parameters(request.parameters or {})
        signature = self._signature(parameters.get("signature_name"))
        inputs = await asyncio.to_thread(_read_inputs, signature, request)
        outputs = await self._run(signature, inputs)
        for output in request.request_outputs or []:
            if output.name not in outputs:
                raise InvalidInput(f"{signature.name} has no output {output.name}")
        wanted = {output.name for output in request.request_outputs or []} or outputs
        specs = [spec for spec in signature.outputs if spec.name in wanted]
        return InferResponse(
            request.id,
            self.name,
            [_write_output(spec, outputs[spec.name], request) for spec in specs],
            model_version=str(self.version),
        )

    async def _run(
        self, signature: LoadedSignature, inputs: Arrays
    ) -> dict[str, NDArray[Any]]:
        check_inputs(signature, inputs, self.max_bytes)
        try:
            return await self._batchers[signature.name].run(inputs)
        except tf.errors.InvalidArgumentError as error:
            raise InvalidInput(f"{signature.name}: {_reason(error)}") from None

    def _signature(self, name: object) -> LoadedSignature:
        default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        wanted = default if name is None or name == "" else name
        if not isinstance(wanted, str) or wanted not in self.signatures:
            listed = ", ".join(sorted(self.signatures))
            raise InvalidInput(
                f"{self.name} has no signature {wanted}; it has {listed}"
            )
        return self.signatures[wanted]

    def _warm_up(self) -> None:
        """TensorFlow optimises a function when it is called for the first time."""
        for signature in self.signatures.values():
            if signature.has_rows:
                signature.run(
                    {
                        spec.name: np.ones([n or 1 for n in spec.shape], spec.dtype)
                        for spec in signature.inputs
                    }
                )


def _reason(error: tf.errors.InvalidArgumentError) -> str:
    """Find the model's own words among what TensorFlow tells of its graph."""
    lines = str(error).splitlines()
    own = [a for a, b in pairwise(lines) if b.lstrip().startswith("[[{{")]
    if not own:
        return "the model does not take these values"
    asserted = re.match(r"assertion failed: \[(.*?)\]", own[0])
    return asserted[1] if asserted else own[0]


def _describe(specs: tuple[TensorInfo, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "datatype": datatype(spec),
            "shape": [-1 if n is None else n for n in spec.shape],
        }
        for spec in specs
    ]


def _read_inputs(signature: LoadedSignature, request: InferRequest) -> Arrays:
    specs = {spec.name: spec for spec in signature.inputs}
    inputs: dict[str, NDArray[Any]] = {}
    for tensor in request.inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise InvalidInput(f"{signature.name} has no input {tensor.name}")
        if spec.name in inputs:
            raise InvalidInput(f"{spec.name} is given twice")
        if tensor.datatype != datatype(spec):
            raise InvalidInput(
                f"{spec.name} must be {datatype(spec)}, got {tensor.datatype}"
            )
        inputs[spec.name] = _read_tensor(tensor, spec)
    return inputs


def _read_tensor(tensor: Any, spec: TensorInfo) -> NDArray[Any]:
    shape = check_shape(spec.name, tensor.shape)
    try:
        if isinstance(tensor.data, np.ndarray):
            return tensor.data
        if tensor.data:
            return read_json_values(tensor.data, spec).reshape(shape)
        return np.asarray(tensor.as_numpy())  # from the bytes of gRPC
    except ValueError as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{spec.name}: the values do not have shape {list(shape)}"
        ) from None


def _write_output(
    spec: TensorInfo, values: NDArray[Any], request: InferRequest
) -> InferOutput:
    data: Any = values
    if request.from_grpc and not request.use_binary_outputs:
        data = values.ravel().tolist()
    return InferOutput(spec.name, list(values.shape), datatype(spec), data)
