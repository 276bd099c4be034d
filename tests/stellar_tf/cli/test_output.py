from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stellar_tf.cli.main import COMMANDS, parse_arguments

FILTERED = """
import os, sys
from stellar_tf.cli.output import leave_out_notices
leave_out_notices()
"""
CRASH = """
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called ...\\n")
os.write(2, b"I0000 00:00:1795981887.413999   22480 port.cc:153] oneDNN is on\\n")
os.write(2, b"2026-01-01 10:20:30.123456: I cpu_feature_guard.cc:210] optimized\\n")
os.write(2, b"W0000 00:00:1795981887.413999   22480 gpu.cc:1] no memory\\n")
os.write(2, b"E0000 00:00:1795981887.413999   22480 gpu.cc:2] lost\\n")
os.write(2, b"E0000 00:00:1 9 cuda_platform.cc:52] failed call to cuInit: X (303)\\n")
os.write(2, b"E0000 00:00:1 9 cuda_platform.cc:52] failed call to cuInit: X (100)\\n")
os.write(2, b"In my view\\nF0000 the last words")
os.abort()
"""


def run_filtered(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FILTERED + script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_notices_are_left_out_and_the_last_words_are_not() -> None:
    done = run_filtered(CRASH)
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.splitlines() == [
        "W0000 00:00:1795981887.413999   22480 gpu.cc:1] no memory",
        "E0000 00:00:1795981887.413999   22480 gpu.cc:2] lost",
        "E0000 00:00:1 9 cuda_platform.cc:52] failed call to cuInit: X (100)",
        "In my view",
        "F0000 the last words",
    ]


def test_tensorflow_says_nothing_when_it_is_imported() -> None:
    done = run_filtered("import tensorflow as tf\nprint(1 + tf.constant(2).numpy())")
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


def test_python_writes_directly() -> None:
    done = run_filtered("print('I0000 mine', file=sys.stderr)\nraise SystemExit('end')")
    assert done.stderr == "I0000 mine\nend\n"


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_can_be_quiet_or_verbose(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments([name, "-q", "-v"])
    assert "not allowed with argument -q/--quiet" in capsys.readouterr().err


SAY = """
import sys
from stellar_tf.api import records
from stellar_tf.cli import main

def verify(*_, progress, **__):
    import logging
    from types import SimpleNamespace
    for level in ("info", "warning", "error"):
        getattr(logging.getLogger("stellar_tf"), level)(f"{level}, {progress}")
    return SimpleNamespace(neighbours=[], problems=[], n_spectra=1)

records.verify = verify
sys.argv = ["stellar-tf", "verify", ".", *sys.argv[1:]]
main.run()
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["warning, True", "error, True"]),
        (["-q"], ["error, False"]),
        (["-v"], ["info, True", "warning, True", "error, True"]),
    ],
)
def test_how_much_is_shown(
    options: list[str], expected: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY, *options],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == expected
