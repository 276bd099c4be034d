"""How fast the archive is asked, by all workers together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stellar_tf.archive.errors import Stopped

REQUESTS_PER_SECOND = 4.0
"""A guest's manners: ESO states no limit."""


class RateLimiter:
    """
    Spaces requests, and lets all of them wait when the archive asks for it.

    Parameters
    ----------
    per_second : float
        The most requests a second.
    clock : callable
        Tells the time [s].
    pause : callable, optional
        Lets the given time [s] pass; by default it ends early when `stop` is called.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """
        Wait for a turn.

        Raises
        ------
        Stopped
            If no further request is to be made.
        """
        while True:
            self.check()
            with self._lock:
                seconds = self._next - self._clock()
                if seconds <= 0.0:
                    self._next = self._clock() + self._interval
                    return
            self._pause(seconds)

    def delay(self, seconds: float) -> None:
        """Give nobody a turn for some seconds from now."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def stop(self) -> None:
        """Let all who wait, and all who come, end."""
        self._stop.set()

    def check(self) -> None:
        """Raise `Stopped` after `stop`."""
        if self._stop.is_set():
            raise Stopped
