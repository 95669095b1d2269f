"""The heap gives back what was freed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from owngpt.cli import heap

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the heap is not glibc's")
THREADS = """
import ctypes, threading
from owngpt.cli import heap
assert heap.bound()
everybody = threading.Barrier(12)
def work():
    kept = [bytes(4000) for _ in range(1000)]
    everybody.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""
LARGE = """
from owngpt.cli import heap
from tests.test_heap import anonymous
assert heap.bound()
b"x" * 30 * 1024**2  # freed at once; from here on the heap would cut blocks of this size out of itself
large, small = [], []
for _ in range(8):
    large.append(b"x" * 8 * 1024**2)
    small.append(b"x" * 200_000)
before = anonymous()
large.clear()
print(before - anonymous())
"""
ENVIRONMENT = """
import os, sys
from owngpt.cli import serve
assert "torch" not in sys.modules, "it has read its environment"
serve.heap.bound()
print(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"], os.environ["LRU_CACHE_CAPACITY"])
"""


def anonymous() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def test_free_pages_in_the_middle_go_back_to_the_system() -> None:
    heap.trim()
    kept = [bytes(8000) for _ in range(5000)]
    before = anonymous()
    last = kept[-1]
    kept.clear()
    assert heap.trim()
    assert anonymous() < before - 20_000_000
    assert len(last) == 8000


def test_large_blocks_go_back_at_once_whatever_stands_between_them() -> None:
    """Each step's logits were cut out of the heap, and what was put between them kept all of it."""
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 60_000_000


def test_many_threads_share_two_arenas() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert done.stdout.count("<heap ") <= 2


def test_kernels_are_bounded_before_they_are_made_and_the_operator_goes_first() -> None:
    env = {**os.environ, "LRU_CACHE_CAPACITY": "7"}
    done = subprocess.run([sys.executable, "-c", ENVIRONMENT], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "64 7\n"
