"""Where the work of a conversion is done: in this process or in several."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Protocol, TypeVar

from tfrecords_tools.errors import UserError
from tfrecords_tools.interruption import SIGNALS

Task = TypeVar("Task")
Result = TypeVar("Result")

_CHUNKS_PER_WORKER = 32
"""Few enough to keep messages rare, enough to keep all workers busy to the end."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""
_KEPT_BYTES = 32 * 1024**2
"""Some spectra of full size; the most that glibc takes for the second."""


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
    def __init__(self) -> None:
        _keep_freed_memory()

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
            with _signals_blocked():  # the first task starts the workers
                results = self._pool.map(function, tasks, chunksize=chunk)
            yield from results
        except BrokenProcessPool:
            raise EngineError(
                "a worker was killed, perhaps for want of memory; the same command "
                "continues, with fewer workers if need be"
            ) from None


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """
    Keep Ctrl-C and SIGTERM for later; processes that begin meanwhile never see them.

    A terminal sends Ctrl-C to all of them, schedulers SIGTERM: it is for this process
    to end the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _keep_freed_memory() -> None:
    """
    Let the C library keep the memory of one spectrum for the next.

    By default glibc hands it back, or not, as it happens to lie, and then each array of
    each file costs hundreds of page faults: up to a fifth of the time of a conversion.
    """
    with suppress(OSError, AttributeError):  # of other libraries, which do as they do
        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            mallopt(parameter, _KEPT_BYTES)


def _begin_worker(lifeline: Connection) -> None:
    _keep_freed_memory()
    _end_with(lifeline)


def _end_with(lifeline: Connection) -> None:
    """In a worker: end at once when the other end of a pipe is closed, or dies."""

    def wait() -> None:
        lifeline.poll(None)
        os._exit(os.EX_OK)

    threading.Thread(target=wait, daemon=True).start()


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
    with worker_engine(n_workers) as engine:
        yield engine


@contextmanager
def worker_engine(n_workers: int) -> Iterator[Engine]:
    """
    Work on this machine in other processes, even if it is one.

    Parameters
    ----------
    n_workers : int
        Processes.

    Yields
    ------
    engine : Engine
        As of `local_engine`; what a process is set to is nothing to this one.
    """
    # Forked workers would inherit whatever threads this process has, and their locks.
    context = multiprocessing.get_context("spawn")
    workers_end, lifeline = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        n_workers,
        mp_context=context,
        initializer=_begin_worker,
        initargs=(workers_end,),
    )
    try:
        yield _Workers(pool, n_workers)
    except BaseException:
        lifeline.close()  # what they are at is done again
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        lifeline.close()
        workers_end.close()
