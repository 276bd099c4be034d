from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tfrecords_tools.durable import partial_path
from tfrecords_tools.errors import UserError
from tfrecords_tools.lock import BusyError, locked, writing

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


WRITE = """
import sys
from pathlib import Path
from tfrecords_tools.durable import partial_path
from tfrecords_tools.lock import writing
path = Path(sys.argv[1])
with writing(path), partial_path(path) as partial:
    partial.touch()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_is_written_is_refused_to_others_until_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a[1]"
    command = [sys.executable, "-c", WRITE, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"begun\n"
        with (
            pytest.raises(BusyError, match=r"a\[1\]: another process is writing it"),
            writing(path),
        ):
            pass
        other.kill()
    kept = [path.with_name("a[1].partial"), path.with_name("a[1].b.partial")]
    with partial_path(path.with_name("a1")) as another:
        for file in (*kept, another):
            file.touch()
        assert len(list(path.parent.iterdir())) == 5
        with writing(path):
            pass
        assert set(path.parent.iterdir()) == {*kept, another}


def test_a_lock_that_its_holder_removed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one would lock another file of the same name."""
    path, lock_file = tmp_path / "folder" / "lock", fcntl.flock
    moves = iter([lambda: path.unlink(), lambda: path.parent.rename(tmp_path / "old")])

    def lock(descriptor: int, operation: int) -> None:
        next(moves, lambda: None)()
        lock_file(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    with (
        locked(path, UserError("in use")),
        pytest.raises(UserError, match="in use"),
        locked(path, UserError("in use")),
    ):
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
