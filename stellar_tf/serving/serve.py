"""The server: loads a model, listens, and ends when told to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import uvicorn

from stellar_tf.serving.errors import ServingError
from stellar_tf.serving.grpc_service import build_grpc_server
from stellar_tf.serving.kserve_model import ServedModel
from stellar_tf.serving.limits import BodyLimits, PunctualProtocol
from stellar_tf.serving.repository import Repository, VersionedDataPlane
from stellar_tf.serving.rest import build_app
from stellar_tf.serving.versions import choose_versions

_GRACE = 30
"""Seconds for the requests under way when the server is told to stop."""


class ServerSettings(NamedTuple):
    """Where and within which limits to serve."""

    host: str = "127.0.0.1"
    """Nobody else's machine reaches the loopback interface."""
    port: int = 8501
    """REST; 0 for any that is free."""
    grpc_port: int = 8500
    """The same for gRPC."""
    max_request_mib: int = 64
    """Size of a request and, as binary tensors, of an answer [MiB]."""
    request_seconds: int = 60
    """How long a request may take to arrive [s]."""
    max_batch: int = 32
    """Rows of one call of the model."""


def serve(
    folder: Path,
    numbers: list[int],
    settings: ServerSettings,
    tell: Callable[[str], None],
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
    tell : callable
        Is given a line when the server is ready.

    Raises
    ------
    ServingError
        If there is no such version, or a port cannot be had.
    """
    versions = choose_versions(folder, numbers)
    max_bytes = settings.max_request_mib * 2**20
    with (
        _bind(settings.host, settings.port, "--port") as listener,
        ThreadPoolExecutor(2, "model") as executor,
    ):
        _bind(settings.host, settings.grpc_port, "--grpc-port").close()
        models = [
            ServedModel(
                folder.resolve().name,
                number,
                path,
                executor,
                max_bytes=max_bytes,
                max_rows=settings.max_batch,
            )
            for number, path in versions.items()
        ]
        data_plane = VersionedDataPlane(Repository(models))
        asyncio.run(_serve(data_plane, settings, listener, tell))


async def _serve(
    data_plane: VersionedDataPlane,
    settings: ServerSettings,
    listener: socket.socket,
    tell: Callable[[str], None],
) -> None:
    max_bytes = settings.max_request_mib * 2**20
    grpc_server, grpc_port = build_grpc_server(
        data_plane, settings.host, settings.grpc_port, max_bytes
    )
    rest_server = _RestServer(
        uvicorn.Config(
            BodyLimits(build_app(data_plane), max_bytes, settings.request_seconds),
            http=PunctualProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.request_seconds,
            timeout_graceful_shutdown=_GRACE,
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, rest_server.stop)
    await grpc_server.start()
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    listing = ", ".join(map(str, data_plane.repository.versions))
    name = next(iter(data_plane.repository.get_models()))
    rest_server.on_start = lambda: tell(
        f"{name}, version {listing}: REST http://{host}:{port}, gRPC {host}:{grpc_port}"
    )
    await rest_server.serve(sockets=[listener])
    await grpc_server.stop(_GRACE)


class _RestServer(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again when it has stopped."""

    on_start: Callable[[], None]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    def stop(self) -> None:
        self.force_exit = self.should_exit  # asked twice
        self.should_exit = True


def _bind(host: str, port: int, option: str) -> socket.socket:
    """Take a port before the model is loaded, which takes a while."""
    listener = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = error.strerror or error
        raise ServingError(f"{option} {port}: {host} cannot be had: {reason}") from None
    return listener
