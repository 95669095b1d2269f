"""`input_file` in Responses: by id, by its bytes, and what is refused."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from owngpt.retrieval.document import DocumentError
from owngpt.service.app import App
from owngpt.service.ingest import MAX_VISITORS
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
TEXT = "The tower is 330 m tall."
DATA = base64.b64encode(TEXT.encode()).decode()


async def ask(client: httpx.AsyncClient, *, background: bool = False, **part: Any) -> httpx.Response:
    content = [{"type": "input_text", "text": "How tall?"}, {"type": "input_file", **part}]
    body = {"input": [{"role": "user", "content": content}], "background": background}
    return await client.post("/v1/responses", json=body)


def prompt(app: App) -> str:
    engine = engine_of(app)
    return engine.tokenizer.decode(engine.submissions[-1].prompt, skip_special=False)


@pytest.mark.parametrize("data", [DATA, f"data:text/plain;base64,{DATA}"])
async def test_the_model_reads_what_came_along(data: str) -> None:
    app = make_app("330 m.")
    async with client_of(app) as client:
        response = await ask(client, filename="tower.txt", file_data=data)
        assert response.status_code == 200, response.text
        assert f"How tall?\n\ntower.txt:\n\n{TEXT}" in prompt(app)
        items = (await client.get(f"/v1/responses/{response.json()['id']}/input_items")).json()["data"]
        assert items[0]["content"][1] == {"type": "input_file", "filename": "tower.txt", "text": TEXT}
        again = {"input": [*items[::-1], {"role": "user", "content": "And wide?"}]}
        assert (await client.post("/v1/responses", json=again)).status_code == 200
        assert TEXT in prompt(app)
    app.close()


async def test_the_model_reads_an_uploaded_file() -> None:
    app = make_app("330 m.")
    async with client_of(app) as client:
        upload = {"file": ("tower.md", f"# Tower\n\n{TEXT}".encode())}
        file = (await client.post("/v1/files", files=upload, data={"purpose": "user_data"})).json()
        assert (await ask(client, file_id=file["id"])).status_code == 200
        assert TEXT in prompt(app)
    app.close()


@pytest.mark.parametrize(
    ("part", "status", "message"),
    [
        ({"file_id": "file-none"}, 404, "No such File object"),
        ({"file_url": "https://example.com/a.pdf"}, 400, "fetches nothing"),
        ({"file_data": "?"}, 400, "base64"),
        ({"file_data": base64.b64encode(b"\x00\x01\x02").decode(), "filename": "a.bin"}, 400, "a.bin"),
        ({}, 400, "file_id"),
    ],
)
async def test_says_what_is_wrong(part: dict[str, Any], status: int, message: str) -> None:
    app = make_app("Hello!")
    async with client_of(app) as client:
        response = await ask(client, **part)
        assert (response.status_code, message in response.json()["error"]["message"]) == (status, True), response.text
    app.close()


async def test_slow_files_leave_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hostile files at once as there are threads: a few are read, and who needs no file waits for none."""
    app, release, reading = make_app(), threading.Event(), Counter[str]()

    def read(filename: str, data: bytes) -> Any:
        reading["now"] += 1
        assert release.wait(20)
        raise DocumentError(filename)

    monkeypatch.setattr(app.ingest, "read", read)
    async with client_of(app) as client, anyio.create_task_group() as group:
        for _ in range(45):
            group.start_soon(partial(ask, client, filename="bomb.docx", file_data=DATA))
        try:
            with anyio.fail_after(10):
                while reading["now"] < MAX_VISITORS:
                    await anyio.sleep(0.01)
                assert (await client.get("/v1/files")).status_code == 200
            assert reading["now"] == MAX_VISITORS
        finally:
            release.set()
    app.close()


async def test_a_request_that_is_refused_has_no_file_read() -> None:
    """Without room, or a request left of the limit, a file is not even looked up; in the background it is."""
    app = make_app("330 m.")
    async with client_of(app) as client:
        assert (await ask(client, file_id="file-gone")).status_code == 404
        [project] = (await client.get("/v1/organization/projects")).json()["data"]
        limits = f"/v1/organization/projects/{project['id']}/rate_limits/rl-*"
        assert (await client.post(limits, json={"max_requests_per_1_minute": 1})).status_code == 200
        assert (await client.post("/v1/responses", json={"input": "Hi"})).status_code == 200
        refused = await ask(client, file_id="file-gone")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert (await ask(client, background=True, file_id="file-gone")).status_code == 404
        await client.post(limits, json={"max_requests_per_1_minute": 1_000})
        app.limits.is_draining = True
        assert (await ask(client, file_id="file-gone")).status_code == 503
    app.close()
