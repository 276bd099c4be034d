"""Where the work of a conversion is done: in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tfrecords_tools.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")

_CHUNKS_PER_WORKER = 32
"""Few enough to keep messages rare, enough to keep all workers busy to the end."""


class EngineError(UserError):
    """The work ended for a reason that is not in the work; the message tells it."""


class Engine(Protocol):
    """Applies a function to independent tasks."""

    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterable[Result]:
        """Apply a function to every task."""
        ...


class _ThisProcess:
    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterable[Result]:
        return map(function, tasks)


class _Workers:
    def __init__(self, pool: ProcessPoolExecutor, n_workers: int) -> None:
        self._pool, self._n_workers = pool, n_workers

    def map(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        chunk = max(1, len(tasks) // (self._n_workers * _CHUNKS_PER_WORKER))
        try:
            yield from self._pool.map(function, tasks, chunksize=chunk)
        except BrokenProcessPool:
            raise EngineError(
                "a worker was killed, perhaps for want of memory; the same command "
                "continues, with fewer workers if need be"
            ) from None


@contextmanager
def local_engine(n_workers: int) -> Iterator[Engine]:
    """
    Work on this machine.

    Parameters
    ----------
    n_workers : int
        Processes; 1 works in this one.

    Yields
    ------
    engine : Engine
        To be used inside the context; what has not begun when it ends is dropped.
    """
    if n_workers == 1:
        yield _ThisProcess()
        return
    # Forked workers would inherit whatever threads this process has, and their locks.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers, mp_context=context)
    try:
        yield _Workers(pool, n_workers)
    finally:
        pool.shutdown(cancel_futures=True)
