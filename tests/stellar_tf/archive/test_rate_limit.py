from __future__ import annotations

import threading

import pytest

from stellar_tf.archive.errors import Stopped
from stellar_tf.archive.rate_limit import RateLimiter
from tests.stellar_tf.archive.conftest import FakeTime


def test_requests_are_spaced() -> None:
    time = FakeTime()
    limiter = RateLimiter(4.0, time.clock, time.pause)
    turns = []
    for _ in range(9):
        limiter.wait()
        turns.append(time.now)
    assert turns == [0.25 * i for i in range(9)]


def test_all_wait_when_one_was_told_to() -> None:
    time = FakeTime()
    limiter = RateLimiter(4.0, time.clock, time.pause)
    limiter.wait()
    limiter.delay(30.0)
    limiter.delay(3.0)  # shorter: it changes nothing
    limiter.wait()
    assert time.now == 30.0


def test_stop_ends_a_wait() -> None:
    limiter = RateLimiter(1.0)
    limiter.delay(1000.0)
    outcomes = []

    def wait() -> None:
        try:
            limiter.wait()
        except Stopped:
            outcomes.append("stopped")

    thread = threading.Thread(target=wait)
    thread.start()
    limiter.stop()
    thread.join(timeout=60.0)
    assert outcomes == ["stopped"]
    with pytest.raises(Stopped):
        limiter.check()
