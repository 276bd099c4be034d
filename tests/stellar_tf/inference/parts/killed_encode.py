"""An encoding that is killed again and again, each time in a process of its own.

python -m tests.stellar_tf.inference.parts.killed_encode RUN RECORDS FOLDER N_KILLS

A moment is a change of a file of the output or its journal. The processes are forks of
this one, which has imported TensorFlow and run none of its operations. The folder gets
an output for each moment, KILLED-N.parquet, that was killed once and gone on with, and
WHOLE.parquet.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

import stellar_tf as st
import stellar_tf.inference.spectrum_model  # so that the forks need not
from tfrecords_tools.conversion.engine import local_engine

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "shutil.rmtree")


def live(run: Path, records: Path, out: Path, kill_at: int | None) -> int:
    """Encode in a child; return the moments of its life, or -1 if it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        n_moments = 0

        def see(event: str, arguments: object) -> None:
            nonlocal n_moments
            if event in EVENTS and out.name in str(arguments):
                if n_moments == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                n_moments += 1

        try:
            sys.addaudithook(see)
            st.encode_parts(run, records, out, engine=local_engine(1), progress=False)
            os.write(writing, str(n_moments).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return -1
    return int(told)


def main() -> None:
    run, records, folder = map(Path, sys.argv[1:4])
    n_moments = live(run, records, folder / "WHOLE.parquet", None)
    moments = np.linspace(0, n_moments - 1, int(sys.argv[4])).astype(int)
    for moment in map(int, moments):
        out = folder / f"KILLED-{moment}.parquet"
        assert live(run, records, out, moment) == -1
        if not out.exists():  # else all had been done but for the last notes
            assert live(run, records, out, None) > 0
    print(f"{len(moments)} of {n_moments} moments")


if __name__ == "__main__":
    main()
