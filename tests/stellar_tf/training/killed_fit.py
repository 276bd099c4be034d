"""A training that is killed again and again, each time in a process of its own.

python -m tests.stellar_tf.training.killed_fit RECORDS RUN CONFIG STRATEGY N_KILLS

A moment is a step of training or a change of a file. The processes are forks of this
one, which has imported TensorFlow and run none of its operations.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from stellar_tf.config import load_config
from stellar_tf.training.fit import fit
from stellar_tf.training.strategy import build_strategy

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "shutil.rmtree")
MAX_MOMENTS = 90
"""Of a life."""


class Life(keras.callbacks.Callback):
    """Ends its process after a number of moments."""

    def __init__(self, n_moments: int | None) -> None:
        super().__init__()
        self._left = n_moments

    def on_train_begin(self, logs: object = None) -> None:
        sys.addaudithook(self._see)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._pass()

    def _see(self, event: str, _: object) -> None:
        if event in EVENTS:
            self._pass()

    def _pass(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def live(arguments: list[str], n_moments: int | None) -> bool:
    """Train in a child; tell whether it came to the end."""
    child = os.fork()
    if child == 0:
        try:
            records, run, config, strategy = arguments
            fit(
                Path(records),
                Path(run),
                load_config(Path(config)),
                build_strategy(strategy, 2),
                extra_callbacks=[Life(n_moments)],
            )
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("training failed")
    return os.WIFEXITED(status)


def main() -> None:
    """Kill as often as asked for, then let training end."""
    *arguments, n_kills = sys.argv[1:]
    rng = np.random.default_rng(3)
    n_killed = 0
    while n_killed < int(n_kills):
        if live(arguments, int(rng.integers(1, MAX_MOMENTS))):
            raise SystemExit(f"training ended after {n_killed} kills")
        n_killed += 1
    live(arguments, None)


if __name__ == "__main__":
    main()
