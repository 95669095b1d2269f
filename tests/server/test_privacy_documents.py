"""Documents that were indexed before a project had a policy: searched, read, shown and answered from without their
personal data. The bytes of the file itself stay as they were uploaded."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest

from owngpt.service.app import App
from tests.fakes.canaries import EVERYTHING, echo, leaks
from tests.fakes.engine import client_of, engine_of, make_app
from tests.retrieval.parse.pdfs import pdf

pytestmark = pytest.mark.anyio
NAME = "zq-canary@example.com.txt"
TEXT = "The wizard says: 氏名：伊集院 光太郎 です, mail zq-canary@example.com, 電話 090-8765-4321. Bring a broom."


class Shop(NamedTuple):
    """An app with a policy, and a store with a text and a PDF that came before it."""

    app: App
    client: httpx.AsyncClient
    store: str
    text: str  # ids of files
    pages: str


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    app = make_app(script=echo, max_model_len=60_000)
    async with client_of(app) as client:
        store = (await client.post("/v1/vector_stores", json={})).json()["id"]
        text = await add(client, store, NAME, TEXT.encode())
        pages = await add(client, store, "a.pdf", pdf(["Mail zq-canary@example.com now."], ["A broom."]))
        await app.ingest.idle()
        [key] = app.keys.list()
        with app.database.write() as transaction:
            app.privacy.set_policy(transaction, key.project_id, EVERYTHING)
        app.privacy.forget()
        yield Shop(app, client, store, text, pages)
    await app.ingest.rest()
    app.ingest.close()


async def add(client: httpx.AsyncClient, store: str, name: str, data: bytes) -> str:
    sent = await client.post("/v1/files", files={"file": (name, data)}, data={"purpose": "assistants"})
    file_id: str = sent.json()["id"]
    await client.post(f"/v1/vector_stores/{store}/files", json={"file_id": file_id})
    return file_id


async def test_a_search_shows_no_personal_data(shop: Shop) -> None:
    found = await shop.client.post(f"/v1/vector_stores/{shop.store}/search", json={"query": "wizard broom"})
    assert "Bring a broom." in found.text
    assert leaks(found.content) == []


async def test_the_text_of_a_file_and_of_a_page_show_none(shop: Shop) -> None:
    files = f"/v1/vector_stores/{shop.store}/files"
    whole = await shop.client.get(f"{files}/{shop.text}/content")
    assert "Bring a broom." in whole.text
    assert leaks(whole.content) == []
    for path in (f"{files}/{shop.pages}/content", f"{files}/{shop.pages}/pages/1"):
        shown = await shop.client.get(path)
        assert "Mail ●●●" in shown.text
        assert leaks(shown.content) == []
    assert (await shop.client.get(f"/v1/files/{shop.text}/content")).text == TEXT


async def test_a_page_with_personal_data_is_shown_as_text_only(shop: Shop) -> None:
    pages = f"/v1/vector_stores/{shop.store}/files/{shop.pages}/pages"
    refused = await shop.client.get(f"{pages}/1", params={"format": "png"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "pii_masked")
    shown = await shop.client.get(f"{pages}/2", params={"format": "png"})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")


async def test_the_log_has_no_name_of_a_file(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await add(shop.client, shop.store, NAME, b"A broom.")
    await add(shop.client, shop.store, NAME, b"")
    await shop.app.ingest.idle()
    assert "1 chunks" in caplog.text
    assert "failed: invalid_file" in caplog.text
    assert leaks(caplog.text.encode()) == []


async def test_the_model_reads_no_name_of_a_file_that_is_personal(shop: Shop) -> None:
    tools = [{"type": "file_search", "vector_store_ids": [shop.store]}]
    body = {"input": "what of the wizard?", "tools": tools, "include": ["file_search_call.results"]}
    answer = await shop.client.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    assert leaks(answer.content) == []
    for submission in engine_of(shop.app).submissions:
        assert leaks(echo(submission).encode()) == []


async def test_nor_that_of_a_file_that_a_request_names(shop: Shop) -> None:
    documents = [{"file_id": shop.text}]
    body = {"messages": [{"role": "user", "content": "what of the wizard?"}], "documents": documents}
    answer = await shop.client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert "Bring a broom." in echo(engine_of(shop.app).submissions[-1])
    for submission in engine_of(shop.app).submissions:
        assert leaks(echo(submission).encode()) == []


async def test_nor_that_of_a_file_in_a_message(shop: Shop) -> None:
    content = [{"type": "input_text", "text": "what of the wizard?"}, {"type": "input_file", "file_id": shop.text}]
    answer = await shop.client.post("/v1/responses", json={"input": [{"role": "user", "content": content}]})
    assert answer.status_code == 200, answer.text
    assert "Bring a broom." in echo(engine_of(shop.app).submissions[-1])
    for submission in engine_of(shop.app).submissions:
        assert leaks(echo(submission).encode()) == []
    items = await shop.client.get(f"/v1/responses/{answer.json()['id']}/input_items")
    [item] = items.json()["data"]
    assert item["content"][1]["filename"] == NAME  # it is the caller's own again
    assert leaks(str(shop.app.database.read("SELECT item FROM response_items")).encode()) == []
