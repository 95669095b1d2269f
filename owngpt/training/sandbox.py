"""Runs Python that a model wrote against tests, in a child process that may do little.

The child has limits on processor time, memory, files and their size, an empty environment, and a temporary folder.
An audit hook (PEP 578), which cannot be taken off, refuses sockets, processes, ctypes, most of `os`, writing outside of
the folder, and reading outside of it and Python's own library. Where the system allows, it has no network device.

What this does not protect from: a flaw in the interpreter or in a library in C that gets around audit events, or in the
kernel; a program that searches the frames of its runner, or returns objects that equal everything, to pass without
solving; and use of the processor up to the limit. It is made for the mistakes of a model in training. For code of
people who mean harm, run the whole training in a virtual machine.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 4  # of processor time, and of waiting twice as many
MEMORY = 512 * 2**20  # bytes
FILE_SIZE = 2**20  # bytes

# Reads {"code", "tests", "mark", ...} and writes the mark if all tests have run.
RUNNER = r"""
import json, os, resource, sys
task = json.load(sys.stdin)
out = os.dup(1)
nothing = os.open(os.devnull, os.O_RDWR)
for fd in (0, 1, 2):
    os.dup2(nothing, fd)
for name, value in task["limits"].items():
    resource.setrlimit(getattr(resource, name), (value, value))
library = tuple(os.path.realpath(path) + os.sep for path in sys.path if os.path.isdir(path))
home = os.getcwd() + os.sep
del sys.modules["resource"]

def hook(event, args, library=library, home=home, write=os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC,
         real=os.path.realpath, fsdecode=os.fsdecode, refuse=PermissionError, denied=task["denied"],
         modules=frozenset(task["modules"]), allowed=frozenset(task["allowed"]), begins=str.startswith,
         is_path=(str, bytes), kind=isinstance):
    if event == "open":
        path, mode, flags = args
        if not kind(path, is_path):
            raise refuse("only paths may be opened")
        path = real(fsdecode(path))
        if not begins(path, home) and (flags & write or not begins(path, library)):
            raise refuse("this file may not be opened")
    elif event == "import":
        if args[0].partition(".")[0] in modules:
            raise refuse("this module may not be imported")
    elif event not in allowed and begins(event, tuple(denied)):
        raise refuse(event + " is not allowed")

sys.addaudithook(hook)
del hook
space = {"__name__": "__main__"}
exec(compile(task["code"], "answer.py", "exec"), space)
for test in task["tests"]:
    exec(compile(test, "test.py", "exec"), space)
os.write(out, task["mark"].encode())
os._exit(0)
"""
ALLOWED = ("os.listdir", "os.scandir")  # which importing needs
# events that begin like this are refused; all others are those of computing
DENIED = (
    "os.", "socket.", "subprocess.", "ctypes.", "shutil.", "pty.", "signal.", "fcntl.", "resource.", "gc.",
    "tempfile.", "mmap.", "syslog.", "glob.", "urllib.", "http.", "ftplib.", "smtplib.", "sqlite3.", "cpython.",
    "code.__new__", "sys.settrace", "sys.setprofile", "sys._current_frames",
)  # fmt: skip
MODULES = (
    "ctypes", "_ctypes", "socket", "_socket", "subprocess", "_posixsubprocess", "multiprocessing", "mmap", "signal",
    "resource", "fcntl", "pty", "gc", "_xxsubinterpreters", "_testcapi", "_testinternalcapi", "asyncio",
    "threading", "sqlite3", "_sqlite3", "cffi", "_cffi_backend",
)  # fmt: skip


def passes(code: str, tests: tuple[str, ...], seconds: int = SECONDS) -> bool:
    """Whether the program runs and all tests, statements that are run after it, raise nothing. Never raises itself."""
    mark = secrets.token_hex(16)
    limits = {
        "RLIMIT_CPU": seconds,
        "RLIMIT_AS": MEMORY,
        "RLIMIT_FSIZE": FILE_SIZE,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_NPROC": 0,
    }
    rules = {"limits": limits, "denied": DENIED, "allowed": ALLOWED, "modules": MODULES}
    task = {"code": code, "tests": tests, "mark": mark, **rules}
    with TemporaryDirectory() as folder:
        return _run(json.dumps(task), Path(folder).resolve(), 2 * seconds) == mark


def _run(task: str, folder: Path, seconds: float) -> str:
    """What the child writes; "" where it has to be killed. Nothing of it survives."""
    command = [*_without_network(), sys.executable, "-I", "-S", "-B", "-c", RUNNER]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={},
        text=True,
        start_new_session=True,
    )
    try:
        return child.communicate(task, timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        return ""
    finally:
        _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    """Kill the child and whatever it started."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@cache
def _without_network() -> tuple[str, ...]:
    """What starts a program in a network of its own, which has no devices; empty where the system refuses."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "--map-root-user", "--net")
    is_possible = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if is_possible else ()
