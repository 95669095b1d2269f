"""Forms come in pieces of any size; the file in them never stands in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from owngpt.errors import InvalidRequest
from owngpt.server.multipart import PIECE_BYTES, Form, read_form
from owngpt.store.blobs import Blobs, Writer

pytestmark = pytest.mark.anyio

FILE = bytes(range(256)) * 40 + b"\r\n--" + b"\r\n--bound" * 50 + b"\r\n"


def body_of(**parts: Any) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://x", files=parts)
    return request.read(), request.headers["content-type"]


async def read(pieces: AsyncIterator[bytes], content_type: str, writer: Writer) -> Form:
    async def receive() -> dict[str, Any]:
        piece = await anext(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    return await read_form(Request(scope, receive), "file", writer)


async def pieces_of(body: bytes, choice: random.Random) -> AsyncIterator[bytes]:
    while body:
        size = choice.choice([1, 2, 3, 7, 100, 5000])
        yield body[:size]
        body = body[size:]


@pytest.mark.parametrize("seed", range(20))
async def test_a_form_comes_in_pieces_of_any_size(seed: int, tmp_path: Path) -> None:
    body, content_type = body_of(before=(None, "1"), file=("naïve 日本.bin", FILE), after=(None, "2\r\n3"))
    with Blobs(tmp_path).writer(10**6) as writer:
        form = await read(pieces_of(body, random.Random(seed)), content_type, writer)
        assert form.staged is not None
        assert form.staged.path.read_bytes() == FILE
    assert (form.fields, form.filename) == ({"before": "1", "after": "2\r\n3"}, "naïve 日本.bin")


async def test_a_large_file_is_written_while_it_comes(tmp_path: Path) -> None:
    class Watched(Writer):
        largest = 0

        def write(self, data: bytes) -> None:
            Watched.largest = max(Watched.largest, len(data))
            super().write(data)

    async def stream() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(320):
            yield b"x" * 65_536
        yield b"\r\n--b--\r\n"

    writer = Watched(tmp_path, 2**30)
    form = await read(stream(), "multipart/form-data; boundary=b", writer)
    assert form.staged is not None
    assert form.staged.bytes == 320 * 65_536
    assert Watched.largest <= PIECE_BYTES + 65_536


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx', "ends before its last boundary"),
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
            "Missing required parameter: 'file'",
        ),
        (b"no form at all", "cannot be read"),
        (b"--b\r\nContent-Disposition: " + b"x" * 20_000 + b"\r\n\r\nx\r\n--b--\r\n", "Maximum header size exceeded"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 70_000, "'a' is over 65536 bytes"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 2 + b"--b--", "'a' twice"),
        (
            b"".join(b'--b\r\nContent-Disposition: form-data; name="%d"\r\n\r\nx\r\n' % i for i in range(65)),
            "more than 64 fields",
        ),
    ],
)
async def test_a_form_that_is_wrong_is_read_to_its_end_and_refused(body: bytes, message: str, tmp_path: Path) -> None:
    read_to_end = False

    async def stream() -> AsyncIterator[bytes]:
        nonlocal read_to_end
        yield body
        yield b"rest"
        read_to_end = True

    with pytest.raises(InvalidRequest, match=message), Blobs(tmp_path).writer(10**6) as writer:
        await read(stream(), "multipart/form-data; boundary=b", writer)
    assert read_to_end


async def test_a_boundary_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with Blobs(tmp_path).writer(100) as writer, pytest.raises(InvalidRequest, match="Boundary length"):
        await read(pieces_of(b"--a", random.Random(0)), f"multipart/form-data; boundary={'a' * 30_000}", writer)
