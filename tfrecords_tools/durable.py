"""Files and folders that are there whole or not at all, whatever ends the program."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"
"""Ending of what is not complete."""
_N_FLUSHED_AT_ONCE = 8
"""A file system that is asked by several threads at once makes one wait of theirs."""


def write_whole(path: Path, content: bytes | str, *, for_good: bool = True) -> None:
    """
    Write a file such that a kill or a power cut leaves all of it or what was there.

    Parameters
    ----------
    path : Path
        The file; it is replaced if it exists.
    content : bytes or str
        All of it; text is written as UTF-8.
    for_good : bool, default True
        As for `replacing`.
    """
    with replacing(path, for_good=for_good) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, *, for_good: bool = True) -> Iterator[Path]:
    """
    Let a file or a folder be written under another name until it is complete.

    Parameters
    ----------
    path : Path
        Its place. A file there is replaced; a folder must be empty by then.
    for_good : bool, default True
        Whether to wait until its name is on the disk, too. Without, a power cut may
        still give back what was there, but never half of either.

    Yields
    ------
    partial : Path
        Where to write it. When the block ends it is put in its place; when an error
        ends it, it is removed.
    """
    with partial_path(path) as partial:
        yield partial
        if for_good:
            put_in_place(partial, path)
        else:
            flush(partial)
            partial.replace(path)


@contextmanager
def partial_path(path: Path) -> Iterator[Path]:
    """
    Name a file or a folder that is not complete.

    Parameters
    ----------
    path : Path
        Its place.

    Yields
    ------
    partial : Path
        Beside it; another one at every call, since a task that seemed lost may still
        be under way when it is done again. What still has this name when the block
        ends is removed.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    try:
        yield partial
    finally:
        discard(partial)


def put_in_place(partial: Path, path: Path) -> None:
    """
    Give what is complete its name, once all of it is on the disk.

    Parameters
    ----------
    partial : Path
        A file, or a folder with all that is in it.
    path : Path
        Its place, in the same file system.
    """
    flush(partial)
    move(partial, path)


def flush(path: Path) -> None:
    """
    Wait until a file or a folder is on the disk.

    Parameters
    ----------
    path : Path
        A file, or a folder with all that is in it.
    """
    if path.is_dir():
        with ThreadPoolExecutor(_N_FLUSHED_AT_ONCE) as pool:
            for _ in pool.map(_flush, path.rglob("*")):
                pass
    _flush(path)


def move(path: Path, place: Path) -> None:
    """
    Give a file or a folder that is on the disk another name, for good.

    Parameters
    ----------
    path : Path
        What is moved.
    place : Path
        Its new place, in the same file system. A file there is replaced; a folder
        must be empty.
    """
    path.replace(place)
    for folder in {path.parent, place.parent}:
        _flush(folder)


def make_folder(path: Path) -> None:
    """
    Make a folder that a power cut does not take away, with those above it.

    Parameters
    ----------
    path : Path
        The folder; it may be there.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _flush(folder.parent)


def remove(path: Path) -> None:
    """
    Remove a file such that it does not come back after a power cut.

    Parameters
    ----------
    path : Path
        The file; it may be absent.
    """
    path.unlink(missing_ok=True)
    _flush(path.parent)


def remove_partial(folder: Path) -> None:
    """Remove what a program that was killed could not."""
    for path in list(folder.rglob(f"*{PARTIAL_SUFFIX}")):
        discard(path)


def remove_partial_of(path: Path) -> None:
    """
    Remove what programs that were killed left of one file or folder.

    Parameters
    ----------
    path : Path
        Its place; nobody may be writing it.
    """
    names = f"{glob.escape(path.name)}.{'[0-9a-f]' * 32}{PARTIAL_SUFFIX}"
    for partial in list(path.parent.glob(names)):
        discard(partial)


def discard(path: Path) -> None:
    """
    Remove a file, or a folder with all that is in it.

    Parameters
    ----------
    path : Path
        Either; it may be absent.
    """
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network file systems cannot flush a folder
            raise
    finally:
        os.close(descriptor)
