"""The server: loads a model, listens, and ends when told to."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import uvicorn

from stellar_tf.addresses import list_names
from stellar_tf.serving.errors import ServingError
from stellar_tf.serving.grpc_service import build_grpc_server, stop_grpc_server
from stellar_tf.serving.kserve_model import ServedModel
from stellar_tf.serving.limits import BodyLimits, HeaderChecks, HeaderDeadline
from stellar_tf.serving.repository import Repository, VersionedDataPlane
from stellar_tf.serving.rest import build_app
from stellar_tf.serving.versions import choose_versions

_GRACE = 30
"""Seconds for the requests under way when the server is told to stop."""


class ServerSettings(NamedTuple):
    """Where and within which limits to serve."""

    host: str
    """Address to listen on."""
    port: int
    """REST; 0 for any that is free."""
    grpc_port: int
    """The same for gRPC."""
    max_bytes: int
    """Size of a request and, as binary tensors, of an answer."""
    request_seconds: int
    """How long a request may take to arrive [s]."""
    max_batch: int
    """Rows of one call of the model."""
    allowed_hosts: Sequence[str] = ()
    """Names by which clients may ask, beside this machine's own."""


def serve(
    folder: Path,
    numbers: list[int],
    settings: ServerSettings,
    on_ready: Callable[[str], None],
) -> None:
    """
    Serve a model until SIGINT or SIGTERM.

    Parameters
    ----------
    folder : Path
        MODELS/NAME.
    numbers : list of int
        Versions to serve; none for the highest.
    settings : ServerSettings
        Where and how.
    on_ready : callable
        Called with a line about the server when it is ready.

    Raises
    ------
    ServingError
        If there is no such version, or a port cannot be had.
    """
    versions = choose_versions(folder, numbers)
    with (
        _bind(settings.host, settings.port, "port") as listener,
        ThreadPoolExecutor(2, "model") as executor,
    ):
        _bind(settings.host, settings.grpc_port, "grpc_port").close()
        models = [
            ServedModel(
                folder.resolve().name,
                number,
                path,
                executor,
                max_bytes=settings.max_bytes,
                max_rows=settings.max_batch,
            )
            for number, path in versions.items()
        ]
        data_plane = VersionedDataPlane(Repository(models))
        asyncio.run(_serve(data_plane, settings, listener, on_ready))


async def _serve(
    data_plane: VersionedDataPlane,
    settings: ServerSettings,
    listener: socket.socket,
    on_ready: Callable[[str], None],
) -> None:
    grpc_server, grpc_port = build_grpc_server(
        data_plane,
        settings.host,
        settings.grpc_port,
        max_bytes=settings.max_bytes,
        seconds=settings.request_seconds,
    )
    app = build_app(data_plane)
    rest_server = _RestServer(
        uvicorn.Config(
            HeaderChecks(
                BodyLimits(app, settings.max_bytes, settings.request_seconds),
                [*list_names(settings.host), *settings.allowed_hosts],
            ),
            http="h11",  # which limits the size of headers
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.request_seconds,
            timeout_graceful_shutdown=_GRACE,
        )
    )
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    listing = ", ".join(map(str, data_plane.repository.versions))
    name = next(iter(data_plane.repository.get_models()))
    rest_server.stop_beside = lambda: stop_grpc_server(grpc_server, _GRACE)
    rest_server.on_ready = lambda: on_ready(
        f"{name}, version {listing}: REST http://{host}:{port}, gRPC {host}:{grpc_port}"
    )
    await grpc_server.start()
    # uvicorn sets the same handlers, but when it has stopped it restores those before
    # and raises the signal again: Python's would end the process with another status.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, rest_server.handle_exit)
    await rest_server.serve(sockets=[listener])


class _RestServer(uvicorn.Server):
    """Says when it is ready, and closes connections without a request."""

    on_ready: Callable[[], None]
    stop_beside: Callable[[], Awaitable[None]]
    """Ends the other server, within the same time."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._header_deadline = HeaderDeadline(config.timeout_keep_alive)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(super().shutdown(sockets), self.stop_beside())

    async def on_tick(self, counter: int) -> bool:
        self._header_deadline.check(self.server_state.connections)
        return await super().on_tick(counter)


def _bind(host: str, port: int, option: str) -> socket.socket:
    """Take a port before the model is loaded, which takes a while."""
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = error.strerror or error
        raise ServingError(f"{option} {port}: {host} cannot be had: {reason}") from None
    return listener
