"""The gRPC side of the Open Inference protocol."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer

from stellar_tf.serving.errors import ServingError
from stellar_tf.serving.repository import VersionedDataPlane, address
from stellar_tf.serving.wire import parse_bounded

PARAMETERS_KEY = "model-parameters"
"""Trailing metadata of ModelMetadata: the protocol has no field for parameters."""

_LOG = logging.getLogger(__name__)
_ROOM_FOR_HEADERS = 65_536
_MAX_CALLS = 64
"""More at a time are answered RESOURCE_EXHAUSTED."""

_UNPARSED = ("ModelInfer", "RepositoryModelLoad", "RepositoryModelUnload")
"""Calls whose messages hold messages; the other ones hold two strings at most."""


class _Servicer(InferenceServicer):
    """KServe's, with versions, and without loading and unloading of models."""

    def __init__(self, data_plane: VersionedDataPlane, max_bytes: int) -> None:
        super().__init__(data_plane, None)
        self._max_bytes = max_bytes

    async def ModelReady(self, request: Any, context: Any) -> Any:
        async with _errors_as_status(context):
            model = self._data_plane.find(address(request.name, request.version))
            return pb.ModelReadyResponse(ready=await model.healthy())

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        async with _errors_as_status(context):
            name = address(request.name, request.version)
            metadata = await self._data_plane.model_metadata(name)
            parameters = metadata.pop("parameters")
            shown = {key: parameters.get(key) for key in ("version", "grid")}
            context.set_trailing_metadata(((PARAMETERS_KEY, json.dumps(shown)),))
            return pb.ModelMetadataResponse(**metadata)

    async def ModelInfer(self, request: bytes, context: Any) -> Any:
        async with _errors_as_status(context):
            asked = parse_bounded(request, pb.ModelInferRequest, self._max_bytes)
            return await self._infer(asked, context)

    async def _infer(self, request: Any, context: Any) -> Any:
        name = address(request.model_name, request.model_version)
        self._data_plane.find(name)
        request.model_name = name
        return await super().ModelInfer(request, context)

    async def RepositoryModelLoad(self, request: bytes, context: Any) -> Any:
        reason = "a client neither loads nor unloads models"
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)

    RepositoryModelUnload = RepositoryModelLoad


class _UnparsedCalls:
    """
    A server to which the generated code may add its handlers.

    Parameters
    ----------
    server : grpc.aio.Server
        Where they go; those that parse what may be large do not parse it.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Leave them out: each of them is among the registered ones."""

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Add the handlers of a service, by the names of its calls."""
        unparsed = {
            name: handler._replace(request_deserializer=None)
            if name in _UNPARSED
            else handler
            for name, handler in handlers.items()
        }
        self._server.add_registered_method_handlers(service, unparsed)


def build_grpc_server(
    data_plane: VersionedDataPlane, host: str, port: int, max_bytes: int
) -> tuple[grpc.aio.Server, int]:
    """
    Build the server, on its port but not yet started.

    Parameters
    ----------
    data_plane : VersionedDataPlane
        What answers.
    host : str
        Where it listens.
    port : int
        Where it listens; 0 for any that is free.
    max_bytes : int
        Of a request, and of an answer.

    Returns
    -------
    server : grpc.aio.Server
        The server.
    port : int
        Its port.

    Raises
    ------
    ServingError
        If the port cannot be had.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_bytes + _ROOM_FOR_HEADERS),
            ("grpc.max_send_message_length", max_bytes + _ROOM_FOR_HEADERS),
            # Two servers on one port would each get some of the calls.
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=_MAX_CALLS,
    )
    servicer = _Servicer(data_plane, max_bytes)
    add_GRPCInferenceServiceServicer_to_server(servicer, _UnparsedCalls(server))
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server, server.add_insecure_port(target)
    except RuntimeError:
        raise ServingError(f"grpc_port {port}: {host} cannot be listened on") from None


@asynccontextmanager
async def _errors_as_status(context: Any) -> AsyncIterator[None]:
    # KServe's interceptor logs a traceback for each bad request.
    try:
        yield
    except InvalidInput as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except ModelNotFound as error:
        await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
    except Exception:  # the log tells what a client need not know
        _LOG.exception("a call failed")
        await context.abort(grpc.StatusCode.INTERNAL, "internal error; see the log")
