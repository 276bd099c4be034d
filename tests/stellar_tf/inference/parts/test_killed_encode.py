"""An encoding killed at any moment goes on, and whoever works gives the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stellar_tf.run import Run

COMMAND = (
    sys.executable,
    "-c",
    "from stellar_tf.cli.main import run; run()",
    "encode",
)
N_KILLS = 20
ENGINES = {
    "1": ["--workers", "1"],
    "2": ["--workers", "2"],
    "3": ["--workers", "3"],
    "beam": ["--engine", "beam"],
    "beam 2": [
        *("--engine", "beam", "--", "--runner=FnApiRunner"),
        *("--direct_num_workers=2", "--direct_running_mode=multi_processing"),
    ],
}

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_killed_at_any_moment(run: Run, records: Path, tmp_path: Path) -> None:
    module = "tests.stellar_tf.inference.parts.killed_encode"
    arguments = [run.folder, records, tmp_path, N_KILLS]
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    killed = list(tmp_path.glob("KILLED-*.parquet"))
    assert len(killed) == N_KILLS
    for folder in killed:
        assert contents(folder) == contents(tmp_path / "WHOLE.parquet"), folder.name
    # What a kill after the last rename leaves is removed by the next encoding there.
    assert len(list(tmp_path.glob(".*.partial"))) == 0


def test_whoever_works_gives_the_same_bytes(
    run: Run, records: Path, tmp_path: Path
) -> None:
    outs = []
    for name, arguments in ENGINES.items():
        outs.append(tmp_path / f"{name}.parquet")
        options = [str(run.folder), str(records), "--out", str(outs[-1])]
        subprocess.run([*COMMAND, *options, *arguments], check=True)
    for out in outs:
        assert contents(out) == contents(outs[0]), out.name


def test_a_terminated_command_keeps_its_parts(
    run: Run, records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    command = [*COMMAND, str(run.folder), str(records), "--out", str(out)]
    with subprocess.Popen(
        [*command, "--workers", "1"], stderr=subprocess.PIPE, text=True
    ) as process:
        journal = tmp_path / ".out.parquet.journal"
        while not list(journal.glob("part-*.json")):
            assert process.poll() is None
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
    if process.returncode:  # it may have been done by then
        assert process.returncode == 143
        assert "with --workers goes on" in told
        assert "Traceback" not in told
        assert list((tmp_path / ".out.parquet.partial").glob("part-*.parquet"))
        subprocess.run([*command, "--workers", "1"], check=True)
    assert len(list(out.glob("part-*.parquet"))) > 3
