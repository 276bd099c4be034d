"""Parts of the network that XLA compiles: faster, but nothing for a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_on = ContextVar("compiles_parts", default=False)


@contextmanager
def compile_parts() -> Iterator[None]:
    """
    Let XLA compile parts of the network in what is traced inside.

    For work in this process, with batches of one size: each size is compiled anew. A
    SavedModel has TensorFlow's own operations only, for a server may not have XLA.

    Yields
    ------
    None
        Nothing.
    """
    before = _is_on.set(True)
    try:
        yield
    finally:
        _is_on.reset(before)


def compiles_parts() -> bool:
    """
    Say whether parts are compiled.

    Returns
    -------
    is_on : bool
        True inside `compile_parts`.
    """
    return _is_on.get()
