"""What one client may cost the others: bytes held in memory, and time to send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from stellar_tf.addresses import is_asked_by_name

BODIES_HELD = 8
"""Bodies of the largest size that may be in memory at a time."""
_TIMEOUT_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class HeaderChecks:
    """
    ASGI middleware that refuses what headers say before anything is read.

    Parameters
    ----------
    app : callable
        The ASGI application behind it.
    names : collection of str
        Those by which the server may be asked.

    Notes
    -----
    Answers 421 to a request by another name, and 400 to one that tells its length in
    two ways, of which a proxy before this server may believe the other.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = self._check(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _check(self, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not is_asked_by_name(host, self._names):
            return _refuse(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server is not {host[:200]}; --allow-host adds a name",
            )
        if "content-length" in headers and "transfer-encoding" in headers:
            return _refuse(
                HTTPStatus.BAD_REQUEST,
                "either Content-Length or Transfer-Encoding, not both",
            )
        return None


class BodyLimits:
    """
    ASGI middleware that reads each request's body before the application sees it.

    Parameters
    ----------
    app : callable
        The ASGI application behind it.
    max_bytes : int
        Size that one body may have.
    seconds : float
        Time in which a body must arrive [s].

    Notes
    -----
    Answers 413 to a body that is too large, 408 to one that is too slow and 503 when
    too many are in memory already. Starlette's own limit knows one body's size only.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds
        self._free = BODIES_HELD * max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []
        try:
            refusal = await self._read(Request(scope, receive), chunks)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            chunks[:] = [b"".join(chunks)]
            await self._app(scope, _replay(chunks[0], receive), send)
        except ClientDisconnect:
            return  # nobody waits for an answer
        finally:
            self._free += sum(map(len, chunks))

    async def _read(self, request: Request, chunks: list[bytes]) -> JSONResponse | None:
        """Collect the body, or say why it is refused."""
        n_bytes, refusal = 0, None
        if int(request.headers.get("content-length", 0)) > self._max_bytes:
            refusal = self._refuse_size()
            if "expect" in request.headers:  # it asks before it sends
                return refusal
        try:
            async with asyncio.timeout(self._seconds):
                # A refused body is read to its end too, and dropped: if the connection
                # closes while the client still sends, the answer is lost.
                async for chunk in request.stream():
                    n_bytes += len(chunk)
                    if n_bytes > self._max_bytes:
                        refusal = self._refuse_size()
                    elif len(chunk) > self._free:
                        refusal = _refuse(
                            HTTPStatus.SERVICE_UNAVAILABLE, "too many requests"
                        )
                    if refusal is None:
                        self._free -= len(chunk)
                        chunks.append(chunk)
        except TimeoutError:
            return refusal or _refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the request took longer than {self._seconds:g} s to arrive",
            )
        return refusal

    def _refuse_size(self) -> JSONResponse:
        return _refuse(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request is larger than {self._max_bytes} bytes "
            f"(--max-request-mib); send fewer rows, or tensors as bytes",
        )


def _refuse(status: HTTPStatus, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, {"connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


class HeaderDeadline:
    """
    Closes, with 408, connections on which no request's headers arrive in time.

    Parameters
    ----------
    seconds : float
        Time since the connection opened, or since the answer before [s].

    Notes
    -----
    uvicorn has no such limit: its time of keep-alive starts again with every byte.
    ASGI middleware comes too late, for it sees a request after its headers only.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._idle_since: dict[H11Protocol, float] = {}

    def check(self, connections: Iterable[object]) -> None:
        """
        Close what is late.

        Parameters
        ----------
        connections : iterable
            Of the server, all that are open.
        """
        now = time.monotonic()
        self._idle_since = {
            connection: self._idle_since.get(connection, now)
            for connection in connections
            if isinstance(connection, H11Protocol) and _is_idle(connection)
        }
        for connection, since in self._idle_since.items():
            if now - since > self._seconds:
                connection.transport.write(_TIMEOUT_ANSWER)
                connection.transport.close()


def _is_idle(connection: H11Protocol) -> bool:
    """Tell whether no request is being answered, and the connection is open."""
    cycle = connection.cycle  # None before the first request
    answers = cycle is not None and not cycle.response_complete
    return not answers and not connection.transport.is_closing()
