from __future__ import annotations

import threading

import pytest

from stellar_tf.archive.errors import Stopped
from stellar_tf.archive.pace import Pace
from tests.stellar_tf.archive.conftest import FakeTime


def test_requests_are_spaced() -> None:
    time = FakeTime()
    pace = Pace(4.0, time.clock, time.pause)
    turns = []
    for _ in range(9):
        pace.wait()
        turns.append(time.now)
    assert turns == [0.25 * i for i in range(9)]


def test_all_wait_when_one_was_told_to() -> None:
    time = FakeTime()
    pace = Pace(4.0, time.clock, time.pause)
    pace.wait()
    pace.hold(30.0)
    pace.hold(3.0)  # shorter: it changes nothing
    pace.wait()
    assert time.now == 30.0


def test_stop_ends_a_wait() -> None:
    pace = Pace(1.0)
    pace.hold(1000.0)
    outcomes = []

    def wait() -> None:
        try:
            pace.wait()
        except Stopped:
            outcomes.append("stopped")

    thread = threading.Thread(target=wait)
    thread.start()
    pace.stop()
    thread.join(timeout=60.0)
    assert outcomes == ["stopped"]
    with pytest.raises(Stopped):
        pace.check()
