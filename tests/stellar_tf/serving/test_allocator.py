from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from stellar_tf.serving import allocator

COUNT_FAULTS = """
import resource
import numpy as np
from stellar_tf.serving.allocator import keep_freed_memory

def count():
    np.ones(8_000_000, np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(8_000_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(count(), keep_freed_memory(), count())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_arrays_one_after_the_other_take_the_same_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True
    )
    before, kept, after = done.stdout.split()
    assert kept == "True"
    assert int(after) < 0.1 * int(before)


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()
