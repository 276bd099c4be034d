"""What was learnt of the files that were read last, so that it is learnt once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")
Version = tuple[str, int, int]
"""Path, time of the last change [ns] and size of a file."""


def version_of(path: Path) -> Version:
    """Tell which state of a file is there: another one once it is changed."""
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


class Recent(Generic[Value]):
    """
    A few values by their keys, the oldest forgotten first.

    Parameters
    ----------
    size : int
        How many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[object, Value] = {}

    def get(self, key: object, make: Callable[[], Value]) -> Value:
        """
        Return what is known, or make it.

        Parameters
        ----------
        key : hashable
            With the version of the file in it.
        make : callable
            Makes the value.

        Returns
        -------
        value : object
            As made for this key.
        """
        try:
            return self._values[key]
        except KeyError:
            value = make()
        while len(self._values) >= self._size:
            # Another thread may have been faster.
            self._values.pop(next(iter(self._values)), None)
        self._values[key] = value
        return value

    def find(self, key: object) -> Value | None:
        """Return what is known of a key as of `get`, None if nothing is."""
        return self._values.get(key)
