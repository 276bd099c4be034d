"""SIGINT and SIGTERM: by what people and schedulers stop a program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what Ctrl-C undoes and closes, it does, too."""


class StopRequested(Exception):  # noqa: N818 (it is no error)
    """A signal was noted, and this is a place where work can end."""


def raise_on_sigterm() -> None:
    """Let SIGTERM raise `Terminated`, as SIGINT raises KeyboardInterrupt."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """
    Let signals end the process at once, even where Python does not see them.

    Yields
    ------
    nothing : None
        Handlers are as before afterwards. What is ignored stays ignored, and outside
        of the main thread nothing changes.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    held = {n: h for n, h in before.items() if h not in (None, signal.SIG_IGN)}
    if threading.current_thread() is not threading.main_thread():
        held = {}
    for number in held:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


class StopSignals:
    """
    Notes the signals, so that work ends only where it can go on.

    Notes
    -----
    The context's end gives the signals back, and raises again the one it noted: the
    program ends by it as it would have without. A second signal acts at once. What is
    ignored stays ignored, as by ``nohup`` or in the background of a script. Python
    handles signals in its main thread only: in any other nothing is noted.

    Examples
    --------
    >>> from tfrecords_tools.interruption import StopSignals
    >>> with StopSignals() as stop:
    ...     stop.hold()
    ...     for _ in range(3):
    ...         stop.check()
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._noted: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()
        if self._noted is not None and kind is None:
            signal.raise_signal(self._noted)
            raise KeyboardInterrupt  # its handler did nothing

    def hold(self) -> None:
        """Note signals from now on; before, they act at once."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            if signal.getsignal(number) not in (None, signal.SIG_IGN):
                self._before[number] = signal.signal(number, self._note)

    @property
    def is_noted(self) -> bool:
        """Whether a signal was noted."""
        return self._noted is not None

    def check(self) -> None:
        """
        End the work if a signal was noted.

        Raises
        ------
        StopRequested
            To be caught inside the context.
        """
        if self._noted is not None:
            raise StopRequested

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted is None:
            self._noted = number
            return
        self._release()
        signal.raise_signal(number)

    def _release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
