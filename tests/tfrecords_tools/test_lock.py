from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import locked

HOLD = """
import sys
from pathlib import Path
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import locked
with locked(Path(sys.argv[1]), UserError("in use")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["lock", "."], ids=["file", "folder"])
def test_a_process_keeps_others_out_until_it_is_killed(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(UserError, match="in use"),
            locked(path, UserError("in use")),
        ):
            pass
        other.kill()
    with locked(path, UserError("in use")):
        pass


def test_two_in_one_process(tmp_path: Path) -> None:
    with (
        locked(tmp_path, UserError("in use")),
        pytest.raises(UserError, match="in use"),
        locked(tmp_path, UserError("in use")),
    ):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_file_system_without_locks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    if number == errno.EIO:
        with pytest.raises(OSError, match="No locks"), locked(tmp_path, UserError("x")):
            pass
        return
    with locked(tmp_path, UserError("in use")):
        pass
    assert "cannot be locked here (No locks available)" in caplog.text
