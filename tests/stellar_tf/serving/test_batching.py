"""Requests share calls, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from stellar_tf.serving.batching import Batcher
from stellar_tf.serving.loading import LoadedSignature, TensorInfo


class Recorder:
    """Doubles rows, refuses negative ones, and waits until it may."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go = threading.Event()

    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        self.may_go.wait()
        self.sizes.append(len(x))
        if (x.numpy() < 0.0).any():
            raise ValueError("negative")
        return {"y": 2.0 * x}


def build(function: Any, *, rows: bool = True) -> LoadedSignature:
    shape = (None, 1) if rows else (None,)
    spec = TensorInfo("x", np.dtype(np.float32), shape)
    return LoadedSignature("double", (spec,), (spec._replace(name="y"),), function)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def ask_all(
    batcher: Batcher, recorder: Recorder, values: list[list[float]]
) -> list[Any]:
    """Ask all at once, and let the function go when all have asked."""

    async def ask() -> list[Any]:
        tasks = [
            asyncio.create_task(batcher.run({"x": np.float32(v)[:, np.newaxis]}))
            for v in values
        ]
        await asyncio.sleep(0)
        recorder.may_go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())


def test_what_waits_goes_together(executor: ThreadPoolExecutor) -> None:
    recorder = Recorder()
    batcher = Batcher(build(recorder), "m", 4, executor)
    values = [[1.0], [2.0, 3.0], [4.0], [5.0], [6.0, 7.0, 8.0]]
    answers = ask_all(batcher, recorder, values)
    for value, answer in zip(values, answers, strict=True):
        np.testing.assert_array_equal(answer["y"][:, 0], 2.0 * np.float32(value))
    assert recorder.sizes == [4, 4]


def test_a_large_request_is_cut(executor: ThreadPoolExecutor) -> None:
    recorder = Recorder()
    values = list(map(float, range(10)))
    (answer,) = ask_all(Batcher(build(recorder), "m", 4, executor), recorder, [values])
    np.testing.assert_array_equal(answer["y"][:, 0], 2.0 * np.float32(values))
    assert recorder.sizes == [4, 4, 2]


def test_one_bad_request_fails_alone(executor: ThreadPoolExecutor) -> None:
    recorder = Recorder()
    batcher = Batcher(build(recorder), "m", 8, executor)
    good, bad, also_good = ask_all(batcher, recorder, [[1.0], [-1.0], [3.0]])
    assert good["y"].tolist() == [[2.0]]
    assert also_good["y"].tolist() == [[6.0]]
    assert isinstance(bad, ValueError)


def test_who_has_left_costs_nothing(executor: ThreadPoolExecutor) -> None:
    recorder = Recorder()
    batcher = Batcher(build(recorder), "m", 1, executor)

    async def ask() -> Any:
        tasks = [
            asyncio.create_task(batcher.run({"x": np.float32([[v]])}))
            for v in (1, 2, 3)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        recorder.may_go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, _, third = asyncio.run(ask())
    assert (first["y"].item(), third["y"].item()) == (2.0, 6.0)
    assert recorder.sizes == [1, 1]


def test_vectors_are_not_rows(executor: ThreadPoolExecutor) -> None:
    """Two spectra of any length must not become one."""
    recorder = Recorder()
    signature = build(recorder, rows=False)
    assert not signature.has_rows
    batcher = Batcher(signature, "m", 8, executor)

    async def ask() -> Any:
        recorder.may_go.set()
        return await asyncio.gather(
            *(batcher.run({"x": np.float32(x)}) for x in ([1, 2], [3, 4, 5]))
        )

    answers = asyncio.run(ask())
    assert [answer["y"].tolist() for answer in answers] == [[2, 4], [6, 8, 10]]
    assert recorder.sizes == [2, 3]
