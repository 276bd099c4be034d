from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tfrecords_tools.interruption import (
    StopRequested,
    StopSignals,
    Terminated,
    ended_by_signals,
    raise_on_sigterm,
)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """SIGTERM raises here; both signals are afterwards what they were."""
    before = {number: signal.getsignal(number) for number in (2, 15)}
    # What a shell starts in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_on_sigterm()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)],
)
def test_a_signal_acts_when_the_work_has_ended(
    number: int, error: type[BaseException]
) -> None:
    done = []

    def work() -> None:
        with StopSignals() as stop:
            stop.hold()
            stop.check()
            signal.raise_signal(number)
            done.append("step")
            with pytest.raises(StopRequested):
                stop.check()
            done.append("saved")

    with pytest.raises(error):
        work()
    assert done == ["step", "saved"]


def test_before_it_is_held_and_the_second_time_it_acts_at_once() -> None:
    with pytest.raises(Terminated), StopSignals():
        signal.raise_signal(signal.SIGTERM)
    with StopSignals() as stop:
        stop.hold()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        stop._noted = None


def test_an_error_goes_before_a_signal() -> None:
    def work() -> None:
        with StopSignals() as stop:
            stop.hold()
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("disk")

    with pytest.raises(ValueError, match="disk"):
        work()


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopSignals() as stop:
        stop.hold()
        signal.raise_signal(signal.SIGINT)
        stop.check()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_handler_that_returns_ends_the_work_all_the_same() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))

    def work() -> None:
        with StopSignals() as stop:
            stop.hold()
            signal.raise_signal(signal.SIGTERM)
            assert not seen

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == [signal.SIGTERM]


def test_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with StopSignals() as stop:
            stop.hold()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_the_system_ends_what_python_does_not_see() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
