from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfrecords_tools.durable import (
    PARTIAL_SUFFIX,
    make_folder,
    move,
    partial_path,
    put_in_place,
    remove,
    remove_partial,
    replacing,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("content", ["µ\r\n", "µ\r\n".encode()])
def test_a_file_holds_what_was_written_and_nothing_else_is_left(
    tmp_path: Path, content: bytes | str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    write_whole(path, content)
    assert path.read_bytes() == "µ\r\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with replacing(path) as partial:
        partial.write_text("half")
        assert path.read_text() == "before"
    assert path.read_text() == "half"


def partial_half(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text("half")
        raise FileNotFoundError


def missing_half(path: Path) -> None:
    with replacing(path):
        pass


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    for act in (partial_half, missing_half):
        with pytest.raises(FileNotFoundError):
            act(path)
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as partial:
        (partial / "b").mkdir(parents=True)
        (partial / "b" / "c").write_text("c")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a", "a/b", "a/b/c"]


def test_a_folder_that_is_not_empty_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with (
        pytest.raises(OSError, match="not empty"),
        replacing(tmp_path / "a") as partial,
    ):
        partial.mkdir()
    assert names(tmp_path) == ["a", "a/b"]


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files and folders that were flushed, in order."""
    paths: list[Path] = []

    def fsync(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


def test_a_change_of_a_folder_is_flushed_with_it(
    tmp_path: Path, flushed: list[Path]
) -> None:
    make_folder(tmp_path / "a" / "b")
    assert set(flushed) == {tmp_path, tmp_path / "a"}
    flushed.clear()
    make_folder(tmp_path / "a")
    assert not flushed
    (tmp_path / "c").touch()
    move(tmp_path / "c", tmp_path / "a" / "c")
    assert set(flushed) == {tmp_path, tmp_path / "a"}
    flushed.clear()
    for _ in range(2):
        remove(tmp_path / "a" / "c")
    assert flushed == [tmp_path / "a"] * 2
    assert names(tmp_path) == ["a", "a/b"]


def test_all_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, flushed: list[Path]
) -> None:
    folder = tmp_path / f"a{PARTIAL_SUFFIX}"
    folder.mkdir()
    (folder / "b").touch()
    put_in_place(folder, tmp_path / "a")
    assert flushed == [folder / "b", folder, tmp_path]
    flushed.clear()
    write_whole(tmp_path / "c", "c", for_good=False)
    (partial,) = flushed
    assert partial.parent == tmp_path
    assert partial.name.startswith("c.")


def test_a_disk_that_fails_is_told_and_a_folder_that_cannot_be_flushed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir() or fails:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    fails = False
    write_whole(tmp_path / "a", "a")
    fails = True
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path / "a", "b")
    assert (tmp_path / "a").read_text() == "a"


def test_two_writers_of_a_file_do_not_meet(tmp_path: Path) -> None:
    with partial_path(tmp_path / "a") as one, partial_path(tmp_path / "a") as other:
        assert one != other


def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "b" / f"c{PARTIAL_SUFFIX}").mkdir(parents=True)
    (tmp_path / "b" / f"c{PARTIAL_SUFFIX}" / f"d{PARTIAL_SUFFIX}").touch()
    (tmp_path / f"a{PARTIAL_SUFFIX}").touch()
    (tmp_path / "a").touch()
    remove_partial(tmp_path)
    assert names(tmp_path) == ["a", "b"]
