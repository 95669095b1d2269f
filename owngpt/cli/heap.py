"""glibc's heap in a process of many threads: it gives each thread an arena, and what one of them has freed no other one
uses. So a server that has served for long holds much that nobody needs, and more each minute. Here it may have two.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

SECONDS = 60.0  # from one trim to the next
_ARENA_MAX, _ARENAS = -8, 2  # M_ARENA_MAX of mallopt(3)


def bound() -> bool:
    """Call before there are threads; -> whether the heap takes it. Where there is no glibc nothing happens."""
    libc = _glibc()
    return libc is not None and bool(libc.mallopt(_ARENA_MAX, _ARENAS))


def trim() -> bool:
    """Give free pages back to the system, some milliseconds long; -> whether there were any."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(ctypes.c_size_t(0)))


@cache
def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "malloc_trim") else None
