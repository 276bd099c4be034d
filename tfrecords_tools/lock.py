"""Locks that the system lets go of, whatever ends the program."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfrecords_tools.durable import remove_partial_of
from tfrecords_tools.errors import UserError

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class BusyError(UserError):
    """Another process is writing what was asked for; the message names it."""


@contextmanager
def locked(path: Path, refusal: UserError) -> Iterator[None]:
    """
    Keep other processes out of a block of work.

    Parameters
    ----------
    path : Path
        A folder that is there; or a file, which is made, with its folder, and stays
        unless the block removes it. Not every network can lock a folder.
    refusal : UserError
        What to raise if another process is in the block.

    Yields
    ------
    None
        The lock is held. Where the file system has no locks, that is logged and the
        block is not kept.
    """
    while True:
        descriptor = _open(path)
        try:
            _lock(descriptor, path, refusal)
            if _is_there(descriptor, path):  # or who had the lock has removed it
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """
    Keep other processes from writing the same file or folder.

    Parameters
    ----------
    path : Path
        Its place. What programs that were killed left beside it is removed.

    Yields
    ------
    None
        The place is one's own until the block ends, and so does the lock, a hidden file
        beside it.

    Raises
    ------
    BusyError
        If another process is writing it.
    """
    lock = path.with_name(f".{path.name}.lock")
    busy = BusyError(f"{path}: another process is writing it; wait for its end")
    with locked(lock, busy):
        remove_partial_of(path)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _open(path: Path) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _lock(descriptor: int, path: Path, refusal: UserError) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refusal from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        logger.warning("%s: cannot be locked here (%s)", path, error.strerror)


def _is_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
