"""Parser: reads files in processes of their own, so that a hostile one can neither crash nor fill this one.

A process is used again for the next file. One that takes too long is killed, and one that dies fails its file alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from owngpt.errors import NotFound
from owngpt.retrieval.document import Document, DocumentError, UnsupportedFile
from owngpt.retrieval.parse import Progress
from owngpt.retrieval.parse import child as wire

PATIENCE = 120.0  # seconds from one sign of life to the next
MAX_FILES = 200  # that one process reads, for libraries leak
MAX_IDLE = 2  # processes that are kept for the next file
IDLE_SECONDS = 60.0
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class Parser:
    """Calls block, and are safe from any thread; as many processes run as there are calls at the same time."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._idle: list[ParserProcess] = []
        self._is_closed = False
        self._timer = threading.Timer(0, self._rest)  # of the idle; not started while there are none

    def parse(self, filename: str, data: bytes, progress: Progress = lambda done, total: None) -> Document:
        """`retrieval.parse.parse` elsewhere. `DocumentError` also for a file that takes too much or too long."""
        with self._process() as process:
            answer = process.ask({"task": "parse", "filename": filename}, data, progress)
        try:
            return Document.from_bytes(answer)
        except (ValueError, KeyError, TypeError) as error:
            raise DocumentError(f"{filename}: the file could not be read; save it anew") from error

    def page_image(
        self, data: bytes, page: int, highlight: tuple[str, int, int] | None = None, scale: float = 2.0
    ) -> bytes:
        """PNG of a page of a PDF, with characters (start, end) of the page's text marked, if they are given.

        Raises `NotFound` for a page that does not exist, and `DocumentError`.
        """
        with self._process() as process:
            request = {"task": "image", "page": page, "highlight": highlight, "scale": scale}
            return process.ask(request, data, lambda done, total: None)

    def close(self) -> None:
        """End the processes that wait. Idempotent."""
        self._is_closed = True
        self._timer.cancel()
        self._rest()

    @contextmanager
    def _process(self) -> Iterator[ParserProcess]:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        process = process or ParserProcess(self._patience)
        try:
            yield process
        finally:
            with self._lock:
                is_kept = process.is_usable and len(self._idle) < MAX_IDLE and not self._is_closed
                if is_kept:
                    self._idle.append(process)
                    self._watch()
            if not is_kept:
                process.close()

    def _watch(self) -> None:
        """Have processes ended that nobody needs for a while."""
        self._timer.cancel()
        self._timer = threading.Timer(IDLE_SECONDS, self._rest)
        self._timer.daemon = True
        self._timer.start()

    def _rest(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()


class ParserProcess:
    """One process; one file at a time."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._num_files = 0
        self._timed_out = False
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}  # no keys, no passwords
        home = Path(wire.__file__).parents[3]
        self._process = subprocess.Popen(
            [sys.executable, "-m", wire.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": str(home), "PYTHONIOENCODING": "utf-8"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._answers: BinaryIO = self._process.stdout  # type: ignore[assignment]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it may be asked again."""
        return self._process.poll() is None and self._num_files < MAX_FILES and not self._timed_out

    def ask(self, request: dict[str, Any], data: bytes, progress: Progress) -> bytes:
        """The result. Raises what the other side raised, and `DocumentError` if it does not answer."""
        self._num_files += 1
        name = request.get("filename", "the file")
        try:
            with Watch(self._patience, self._kill) as watch:
                wire.write_frame(self._requests, wire.REQUEST, json.dumps(request).encode())
                wire.write_frame(self._requests, wire.FILE, data)
                while True:
                    kind, answer = wire.read_frame(self._answers)
                    if kind != wire.PROGRESS:
                        break
                    watch.restart()
                    progress(*json.loads(answer))
        except (EOFError, OSError) as error:
            self._kill()
            reason = f"takes longer than {self._patience:g} s" if self._timed_out else "makes its reader fail"
            raise DocumentError(f"{name}: the file {reason}; simplify it, split it or save it anew") from error
        except BaseException:  # somebody has lost interest: what it says next is for nobody
            self._kill()
            raise
        if kind == wire.ERROR:
            raise _error(*json.loads(answer))
        return answer

    def close(self) -> None:
        """End it; it does not work on anything."""
        self._process.kill()
        self._process.wait()
        for stream in (self._requests, self._answers):
            with suppress(OSError):
                stream.close()

    def _kill(self, *, is_late: bool = False) -> None:
        self._timed_out = self._timed_out or is_late
        self._process.kill()


class Watch:
    """Calls `expire(is_late=True)` unless it is restarted within `seconds`, again and again."""

    def __init__(self, seconds: float, expire: Any) -> None:
        self._seconds, self._expire = seconds, expire
        self._timer = self._start()

    def restart(self) -> None:
        self._timer.cancel()
        self._timer = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._expire, kwargs={"is_late": True})
        timer.daemon = True
        timer.start()
        return timer


def _error(status: int, message: str, code: str | None, param: str | None) -> Exception:
    if status == NotFound.status:
        return NotFound(message, param=param, code=code)
    kind = UnsupportedFile if code == UnsupportedFile.default_code else DocumentError
    return kind(message, param=param, code=code)
