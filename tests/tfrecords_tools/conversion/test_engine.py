"""Workers end with the process that they work for, however that ends."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfrecords_tools.conversion.engine import local_engine, worker_engine

WORK = """
import os, signal, sys, threading
from tfrecords_tools.conversion.engine import local_engine
from tfrecords_tools.interruption import raise_on_sigterm

# A shell's background jobs ignore it, and so would this.
signal.signal(signal.SIGINT, signal.default_int_handler)

def work(number):
    print(os.getpid(), flush=True)
    threading.Event().wait()  # until it is ended

if __name__ == "__main__":
    raise_on_sigterm()
    try:
        with local_engine(2) as engine:
            list(engine.map(work, [1, 2]))
    except KeyboardInterrupt as error:
        print(type(error).__name__, flush=True)
        sys.exit(7)
"""


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (signal.SIGINT, "KeyboardInterrupt"),
        (signal.SIGTERM, "Terminated"),
        (signal.SIGKILL, ""),
    ],
)
@pytest.mark.parametrize("to_all", [False, True], ids=["parent", "group"])
def test_no_worker_is_left(
    number: int, told: str, to_all: bool, tmp_path: Path
) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        for _ in range(2):
            assert parent.stdout.readline().strip().isdecimal()
        if to_all:
            os.killpg(parent.pid, number)
        else:
            parent.send_signal(number)
        # The pipes end when the last process that holds them does.
        out, err = parent.communicate(timeout=120)
    assert out.strip() == told
    # Python itself counts the semaphores that a killed process has left.
    assert "Traceback" not in err if number == signal.SIGKILL else err == ""
    assert parent.returncode == (7 if told else -number)


def square(number: int) -> int:
    return number**2


def test_results_come_in_order() -> None:
    with local_engine(2) as engine:
        assert list(engine.map(square, range(100))) == [i**2 for i in range(100)]


def name_process(_: int) -> int:
    return os.getpid()


def test_one_worker_is_this_process_only_where_that_may_be() -> None:
    with local_engine(1) as engine:
        assert list(engine.map(name_process, [0])) == [os.getpid()]
    with worker_engine(1) as engine:
        (other,) = engine.map(name_process, [0])
    assert other != os.getpid()


FAULTS = """
import resource
import numpy as np
from tfrecords_tools.conversion.engine import local_engine

def count_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def hold_arrays(number):
    return len([np.ones(312_501) for _ in range(10)])

with local_engine(1) as engine:
    list(engine.map(hold_arrays, range(4)))
    before = count_faults()
    list(engine.map(hold_arrays, range(50)))
    print(count_faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is of glibc")
def test_memory_of_one_spectrum_is_kept_for_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 50 * 10  # one for every 4 KiB would be 300,000
