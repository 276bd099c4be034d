"""The limits in this process: no server, no waiting."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from stellar_tf.serving import limits
from stellar_tf.serving.limits import BodyLimits, HeaderDeadline

MAX_BYTES = 10
FULL = [{"type": "http.request", "body": bytes(MAX_BYTES)}]


async def post(app: Any, messages: list[Message]) -> list[Message]:
    """Send one request; return what is answered."""
    left, sent = list(messages), []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "headers": []}, receive, send)
    return sent


class Keeper:
    """An application that keeps each body until it may go."""

    def __init__(self) -> None:
        self.may_go = asyncio.Event()
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        await self.may_go.wait()
        await send({"type": "http.response.start", "status": 200})


def test_more_than_eight_full_bodies_are_too_many() -> None:
    async def run() -> tuple[list[Message], list[list[Message]], list[Message], int]:
        keeper = Keeper()
        app = BodyLimits(keeper, MAX_BYTES, seconds=60.0)
        held = [asyncio.create_task(post(app, FULL)) for _ in range(8)]
        while len(keeper.bodies) < 8:
            await asyncio.sleep(0)
        refused = await post(app, FULL)
        keeper.may_go.set()
        answered = await asyncio.gather(*held)
        return refused, answered, await post(app, FULL), len(keeper.bodies)

    refused, answered, later, n_bodies = asyncio.run(run())
    assert refused[0]["status"] == 503
    assert json.loads(refused[1]["body"]) == {"error": "too many requests"}
    assert [messages[0]["status"] for messages in answered] == [200] * 8
    assert later[0]["status"] == 200
    assert n_bodies == 9


def test_a_body_in_parts_arrives_as_one() -> None:
    async def run() -> list[bytes]:
        keeper = Keeper()
        keeper.may_go.set()
        parts = [
            {"type": "http.request", "body": b"ab", "more_body": True},
            {"type": "http.request", "body": b"cd"},
        ]
        await post(BodyLimits(keeper, MAX_BYTES, seconds=60.0), parts)
        return keeper.bodies

    assert asyncio.run(run()) == [b"abcd"]


def test_a_client_that_leaves_gives_its_memory_back() -> None:
    async def run() -> tuple[list[Message], list[bytes]]:
        keeper = Keeper()
        keeper.may_go.set()
        app = BodyLimits(keeper, MAX_BYTES, seconds=60.0)
        gone = [{**FULL[0], "more_body": True}, {"type": "http.disconnect"}]
        for _ in range(9):
            assert await post(app, gone) == []
        return await post(app, FULL), keeper.bodies

    answer, bodies = asyncio.run(run())
    assert answer[0]["status"] == 200
    assert bodies == [bytes(MAX_BYTES)]


class Transport(asyncio.Transport):
    """Remembers what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the limits read."""
    clock = SimpleNamespace(now=0.0)
    fake = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(limits, "time", fake)
    return clock


def test_a_request_under_way_is_never_late(clock: SimpleNamespace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def run() -> tuple[list[bool], bytes]:
        state = ServerState()
        busy, silent = (
            H11Protocol(Config(app, lifespan="off", ws="none"), state, {})
            for _ in range(2)
        )
        transports = [Transport(), Transport()]
        for connection, transport in zip((busy, silent), transports, strict=True):
            connection.connection_made(transport)
        busy.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline, closed = HeaderDeadline(3.0), []
        for clock.now in (10.0, 13.0, 13.1, 99.0):
            deadline.check(state.connections)
            closed.append(silent.transport.is_closing())
        assert not busy.transport.is_closing()
        return closed, transports[1].written

    closed, written = asyncio.run(run())
    assert closed == [False, False, True, True]
    assert written.count(b"HTTP/1.1 408 ") == 1
