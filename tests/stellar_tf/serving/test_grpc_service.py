"""The gRPC side in this process, without a model."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from stellar_tf.serving import grpc_service

MAX_BYTES = 1000
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What a client did wrong is told to the client, without a traceback."""
    yield
    assert not caplog.records


class Keeper:
    """Stands in for the model: keeps each request until it may go."""

    def __init__(self, channel: grpc.aio.Channel, server: grpc.aio.Server) -> None:
        self._call = GRPCInferenceServiceStub(channel).ModelInfer
        self.may_go = asyncio.Event()
        self.n_bytes: list[int] = []
        self.channel, self.server = channel, server

    async def infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        self.n_bytes.append(request.ByteSize())
        await self.may_go.wait()
        return pb.ModelInferResponse()

    async def ask(self, n_bytes: int) -> grpc.StatusCode | None:
        """Send a request of some size; return why it failed, if it did."""
        request = pb.ModelInferRequest(raw_input_contents=[bytes(n_bytes)])
        surplus = request.ByteSize() - n_bytes
        request = pb.ModelInferRequest(raw_input_contents=[bytes(n_bytes - surplus)])
        try:
            await self._call(request)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return None

    async def wait_for(self, n_requests: int) -> None:
        async with asyncio.timeout(60.0):
            while len(self.n_bytes) < n_requests:
                await asyncio.sleep(0.001)


def with_server(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    scene: Callable[[Keeper], Awaitable[None]],
) -> None:
    """Play a scene between clients and a server."""

    async def play() -> None:
        no_models: Any = None
        server, port = grpc_service.build_grpc_server(
            no_models,
            "127.0.0.1",
            0,
            max_bytes=MAX_BYTES,
            seconds=seconds,
        )
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            keeper = Keeper(channel, server)
            monkeypatch.setattr(
                grpc_service._Servicer,
                "_infer",
                lambda _, request, context: keeper.infer(request),
            )
            await scene(keeper)
        await server.stop(None)

    asyncio.run(play())


def test_eight_full_messages_are_held_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(keeper: Keeper) -> None:
        asked = [asyncio.create_task(keeper.ask(MAX_BYTES)) for _ in range(40)]
        done, kept = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        while len(kept) > 8:
            more, kept = await asyncio.wait(kept, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert {task.result() for task in done} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert keeper.n_bytes == [MAX_BYTES] * 8
        keeper.may_go.set()
        assert [await task for task in kept] == [None] * 8
        # All room is there again.
        again = [keeper.ask(MAX_BYTES) for _ in range(20)]
        assert await asyncio.gather(*again) == [None] * 20

    with_server(monkeypatch, 0.5, scene)


def test_those_who_wait_come_in_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(keeper: Keeper) -> None:
        asked = [asyncio.create_task(keeper.ask(MAX_BYTES)) for _ in range(30)]
        await keeper.wait_for(8)
        keeper.may_go.set()
        assert [await task for task in asked] == [None] * 30

    with_server(monkeypatch, 60.0, scene)


def test_small_messages_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(keeper: Keeper) -> None:
        asked = [asyncio.create_task(keeper.ask(100)) for _ in range(50)]
        await keeper.wait_for(50)
        asked += [asyncio.create_task(keeper.ask(MAX_BYTES)) for _ in range(3)]
        await keeper.wait_for(53)
        keeper.may_go.set()
        assert [await task for task in asked] == [None] * 53

    with_server(monkeypatch, 60.0, scene)


def test_other_calls_need_room_for_their_messages_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(keeper: Keeper) -> None:
        asked = [asyncio.create_task(keeper.ask(MAX_BYTES)) for _ in range(8)]
        await keeper.wait_for(8)
        stub = GRPCInferenceServiceStub(keeper.channel)
        for call in (
            stub.ModelReady(pb.ModelReadyRequest(name="a")),
            stub.ModelMetadata(pb.ModelMetadataRequest(name="a")),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="too many requests"):
                await call
        keeper.may_go.set()
        assert [await task for task in asked] == [None] * 8

    with_server(monkeypatch, 0.2, scene)


def test_a_message_that_does_not_come_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(keeper: Keeper) -> None:
        may_end = asyncio.Event()

        async def wait() -> AsyncIterator[bytes]:
            await may_end.wait()
            yield b""

        silent = [keeper.channel.stream_unary(INFER)(wait()) for _ in range(8)]
        for call in silent:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert "took longer than 0.2 s to arrive" in caught.value.details()
        may_end.set()
        keeper.may_go.set()
        assert await keeper.ask(MAX_BYTES) is None

    with_server(monkeypatch, 0.2, scene)


def test_what_is_under_way_at_the_end_is_cancelled_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("grpc._cython.cygrpc")
    monkeypatch.setattr(logger, "disabled", False)

    async def scene(keeper: Keeper) -> None:
        asked = asyncio.create_task(keeper.ask(100))
        await keeper.wait_for(1)
        await grpc_service.stop_grpc_server(keeper.server, 0.0)
        assert await asked == grpc.StatusCode.UNAVAILABLE

    with_server(monkeypatch, 60.0, scene)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_keeps_a_message_that_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cycles are collected late: until then large messages would pile up."""
    kept: list[weakref.ref[set[int]]] = []

    def parse(*_: object) -> set[int]:
        message = set[int]()
        kept.append(weakref.ref(message))
        return message

    def refuse(*_: object) -> None:
        raise InvalidInput("no")

    async def scene(keeper: Keeper) -> None:
        monkeypatch.setattr(grpc_service, "parse_bounded", parse)
        monkeypatch.setattr(grpc_service._Servicer, "_infer", refuse)
        gc.disable()
        try:
            assert await keeper.ask(100) == grpc.StatusCode.INVALID_ARGUMENT
            async with asyncio.timeout(60.0):
                while kept[0]() is not None:
                    await asyncio.sleep(0.001)
        finally:
            gc.enable()

    with_server(monkeypatch, 60.0, scene)


def test_a_call_without_a_message_is_no_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(keeper: Keeper) -> None:
        keeper.may_go.set()

        async def say_nothing() -> AsyncIterator[Any]:
            return
            yield

        await keeper.channel.stream_unary(INFER)(say_nothing())
        assert keeper.n_bytes == [0]

    with_server(monkeypatch, 60.0, scene)
