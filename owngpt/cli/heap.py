"""Memory that nobody counts, kept from growing for as long as a server serves.

glibc gives each thread an arena, and what one of them has freed no other one uses: here there is one for all. The
first large block that is freed teaches it to cut blocks of up to 32 MiB out of the arenas, and to keep 64 MiB free at
the end of each, so that every step's logits leave a hole that smaller things move into: here blocks from 256 KiB on
are the system's, and go back to it at once. Smaller ones do not, for the system fills each page with zeros before it
gives it. What lies free between them goes back every ten seconds.
And oneDNN with PyTorch keep 1,024 kernels each, one for every shape of a matrix that they have met, so that each text
of a new length costs some hundred kilobytes more: here they keep 64.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

SECONDS = 10.0  # from one trim to the next
_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}  # read when PyTorch is loaded
_KIB = 1024
_OPTIONS = {-8: 1, -3: 256 * _KIB, -1: 2048 * _KIB}  # of mallopt(3): M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


def bound() -> bool:
    """Call before there are threads, and before PyTorch is there; -> whether the heap takes it, which glibc's does.

    What the environment says about kernels goes first.
    """
    for name, number in _KERNELS.items():
        os.environ.setdefault(name, number)
    libc = _glibc()
    return libc is not None and all(libc.mallopt(option, value) for option, value in _OPTIONS.items())


def trim() -> bool:
    """Give free pages back to the system, some milliseconds long; -> whether there were any."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(ctypes.c_size_t(0)))


@cache
def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "malloc_trim") else None
