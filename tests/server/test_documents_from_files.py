"""`documents` that are uploaded files: read where they lie, with their pages, for those who may read them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from owngpt.service.app import App
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
SENTENCE = "The Eiffel Tower was built in 1889 by Gustave Eiffel."
SAID = f'In 1889: "[1] {SENTENCE}"'


@pytest.fixture
def app() -> Iterator[App]:
    app = make_app(SAID)
    yield app
    app.close()


def two_pages() -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file)
    for text in ("Paris is the capital of France.", SENTENCE):
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


async def upload(client: httpx.AsyncClient, name: str, data: bytes, **fields: str) -> str:
    files = {"file": (name, data)}
    response = await client.post("/v1/files", data={"purpose": "user_data", **fields}, files=files)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def ask(client: httpx.AsyncClient, *documents: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {
        "messages": [{"role": "user", "content": "When was the Eiffel Tower built?"}],
        "documents": documents,
        "citation_options": {"threshold": 0.1},
    }
    return await client.post("/v1/chat/completions", json=body | fields)


async def test_a_citation_names_file_page_and_offsets(app: App) -> None:
    async with client_of(app) as client:
        file_id = await upload(client, "paris.pdf", two_pages())
        response = await ask(client, {"file_id": file_id}, {"text": "Bananas are yellow.", "id": "b"})
    message = response.json()["choices"][0]["message"]
    (annotation,) = message["annotations"]
    assert (annotation["file_id"], annotation["filename"], annotation["page"]) == (file_id, "paris.pdf", 2)
    text = app.ingest.read("paris.pdf", two_pages()).text
    assert text[annotation["start"] : annotation["end"]] == annotation["quote"] == SENTENCE
    assert "Bananas" in engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)


async def test_a_response_takes_them_too(app: App) -> None:
    async with client_of(app) as client:
        file_id = await upload(client, "paris.txt", SENTENCE.encode())
        body = {"input": "When was the Eiffel Tower built?", "documents": [{"file_id": file_id, "title": "Paris"}]}
        response = await client.post("/v1/responses", json=body | {"citation_options": {"threshold": 0.1}})
    (part,) = response.json()["output"][0]["content"]
    assert [(one["file_id"], one["filename"]) for one in part["annotations"]] == [(file_id, "Paris")]


async def test_a_file_that_others_may_read_is_not_there(app: App) -> None:
    async with client_of(app) as client:
        file_id = await upload(client, "paris.txt", SENTENCE.encode(), readers="user:somebody")
        response = await ask(client, {"file_id": file_id})
        assert (response.status_code, response.json()["error"]["type"]) == (404, "invalid_request_error")
        streamed = await ask(client, {"file_id": file_id}, stream=True)
    assert streamed.status_code == 404
    assert not engine_of(app).submissions


async def test_an_answer_from_a_file_with_readers_is_not_stored_for_everybody(app: App) -> None:
    [key] = app.database.read("SELECT id FROM keys")
    async with client_of(app) as client:
        file_id = await upload(client, "paris.txt", SENTENCE.encode(), readers=f"key:{key['id']}")
        stored = await ask(client, {"file_id": file_id}, store=True)
        passing = await ask(client, {"file_id": file_id})
    assert stored.status_code == 400
    assert "readers" in stored.json()["error"]["message"]
    assert passing.status_code == 200
    assert not engine_of(app).submissions[0].is_durable


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"text": "a", "file_id": "file-1"}, "documents[0] has both"),
        ({"title": "a"}, "documents[0] has neither"),
        ({"file_id": "file-1"}, "No such File object: file-1"),
    ],
)
async def test_what_is_wrong_is_said(app: App, document: dict[str, str], said: str) -> None:
    async with client_of(app) as client:
        response = await ask(client, document)
    assert response.status_code in (400, 404)
    assert said in response.json()["error"]["message"]


async def test_files_have_the_limit_that_texts_have(app: App) -> None:
    async with client_of(app) as client:
        file_id = await upload(client, "long.txt", b"All of it is long. " * 55_000)
        response = await ask(client, {"file_id": file_id})
    assert response.status_code == 400
    assert "one request takes 1,000,000" in response.json()["error"]["message"]
