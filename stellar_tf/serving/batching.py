"""Requests that wait for the same function share its next call."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Histogram

from stellar_tf.serving.loading import Arrays, LoadedSignature

BATCH_ROWS = Histogram(
    "batch_rows",
    "spectra or codes in one call of the model",
    ["model_name", "signature_name"],
    buckets=(1, 2, 4, 8, 16, 32),
)


class _Request(NamedTuple):
    inputs: Arrays
    n_rows: int
    answer: asyncio.Future[dict[str, NDArray[Any]]]


class Batcher:
    """
    Runs one signature in a thread, as many rows at a time as are waiting.

    Parameters
    ----------
    signature : LoadedSignature
        What is run.
    model_name : str
        For the metrics.
    max_rows : int
        Rows that one call may have.
    executor : Executor
        Its threads run the calls: TensorFlow lets Python's lock go.

    Notes
    -----
    It never waits for company: while one call runs, the next batch gathers.
    """

    def __init__(
        self,
        signature: LoadedSignature,
        model_name: str,
        max_rows: int,
        executor: Executor,
    ) -> None:
        self._signature, self._executor = signature, executor
        self._max_rows = max_rows if signature.has_rows else 1
        self._waiting: deque[_Request] = deque()
        self._work: asyncio.Task[None] | None = None
        self._batch_rows = BATCH_ROWS.labels(model_name, signature.name)

    async def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """
        Call the function, perhaps together with other requests.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            As the signature takes them.

        Returns
        -------
        outputs : dict of str to ndarray
            Of these inputs only.
        """
        n_rows = 1
        if self._signature.has_rows:
            n_rows = len(next(iter(inputs.values())))
        answer: asyncio.Future[dict[str, NDArray[Any]]]
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(inputs, n_rows, answer))
        if self._work is None:
            self._work = asyncio.create_task(self._run_all())
        return await answer

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                await self._run_together(self._take())
        finally:
            self._work = None

    def _take(self) -> list[_Request]:
        taken = [self._waiting.popleft()]
        n_rows = taken[0].n_rows
        while self._waiting and n_rows + self._waiting[0].n_rows <= self._max_rows:
            taken.append(self._waiting.popleft())
            n_rows += taken[-1].n_rows
        # Nobody waits any longer for a request whose connection is gone.
        return [request for request in taken if not request.answer.done()]

    async def _run_together(self, requests: list[_Request]) -> None:
        if not requests:
            return
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._call, requests)
        except Exception as error:  # told to whoever asked
            if len(requests) > 1:  # one must not spoil the others' answers
                for request in requests:
                    await self._run_together([request])
            elif not requests[0].answer.done():
                requests[0].answer.set_exception(error)
            return
        for request, outputs in zip(requests, answers, strict=True):
            if not request.answer.done():
                request.answer.set_result(outputs)

    def _call(self, requests: list[_Request]) -> list[dict[str, NDArray[Any]]]:
        self._batch_rows.observe(sum(request.n_rows for request in requests))
        if not self._signature.has_rows:
            return [self._signature.run(request.inputs) for request in requests]
        inputs = {
            spec.name: _concatenate([request.inputs[spec.name] for request in requests])
            for spec in self._signature.inputs
        }
        outputs = self._run_in_slices(inputs)
        ends = np.cumsum([request.n_rows for request in requests])[:-1]
        parts = {name: np.split(values, ends) for name, values in outputs.items()}
        return [
            {name: part[i] for name, part in parts.items()}
            for i in range(len(requests))
        ]

    def _run_in_slices(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """One request may have more rows than memory has room for."""
        n_rows, n_most = len(next(iter(inputs.values()))), self._max_rows
        slices = [
            self._signature.run({k: v[i : i + n_most] for k, v in inputs.items()})
            for i in range(0, n_rows, n_most)
        ]
        return {k: _concatenate([part[k] for part in slices]) for k in slices[0]}


def _concatenate(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
