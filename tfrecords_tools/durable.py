"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


def partial_path(path: Path) -> Path:
    """
    Name a file to be written first and renamed when it is complete.

    Parameters
    ----------
    path : Path
        The file to be.

    Returns
    -------
    partial : Path
        Beside it; another one at every call, since a task that seemed lost may still
        be under way when it is done again.
    """
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")


def write_durably(path: Path, content: bytes) -> None:
    """
    Write a file such that a kill or a power cut leaves all of it or nothing.

    Parameters
    ----------
    path : Path
        The file; it is replaced if it exists.
    content : bytes
        All of it.
    """
    partial = partial_path(path)
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
