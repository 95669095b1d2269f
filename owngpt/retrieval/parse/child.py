"""The process that reads strangers' files: `python -m owngpt.retrieval.parse.child`, started by `retrieval.parser`.

A request is a frame with what to do (JSON) and a frame with the file; it is answered with frames of progress and one
with the result. The process can write no file and take no more than its share of memory and time.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from owngpt.errors import RequestError
from owngpt.retrieval.parse import Progress, parse

MAX_MEMORY = 3 * 1024**3  # bytes of address space
PROGRESS_SECONDS = 0.25  # from one report to the next
MAX_CPU_SECONDS = 3600  # of all files together; a new process comes after it
_HEADER = struct.Struct(">cQ")  # kind, bytes

REQUEST, FILE, PROGRESS, DOCUMENT, IMAGE, ERROR = b"R", b"F", b"P", b"D", b"I", b"E"


def write_frame(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    """One message."""
    stream.write(_HEADER.pack(kind, len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes]:
    """One message. Raises `EOFError` when the other side is gone."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    kind, size = _HEADER.unpack(header)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return kind, data


def main() -> None:
    """Serve requests until nobody sends any."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    restrict()
    while True:
        try:
            _, request = read_frame(requests)
            _, data = read_frame(requests)
        except EOFError:
            return
        kind, answer = _answer(json.loads(request), data, answers)
        write_frame(answers, kind, answer)


def restrict() -> None:
    """Give up what reading a file does not need."""
    os.nice(10)
    for limit, value in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, MAX_CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(ValueError, OSError):  # not every system knows every limit
            resource.setrlimit(limit, (most, most))


def _answer(request: Mapping[str, Any], data: bytes, answers: BinaryIO) -> tuple[bytes, bytes]:
    try:
        if request["task"] == "image":
            return IMAGE, _image(request, data)
        return DOCUMENT, parse(request["filename"], data, _report(answers)).to_bytes()
    except RequestError as error:
        return ERROR, _error(error)


def _image(request: Mapping[str, Any], data: bytes) -> bytes:
    from owngpt.retrieval.parse.pdf_image import Highlight, page_image

    highlight = Highlight(*request["highlight"]) if request["highlight"] else None
    return page_image(data, request["page"], highlight, request["scale"])


def _report(answers: BinaryIO) -> Progress:
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > PROGRESS_SECONDS:
            last = now
            write_frame(answers, PROGRESS, json.dumps([done, total]).encode())

    return report


def _error(error: RequestError) -> bytes:
    return json.dumps([error.status, error.message, error.code, error.param]).encode()


if __name__ == "__main__":
    main()
