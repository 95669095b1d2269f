"""What a program that a model wrote may do, and what it may not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from owngpt.training.sandbox import passes


def test_tests_decide() -> None:
    assert passes("import math, re, collections, itertools, heapq\nx = math.floor(2.5)", ("assert x == 2",))
    assert not passes("x = 2", ("assert x == 2", "assert x == 3"))
    assert not passes("x = ", ())


def test_the_library_is_at_hand() -> None:
    modules = "bisect, collections, copy, dataclasses, datetime, decimal, enum, functools, random, statistics, typing"
    use = "P = collections.namedtuple('P', 'x y')\n@dataclasses.dataclass\nclass D:\n    a: int"
    assert passes(f"import {modules}\n{use}", ("assert P(1, 2).y == 2", "assert D(1).a == 1"))


def test_it_may_write_in_its_own_folder() -> None:
    assert passes("open('a', 'w').write('hi')", ("assert open('a').read() == 'hi'",))


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "raise SystemExit",
        "import socket",
        "import subprocess",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], dict())",
        "import ctypes",
        "import threading",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.remove('/tmp/nothing')",
        "open('/etc/hostname').read()",
        "open('../{name}', 'w')",
        "open('{file}').read()",
        "import os; os.symlink('{file}', 'here')",
        "bytearray(2 ** 30)",
        "open('big', 'wb').write(bytes(2 ** 21)); assert open('big', 'rb').read(2 ** 22).__len__() == 2 ** 21",
    ],
)
def test_it_may_not(code: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    assert not passes(code.format(file=secret, name="escaped"), ("pass",))


def test_it_is_killed_in_time() -> None:
    start = time.monotonic()
    assert not passes("while True: pass", (), seconds=1)
    assert not passes("import time; time.sleep(60)", (), seconds=1)
    assert time.monotonic() - start < 15
