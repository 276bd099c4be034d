"""Locks that the system lets go of, whatever ends the program."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfrecords_tools.errors import UserError

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(path: Path, refusal: UserError) -> Iterator[None]:
    """
    Keep other processes out of a block of work.

    Parameters
    ----------
    path : Path
        A folder that is there; or a file, which is made and stays: who removed it
        could not see who waits with it open. Not every network can lock a folder.
    refusal : UserError
        What to raise if another process is in the block.

    Yields
    ------
    None
        The lock is held. Where the file system has no locks, that is logged and the
        block is not kept.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            logger.warning("%s: cannot be locked here (%s)", path, error.strerror)
        yield
    finally:
        os.close(descriptor)
