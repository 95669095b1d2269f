"""/v1/vector_stores by OpenAI's own client: stores, files, batches, contents and pages; who may see what."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.vector_stores import VectorStoreFile

from owngpt.server.asgi import create_app
from owngpt.server.auth import INSIDE
from owngpt.service.app import App
from owngpt.service.callers import recall
from owngpt.store.db import Database
from owngpt.store.vector_stores import DAY
from tests.fakes.engine import KEY, client_of, make_app
from tests.retrieval.parse.pdfs import pdf

pytestmark = pytest.mark.anyio
LONG = "This sentence is one of many that all say the same. " * 60


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    app = make_app(database=database)
    yield app
    await app.ingest.rest()
    app.ingest.close()


@pytest.fixture
async def client(app: App) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(app) as client:
        yield client


def openai_client(app: App, key: str = KEY) -> AsyncOpenAI:
    http: Any = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(app)))
    return AsyncOpenAI(
        api_key=key, base_url="http://owngpt.test/v1", http_client=http, max_retries=0, _strict_response_validation=True
    )


async def add(client: AsyncOpenAI, store: str, name: str, data: bytes, **more: Any) -> VectorStoreFile:
    return await client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=(name, data), poll_interval_ms=20, **more
    )


async def test_a_file_is_uploaded_polled_read_and_found(client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create(name="Handbook", metadata={"team": "hr"}, description="All of it")
    assert (store.object, store.status, store.name, store.metadata) == (
        "vector_store",
        "completed",
        "Handbook",
        {"team": "hr"},
    )
    file = await add(client, store.id, "a.pdf", pdf(["# Leave", "Annual leave is 20 days."], ["Page two."]))
    assert (file.status, file.last_error, file.object) == ("completed", None, "vector_store.file")
    assert file.model_extra is not None
    assert file.model_extra["progress"] == {"stage": "done", "done": 1, "total": 1}
    store = await client.vector_stores.retrieve(store.id)
    assert (store.file_counts.completed, store.file_counts.total) == (1, 1)
    assert store.usage_bytes == file.usage_bytes > 0
    found = await client.vector_stores.search(store.id, query="How long is annual leave?")
    assert "Annual leave is 20 days." in found.data[0].content[0].text
    pages = [part async for part in await client.vector_stores.files.content(file.id, vector_store_id=store.id)]
    assert [page.text for page in pages] == ["Leave\n\nAnnual leave is 20 days.", "Page two."]


async def test_a_batch_reports_what_could_be_read_and_what_not(client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    batch = await client.vector_stores.file_batches.upload_and_poll(
        store.id, files=[("b.txt", b"hello"), ("c.png", b"\x89PNG\r\n"), ("d.pdf", pdf([]))], poll_interval_ms=20
    )
    assert (batch.status, batch.object) == ("completed", "vector_store.files_batch")
    assert (batch.file_counts.completed, batch.file_counts.failed, batch.file_counts.total) == (1, 2, 3)
    files = await client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
    errors = {file.last_error.message: file.last_error.code async for file in files if file.last_error}
    assert errors == {
        "c.png: it is a PNG image, which is not read here": "unsupported_file",
        "d.pdf: the file has no text (page 1 has no text layer (scanned?): run text recognition (OCR) over the file)": (
            "invalid_file"
        ),
    }
    failed = await client.vector_stores.files.list(store.id, filter="failed")
    assert len(failed.data) == 2


async def test_stores_are_listed_changed_and_deleted(client: AsyncOpenAI) -> None:
    ids = [(await client.vector_stores.create(name=f"{n}")).id for n in range(5)]
    assert sorted(store.id for store in [s async for s in client.vector_stores.list(limit=2)]) == sorted(ids)
    changed = await client.vector_stores.update(
        ids[0], name="new", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 3}
    )
    assert (changed.name, changed.metadata) == ("new", {"a": "b"})
    assert changed.expires_at == (changed.last_active_at or 0) + 3 * DAY
    changed = await client.vector_stores.update(ids[0], expires_after=None)
    assert (changed.expires_at, changed.name) == (None, "new")
    assert (await client.vector_stores.delete(ids[0])).deleted
    for call in (client.vector_stores.retrieve, client.vector_stores.delete, client.vector_stores.files.list):
        with pytest.raises(openai.NotFoundError, match=f"No such VectorStore object: {ids[0]}"):
            await call(ids[0])  # type: ignore[operator]


async def test_chunks_are_as_long_as_is_asked_for(client: AsyncOpenAI, app: App) -> None:
    store = await client.vector_stores.create()
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 120, "chunk_overlap_tokens": 60}}
    file = await add(client, store.id, "a.txt", LONG.encode(), chunking_strategy=static)
    assert file.chunking_strategy is not None
    assert file.chunking_strategy.model_dump() == static
    chunks = app.chunks.list(store.id, file.id)
    assert len(chunks) > 30
    assert max(len(chunk.text) for chunk in chunks) <= 120
    assert [chunk.id for chunk in chunks[:2]] == [f"{store.id}.{file.id}#0", f"{store.id}.{file.id}#1"]


async def test_a_file_goes_out_of_one_store_or_with_the_file_out_of_all(client: AsyncOpenAI, app: App) -> None:
    one, two = [(await client.vector_stores.create()).id for _ in range(2)]
    file = await add(client, one, "a.txt", b"about whales")
    await client.vector_stores.files.create_and_poll(file.id, vector_store_id=two, poll_interval_ms=20)
    await client.vector_stores.files.delete(file.id, vector_store_id=one)
    assert (await client.vector_stores.search(one, query="whales")).data == []
    assert len((await client.vector_stores.search(two, query="whales")).data) == 1
    await client.files.delete(file.id)
    assert (await client.vector_stores.search(two, query="whales")).data == []
    assert (await client.vector_stores.retrieve(two)).file_counts.total == 0
    assert app.database.read("SELECT digest FROM documents") == []


async def test_adding_a_file_again_reads_it_anew(client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    file = await add(client, store.id, "a.txt", b"about whales", attributes={"a": 1})
    again = await client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=store.id, attributes={"a": 2}, poll_interval_ms=20
    )
    assert (again.status, again.attributes) == ("completed", {"a": 2})
    assert len((await client.vector_stores.search(store.id, query="whales")).data) == 1


async def test_attributes_are_changed_for_the_file_and_its_chunks(client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    file = await add(client, store.id, "a.txt", b"about whales", attributes={"year": 2024, "draft": True})
    await client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"year": 2025})
    only: Any = {"type": "eq", "key": "year", "value": 2025}
    assert len((await client.vector_stores.search(store.id, query="whales", filters=only)).data) == 1
    assert (await client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)).attributes == {"year": 2025}


@pytest.mark.parametrize(
    ("attributes", "param", "message"),
    [
        ({f"k{i}": 1 for i in range(17)}, "attributes", "17 entries, and 16 are taken"),
        ({"k" * 65: 1}, f"attributes.{'k' * 64}", "the key has 65 characters"),
        ({"k": "v" * 513}, "attributes.k", "the text has 513 characters"),
        ({"k": [1]}, "attributes.k", "must be a text, a number or a boolean"),
        ({"readers": 1}, "attributes.readers", "must be a text"),
        ({"readers": "everybody"}, "readers", "Expected up to 256 of user:ID, group:ID and key:ID"),
    ],
)
async def test_attributes_that_cannot_be_are_named(
    client: AsyncOpenAI, attributes: dict[str, Any], param: str, message: str
) -> None:
    store = await client.vector_stores.create()
    file = await client.files.create(file=("a.txt", b"text"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match=message) as refused:
        await client.vector_stores.files.create(file_id=file.id, vector_store_id=store.id, attributes=attributes)
    assert refused.value.param == param
    assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "file_ids"),
        ({"file_ids": []}, "file_ids"),
        ({"file_ids": ["a"], "files": [{"file_id": "a"}]}, "files"),
        ({"files": [{"file_id": "FILE"}, {"file_id": "FILE"}]}, "files[1].file_id"),
        ({"file_ids": ["FILE", "file-0"]}, "id"),
        (
            {"files": [{"file_id": "FILE", "chunking_strategy": {"type": "static"}}]},
            "files[0].chunking_strategy.static",
        ),
        (
            {
                "file_ids": ["FILE"],
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51},
                },
            },
            "chunking_strategy.static.chunk_overlap_tokens",
        ),
        (
            {
                "file_ids": ["FILE"],
                "chunking_strategy": {
                    "type": "static",
                    "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0},
                },
            },
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
    ],
)
async def test_a_batch_is_taken_whole_or_not_at_all(app: App, body: dict[str, Any], param: str) -> None:
    async with client_of(app) as http, openai_client(app) as client:
        store = await client.vector_stores.create()
        file = await client.files.create(file=("a.txt", b"text"), purpose="assistants")
        sent = json.loads(json.dumps(body).replace("FILE", file.id))
        response = await http.post(f"/v1/vector_stores/{store.id}/file_batches", json=sent)
        assert response.status_code in (400, 404)
        assert response.json()["error"]["param"] == param
        assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 0


async def test_an_unknown_field_is_ignored_and_named(app: App) -> None:
    async with client_of(app) as http:
        response = await http.post("/v1/vector_stores", json={"name": "a", "colour": "red"})
    assert response.headers["x-owngpt-ignored"] == "colour"


async def test_what_others_may_read_is_not_there(client: AsyncOpenAI, app: App) -> None:
    """Readers stand on the file, or in the store, or in both; each narrows."""
    store = await client.vector_stores.create()
    own = app.keys.list()[0].id
    await add(client, store.id, "all.txt", b"whales for all")
    both = await add(client, store.id, "us.txt", b"whales for us", attributes={"readers": f"key:{own}, user:other"})
    async with client_of(app) as http:
        form = {"purpose": "assistants", "readers": f"key:{own}"}
        file = (await http.post("/v1/files", files={"file": ("mine.txt", b"my whales")}, data=form)).json()["id"]
    await client.vector_stores.files.create_and_poll(file, vector_store_id=store.id, poll_interval_ms=20)
    other = app.keys.create("other").secret
    async with openai_client(app, other) as stranger:
        assert {r.filename for r in (await client.vector_stores.search(store.id, query="whales")).data} == {
            "all.txt",
            "us.txt",
            "mine.txt",
        }
        assert [r.filename for r in (await stranger.vector_stores.search(store.id, query="whales")).data] == ["all.txt"]
        seen = await stranger.vector_stores.retrieve(store.id)
        assert seen.file_counts.total == 1
        assert seen.usage_bytes < (await client.vector_stores.retrieve(store.id)).usage_bytes
        assert len((await stranger.vector_stores.files.list(store.id)).data) == 1
        for hidden in (both.id, file):
            place: Any = {"file_id": hidden, "vector_store_id": store.id}
            for call in (
                stranger.vector_stores.files.retrieve(**place),
                stranger.vector_stores.files.content(**place),
                stranger.vector_stores.files.update(**place, attributes={}),
                stranger.vector_stores.files.delete(**place),
            ):
                with pytest.raises(openai.NotFoundError):
                    await call  # type: ignore[misc]
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            await stranger.vector_stores.files.create(file_id=file, vector_store_id=store.id)


async def test_readers_that_leave_nobody_are_refused(client: AsyncOpenAI, app: App) -> None:
    store = await client.vector_stores.create()
    async with client_of(app) as http:
        form = {"purpose": "assistants", "readers": f"key:{app.keys.list()[0].id}"}
        file = (await http.post("/v1/files", files={"file": ("a.txt", b"a")}, data=form)).json()["id"]
    attributes: Any = {"readers": "user:somebody"}
    with pytest.raises(openai.BadRequestError, match="it names nobody who may read the file itself"):
        await client.vector_stores.files.create(file_id=file, vector_store_id=store.id, attributes=attributes)


async def test_readers_stay_unless_they_are_named(client: AsyncOpenAI, app: App) -> None:
    store = await client.vector_stores.create()
    own = f"key:{app.keys.list()[0].id}"
    file = await add(client, store.id, "a.txt", b"whales", attributes={"readers": own})
    async with openai_client(app, app.keys.create("other").secret) as stranger:
        await client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"a": 1})
        assert (await stranger.vector_stores.search(store.id, query="whales")).data == []
        await client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"readers": ""})
        assert len((await stranger.vector_stores.search(store.id, query="whales")).data) == 1


async def test_who_may_not_read_a_file_in_a_store_does_not_open_it_by_adding_it_again(
    client: AsyncOpenAI, app: App
) -> None:
    store = (await client.vector_stores.create()).id
    reader, clerk = (app.keys.create(name) for name in ("reader", "clerk"))
    async with openai_client(app, reader.secret) as allowed, openai_client(app, clerk.secret) as other:
        own: Any = {"readers": f"key:{reader.key.id}"}
        file = await add(allowed, store, "pay.txt", b"Pay rises in May.", attributes=own)
        for stranger in (other, client):  # an administrator reads no more than others
            with pytest.raises(openai.PermissionDeniedError, match="for readers that you are not among"):
                await stranger.vector_stores.files.create(file_id=file.id, vector_store_id=store)
        with pytest.raises(openai.PermissionDeniedError, match="for readers that you are not among"):
            await other.vector_stores.file_batches.create(store, file_ids=[file.id])
        assert (await other.vector_stores.search(store, query="pay")).data == []
        assert (await allowed.vector_stores.search(store, query="pay")).data[0].attributes == own
        again = await allowed.vector_stores.files.create(file_id=file.id, vector_store_id=store, attributes=own)
        assert again.attributes == own


async def test_another_project_sees_nothing(client: AsyncOpenAI, app: App) -> None:
    store = await client.vector_stores.create()
    file = await add(client, store.id, "a.txt", b"whales")
    async with openai_client(app, app.keys.create("x", project="elsewhere").secret) as stranger:
        assert (await stranger.vector_stores.list()).data == []
        with pytest.raises(openai.NotFoundError):
            await stranger.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
        own = await stranger.vector_stores.create()
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            await stranger.vector_stores.files.create(file_id=file.id, vector_store_id=own.id)


async def test_a_store_that_nobody_uses_expires_with_its_files(client: AsyncOpenAI, app: App) -> None:
    store = await client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    file = await add(client, store.id, "a.txt", b"whales")
    with app.database.write() as transaction:
        transaction.execute("UPDATE vector_stores SET last_active_at = ?", (int(time.time()) - DAY,))
    assert (await client.vector_stores.retrieve(store.id)).status == "expired"
    with pytest.raises(openai.BadRequestError, match="has expired"):
        await client.vector_stores.search(store.id, query="whales")
    with pytest.raises(openai.BadRequestError, match="has expired"):
        await client.vector_stores.files.create(file_id=file.id, vector_store_id=store.id)
    assert app.vector_stores.expire() == 1
    assert (await client.vector_stores.retrieve(store.id)).file_counts.total == 0
    assert (await client.files.retrieve(file.id)).id == file.id


async def test_a_page_is_shown_as_text_and_as_a_picture(app: App, client: AsyncOpenAI) -> None:
    store = await client.vector_stores.create()
    paged = await add(client, store.id, "a.pdf", pdf(["One."], ["Two is here."]))
    plain = await add(client, store.id, "a.txt", b"no pages")
    root = f"/v1/vector_stores/{store.id}/files"
    async with client_of(app) as http:
        page = (await http.get(f"{root}/{paged.id}/pages/2")).json()
        assert (page["text"], page["start"], page["page"], page["num_pages"]) == ("Two is here.", 6, 2, 2)
        one = (await http.get(f"{root}/{paged.id}/content?page=1")).json()["data"]
        assert [(entry["text"], entry["page"], entry["start"], entry["end"]) for entry in one] == [("One.", 1, 0, 4)]
        picture = await http.get(f"{root}/{paged.id}/pages/2?format=png&start=6&end=9")
        assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
        assert picture.content != (await http.get(f"{root}/{paged.id}/pages/2?format=png")).content
        assert (await http.get(f"{root}/{paged.id}/pages/3")).status_code == 404
        assert "no pages" in (await http.get(f"{root}/{plain.id}/pages/1")).json()["error"]["message"]
        for query, param in (("pages/x", "page"), ("pages/1?format=gif", "format"), ("content?page=-1", "page")):
            assert (await http.get(f"{root}/{paged.id}/{query}")).json()["error"]["param"] == param


async def test_a_project_that_keeps_nothing_has_no_stores(app: App) -> None:
    caller = replace(recall(app.keys, app.keys.list()[0].id), keeps_nothing=True)
    inside = httpx.ASGITransport(create_app(app))

    async def transport(scope: Any, receive: Any, send: Any) -> None:
        await inside.app(scope | {INSIDE: caller}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(transport), base_url="http://x") as http:
        response = await http.post("/v1/vector_stores", json={})
    assert response.json()["error"]["code"] == "zero_data_retention"


async def test_nobody_destroys_what_they_cannot_read(app: App, client: AsyncOpenAI) -> None:
    """A colleague may use a store that holds a document of others, and neither delete it nor let it expire; who reads
    it may, and an administrator, who need not read what they clear up."""
    reader, clerk = (app.keys.create(name) for name in ("reader", "clerk"))
    async with openai_client(app, reader.secret) as allowed, openai_client(app, clerk.secret) as other:
        for destroyer in (allowed, client):
            store = (await client.vector_stores.create()).id
            await add(other, store, "open.txt", b"All of it is open.")
            own = {"readers": f"key:{reader.key.id}"}
            await add(allowed, store, "pay.txt", b"Pay rises in May.", attributes=own)
            for call in (
                other.vector_stores.delete(store),
                other.vector_stores.update(store, expires_after={"anchor": "last_active_at", "days": 1}),
            ):
                with pytest.raises(openai.PermissionDeniedError, match="holds documents of others"):
                    await call
            assert (await other.vector_stores.update(store, name="pay")).name == "pay"
            assert (await allowed.vector_stores.search(store, query="pay")).data[0].filename == "pay.txt"
            assert (await destroyer.vector_stores.delete(store)).deleted


async def test_to_cancel_a_batch_stops_what_one_may_read(app: App, client: AsyncOpenAI) -> None:
    reader, clerk = (app.keys.create(name) for name in ("reader", "clerk"))
    async with openai_client(app, reader.secret) as allowed, openai_client(app, clerk.secret) as other:
        store = (await client.vector_stores.create()).id
        await app.ingest.rest()  # so that the files wait
        names = {}
        for name, readers in (("open.txt", ""), ("pay.txt", f"key:{reader.key.id}")):
            file = await allowed.files.create(
                file=(name, b"text"), purpose="assistants", extra_body={"readers": readers}
            )
            names[file.id] = name
        batch = await allowed.vector_stores.file_batches.create(store, file_ids=list(names))
        assert (await other.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)).status == "cancelled"
        found = {names[file.id]: file.status async for file in allowed.vector_stores.files.list(store)}
        assert found == {"open.txt": "cancelled", "pay.txt": "in_progress"}
        assert (await allowed.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)).status == "cancelled"
        assert {file.status async for file in allowed.vector_stores.files.list(store)} == {"cancelled"}


async def test_what_has_expired_is_found_no_more(client: AsyncOpenAI, app: App) -> None:
    """At once, not when somebody has cleared up: it has no part in a score either."""
    store = (await client.vector_stores.create()).id
    kept = await add(client, store, "kept.txt", b"Whales sing.")
    gone = await add(client, store, "gone.txt", b"Whales sing loudly.")
    assert len((await client.vector_stores.search(store, query="whales")).data) == 2
    with app.database.write() as transaction:
        transaction.execute("UPDATE files SET expires_at = ? WHERE id = ?", (int(time.time()), gone.id))
    [found] = (await client.vector_stores.search(store, query="whales")).data
    assert found.file_id == kept.id
    assert (await client.vector_stores.retrieve(store)).file_counts.total == 1
