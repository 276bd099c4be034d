"""The gRPC side of the Open Inference protocol."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (
    add_GRPCInferenceServiceServicer_to_server,
)
from kserve.protocol.grpc.servicer import InferenceServicer

from stellar_tf.serving.errors import ServingError, describe
from stellar_tf.serving.limits import BODIES_HELD
from stellar_tf.serving.repository import VersionedDataPlane, address
from stellar_tf.serving.wire import parse_bounded

PARAMETERS_KEY = "model-parameters"
"""Trailing metadata of ModelMetadata: the protocol has no field for parameters."""

_LOG = logging.getLogger(__name__)
_ROOM_FOR_HEADERS = 65_536
_MAX_CALLS = 64
"""More at a time, waiting ones included, are answered RESOURCE_EXHAUSTED."""


class _RefusedError(Exception):
    """A message that is not taken, whatever it says."""

    def __init__(self, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _Servicer(InferenceServicer):
    """KServe's, with versions, and without loading and unloading of models."""

    def __init__(
        self, data_plane: VersionedDataPlane, max_bytes: int, seconds: float
    ) -> None:
        super().__init__(data_plane, None)
        self._max_bytes, self._seconds = max_bytes, seconds
        self._room = _Room(BODIES_HELD * max_bytes)

    async def ModelReady(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        kind = pb.ModelReadyRequest
        return await self._answer(requests, kind, self._is_ready, context)

    async def ModelMetadata(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        kind = pb.ModelMetadataRequest
        return await self._answer(requests, kind, self._describe, context)

    async def ModelInfer(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        kind = pb.ModelInferRequest
        return await self._answer(requests, kind, self._infer, context)

    async def _answer(
        self,
        requests: AsyncIterator[bytes],
        kind: type[Message],
        respond: Callable[[Any, Any], Awaitable[Any]],
        context: Any,
    ) -> Any:
        """Let the message come when there is room, and answer it or say why not."""
        try:
            async with self._receive(requests) as content:
                asked = parse_bounded(content, kind, self._max_bytes)
                return await respond(asked, context)
        except _RefusedError as error:
            code, reason = error.code, str(error)
        except InvalidInput as error:
            code, reason = grpc.StatusCode.INVALID_ARGUMENT, describe(error)
        except ModelNotFound as error:
            code, reason = grpc.StatusCode.NOT_FOUND, describe(error)
        except Exception:  # the log tells what a client need not know
            _LOG.exception("a call failed")
            code, reason = grpc.StatusCode.INTERNAL, "internal error; see the log"
        # Not by context.abort: its error would keep the message until cycles are
        # collected, which may be after many more.
        context.set_code(code)
        context.set_details(reason)
        return None

    @asynccontextmanager
    async def _receive(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Give a message room until it is answered."""
        # How large it is shows when it has come; until then it may be the largest.
        n_bytes = self._max_bytes
        if not await self._room.take(n_bytes, self._seconds):
            raise _RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests")
        try:
            content = await self._read(requests)
            self._room.give_back(n_bytes - len(content))
            n_bytes = len(content)
            yield content
        finally:
            self._room.give_back(n_bytes)

    async def _read(self, requests: AsyncIterator[bytes]) -> bytes:
        """Let the message come, within the time."""
        try:
            async with asyncio.timeout(self._seconds):
                return await anext(requests, b"")
        except TimeoutError:
            reason = f"the request took longer than {self._seconds:g} s to arrive"
            raise _RefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, reason) from None

    async def _is_ready(self, request: Any, context: Any) -> Any:
        model = self._data_plane.find(address(request.name, request.version))
        return pb.ModelReadyResponse(ready=await model.healthy())

    async def _describe(self, request: Any, context: Any) -> Any:
        name = address(request.name, request.version)
        metadata = await self._data_plane.model_metadata(name)
        parameters = metadata.pop("parameters")
        shown = {key: parameters.get(key) for key in ("version", "grid")}
        context.set_trailing_metadata(((PARAMETERS_KEY, json.dumps(shown)),))
        return pb.ModelMetadataResponse(**metadata)

    async def _infer(self, request: Any, context: Any) -> Any:
        name = address(request.model_name, request.model_version)
        self._data_plane.find(name)
        request.model_name = name
        return await super().ModelInfer(request, context)

    async def RepositoryModelLoad(
        self, requests: AsyncIterator[bytes], context: Any
    ) -> Any:
        reason = "a client neither loads nor unloads models"
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)

    RepositoryModelUnload = RepositoryModelLoad


class _Room:
    """
    Bytes of messages that may be in memory at a time.

    Parameters
    ----------
    n_bytes : int
        How many.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_free = n_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, n_bytes: int, seconds: float) -> bool:
        """Wait for room, in turn; tell whether there was any in time."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((n_bytes, turn))
        self.give_back(0)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(n_bytes)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give_back(self, n_bytes: int) -> None:
        """Let those in whose turn it is, as far as there is room."""
        self._n_free += n_bytes
        while self._waiting:
            n_wanted, turn = self._waiting[0]
            if not turn.done() and n_wanted > self._n_free:
                return
            self._waiting.popleft()
            if not turn.done():  # those that are gave up
                self._n_free -= n_wanted
                turn.set_result(None)


class _UnparsedCalls:
    """
    A server to which the generated code may add its handlers.

    Parameters
    ----------
    server : grpc.aio.Server
        Where they go. Each gets a stream of bytes, on which a message comes when it is
        asked for, which those that hold nothing never are; to a client it is the same.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Leave them out: each of them is among the registered ones."""

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Add the handlers of a service, by the names of its calls."""
        unparsed = {
            name: grpc.stream_unary_rpc_method_handler(
                handler.unary_unary, None, handler.response_serializer
            )
            for name, handler in handlers.items()
        }
        self._server.add_registered_method_handlers(service, unparsed)


def build_grpc_server(
    data_plane: VersionedDataPlane,
    host: str,
    port: int,
    *,
    max_bytes: int,
    seconds: float,
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
        Of a request, and of an answer; those under way may have `BODIES_HELD` times
        as many together.
    seconds : float
        Time in which a request must find room, and in which it must arrive [s].

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
    servicer = _Servicer(data_plane, max_bytes, seconds)
    add_GRPCInferenceServiceServicer_to_server(servicer, _UnparsedCalls(server))
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server, server.add_insecure_port(target)
    except RuntimeError:
        raise ServingError(f"grpc_port {port}: {host} cannot be listened on") from None


async def stop_grpc_server(server: grpc.aio.Server, seconds: float) -> None:
    """
    Take no further calls, and let those under way end.

    Parameters
    ----------
    server : grpc.aio.Server
        The server.
    seconds : float
        For how long; what is under way then is cancelled [s].
    """
    # It logs a traceback of each call that it cancels.
    logging.getLogger("grpc._cython.cygrpc").disabled = True
    await server.stop(seconds)
