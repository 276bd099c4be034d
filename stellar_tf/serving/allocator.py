"""Freed memory, kept for the next array."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1  # malloc.h
_M_MMAP_THRESHOLD = -3
_NEVER = 1 << 30


def keep_freed_memory() -> bool:
    """
    Let the C library keep large blocks that are freed, until the process ends.

    By default it returns them to the system, and the next array of a spectrum's size
    begins with pages that the system must find and clear: of a request of 8 full-size
    spectra by gRPC, more than a tenth of the time. For processes that handle one large
    array after the other; the memory they have had at most, they keep.

    Returns
    -------
    kept : bool
        False where the C library is not glibc; nothing has changed then.

    Notes
    -----
    mallopt(3). Blocks above a gibibyte are returned still.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    settings = (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)
    return all(library.mallopt(setting, _NEVER) == 1 for setting in settings)
