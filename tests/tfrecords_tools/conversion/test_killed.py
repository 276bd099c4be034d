"""A conversion killed at any moment goes on as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.fits_files import GRID, write_rows, write_survey
from tfrecords_tools.config import ConvertConfig, SplitFractions
from tfrecords_tools.conversion import convert as conversion
from tfrecords_tools.conversion.convert import ConvertError, OutputExistsError, convert
from tfrecords_tools.conversion.folder_journal import JournalError

CONFIG = ConvertConfig(
    split=SplitFractions(train=0.5, validation=0.3, test=0.2), shard_mib=0.01
)
N_KILLS = 50
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
"""Python's audit events of everything that can change a folder."""

CLEAN = multiprocessing.get_context("forkserver")
"""Its processes are forks of one without the threads that other tests leave behind."""
CLEAN.set_forkserver_preload([conversion.__name__])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_survey(tmp_path_factory.mktemp("in"), 16)
    write_rows(folder / "rows.fits", 5)
    return folder


def run_in_child(work: Callable[[], object], kill_at: int | None) -> tuple[bool, int]:
    """Run in a process that kills itself at an event; tell if it ended, and events."""
    reading, writing = CLEAN.Pipe(duplex=False)
    child = CLEAN.Process(target=_child, args=(work, kill_at, writing))
    child.start()
    writing.close()
    with reading:
        try:
            n_events = reading.recv()
        except EOFError:
            n_events = 0
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == 0, n_events


def _child(
    work: Callable[[], object], kill_at: int | None, writing: Connection
) -> None:
    n_events = 0

    def count(event: str, _: object) -> None:
        nonlocal n_events
        if event in EVENTS:
            if n_events == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            n_events += 1

    sys.addaudithook(count)
    work()
    writing.send(n_events)


def snapshot(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def done_shards(out: Path) -> dict[str, int]:
    """Inode of each shard that is noted as done."""
    notes = out.with_name(f".{out.name}.journal").glob("spec-*.json")
    staging = out.with_name(f".{out.name}.partial")
    shards = [staging / note.name.removesuffix(".json") for note in notes]
    return {shard.name: shard.stat().st_ino for shard in shards if shard.exists()}


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_killed_at_random_moments(
    inputs: Path, tmp_path: Path, overwrite: bool
) -> None:
    out, expected, old = (tmp_path / name for name in ("records", "expected", "old"))
    convert([inputs], expected, GRID, CONFIG)
    convert([inputs], old, GRID, CONFIG.model_copy(update={"split_salt": "other"}))

    def start() -> None:
        shutil.rmtree(out, ignore_errors=True)
        if overwrite:
            shutil.copytree(old, out)

    work = partial(
        convert, [inputs], out, GRID, CONFIG, overwrite=overwrite, progress=False
    )

    start()
    _, n_events = run_in_child(work, None)
    assert n_events > 100
    n_kept = 0
    moments = np.random.default_rng(2).integers(0, n_events, N_KILLS // 2)
    for moment in moments:
        start()
        ended, _ = run_in_child(work, int(moment))
        assert not ended
        if out.exists():  # the old data set or the new one, never half of one
            assert snapshot(out) in (snapshot(old), snapshot(expected))
        kept = done_shards(out)
        try:
            work()
        except OutputExistsError:  # it was killed when all had been done
            assert not overwrite
        assert snapshot(out) == snapshot(expected), moment
        for name, inode in kept.items():
            assert (out / name).stat().st_ino == inode, "written again"
        n_kept += len(kept)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"records", "expected", "old"}
    assert n_kept > N_KILLS  # the kills came at all stages


def test_killed_while_another_conversion_is_discarded(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, expected, begun = (tmp_path / name for name in ("records", "expected", "0"))
    other = CONFIG.model_copy(update={"split_salt": "other"})

    work = partial(convert, [inputs], out, GRID, CONFIG, progress=False)
    discard = partial(
        convert, [inputs], out, GRID, other, overwrite=True, progress=False
    )
    convert([inputs], expected, GRID, CONFIG)
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_complete", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            work()
    assert len(done_shards(out)) > 4
    hidden = (".records.partial", ".records.journal")
    for name in hidden:
        shutil.copytree(tmp_path / name, begun / name)
    n_continued = 0
    for moment in range(0, 60, 3):
        shutil.rmtree(out, ignore_errors=True)
        for name in hidden:
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            shutil.copytree(begun / name, tmp_path / name)
        ended, _ = run_in_child(discard, moment)
        assert not ended
        try:
            work()
        except JournalError:  # the other one had begun
            continue
        assert snapshot(out) == snapshot(expected), moment
        n_continued += 1
    assert n_continued > 5


@pytest.mark.parametrize("limit", [100, 1_500, 5_000])
def test_a_disk_that_takes_no_more(inputs: Path, tmp_path: Path, limit: int) -> None:
    """The system itself refuses to write, as a full disk does, at a file's size."""
    out, expected = tmp_path / "records", tmp_path / "expected"
    convert([inputs], expected, GRID, CONFIG)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    try:
        with pytest.raises(ConvertError, match=r"too large; mend that, and the same"):
            convert([inputs], out, GRID, CONFIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert not out.exists()
    assert not list(tmp_path.glob(".records.partial/*.partial"))
    convert([inputs], out, GRID, CONFIG)
    assert snapshot(out) == snapshot(expected)
