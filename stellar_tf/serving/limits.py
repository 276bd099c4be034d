"""What one client may cost the others: bytes held, and patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_BODIES_HELD = 8
"""Bodies of the largest size that may be in memory at a time."""


class _Refusal(Exception):  # noqa: N818 (it ends a request, not the program)
    def __init__(self, status: HTTPStatus, reason: str, *, is_late: bool) -> None:
        super().__init__(reason)
        self.status, self.is_late = status, is_late


class BodyLimits:
    """
    Reads each request's body before the application sees it, within limits.

    Parameters
    ----------
    app : callable
        The ASGI application behind it.
    max_bytes : int
        Of one body.
    seconds : float
        In which a body must have come.

    Notes
    -----
    Answers 413 to a body that is too large, 408 to one that is too slow and 503 when
    too many are in memory already.
    """

    def __init__(self, app: App, max_bytes: int, seconds: float) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds
        self._free = _BODIES_HELD * max_bytes

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """
        Handle one request.

        Parameters
        ----------
        scope : mapping
            As ASGI has it.
        receive : callable
            As ASGI has it.
        send : callable
            As ASGI has it.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []
        try:
            if not await self._read(dict(scope["headers"]), receive, chunks):
                return
            chunks[:] = [b"".join(chunks)]
            await self._app(scope, _replay(chunks[0], receive), send)
        except _Refusal as refusal:
            await self._refuse(refusal, receive, send)
        finally:
            self._free += sum(map(len, chunks))

    async def _read(
        self, headers: dict[bytes, bytes], receive: Receive, chunks: list[bytes]
    ) -> bool:
        """Collect the body; false if the client left."""
        if int(headers.get(b"content-length", b"0")) > self._max_bytes:
            # Who asks before sending need not send at all.
            raise self._too_large(is_late=b"expect" not in headers)
        n_bytes = 0
        try:
            async with asyncio.timeout(self._seconds):
                while (message := await receive())["type"] == "http.request":
                    chunk = message.get("body", b"")
                    n_bytes += len(chunk)
                    if n_bytes > self._max_bytes:
                        raise self._too_large(is_late=True)
                    self._take(chunk, chunks)
                    if not message.get("more_body", False):
                        return True
        except TimeoutError:
            raise _Refusal(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the request took longer than {self._seconds:g} s to arrive",
                is_late=False,
            ) from None
        return False

    def _take(self, chunk: bytes, chunks: list[bytes]) -> None:
        if len(chunk) > self._free:
            raise _Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many requests", is_late=True
            )
        self._free -= len(chunk)
        chunks.append(chunk)

    def _too_large(self, *, is_late: bool) -> _Refusal:
        return _Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request is larger than {self._max_bytes} bytes "
            f"(--max-request-mib); send fewer rows, or tensors as bytes",
            is_late=is_late,
        )

    async def _refuse(self, refusal: _Refusal, receive: Receive, send: Send) -> None:
        if refusal.is_late:
            # A connection closed under a client that still sends loses the answer.
            await self._drain(receive)
        body = orjson.dumps({"error": str(refusal)})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        status = int(refusal.status)
        await send(
            {"type": "http.response.start", "status": status, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body})

    async def _drain(self, receive: Receive) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while (await receive()).get("more_body", False):
                    pass
        except TimeoutError:
            return


def _replay(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class PunctualProtocol(H11Protocol):
    """
    HTTP of uvicorn, which gives a client for ever to send its headers.

    Notes
    -----
    A connection is closed, with 408, when a request's headers have not come in the
    time of keep-alive after the connection opened or the request began.
    """

    _deadline: asyncio.TimerHandle | None = None

    # asyncio allows any transport; uvicorn's protocol, like this, only two-way ones.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """
        Begin.

        Parameters
        ----------
        transport : asyncio.Transport
            The connection.
        """
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """
        Take what came.

        Parameters
        ----------
        data : bytes
            Part of a request.
        """
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._lift_deadline()
        elif self._deadline is None and not self.transport.is_closing():
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """
        End.

        Parameters
        ----------
        exc : Exception or None
            Why.
        """
        self._lift_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        seconds = self.config.timeout_keep_alive
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _lift_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self.transport.write(
            b"HTTP/1.1 408 Request Timeout\r\n"
            b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()
