"""Memory that is free goes back to the system, instead of staying with the process for the next load.

Two allocators hold it: the C library's, of numpy and gRPC, and Arrow's. The first keeps a heap for each of many threads
by itself, each of which stays as large as it ever was.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

import pyarrow as pa

_M_ARENA_MAX = -8
_ARENAS = 2


def share() -> None:
    """Have all threads share a few heaps; to be called before there are threads. Without glibc it does nothing."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


@contextlib.contextmanager
def given_back() -> Iterator[None]:
    """What is free when the context ends goes back to the system."""
    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
