"""/v1/files and /v1/uploads, by OpenAI's own client."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from owngpt.server.asgi import create_app
from owngpt.server.auth import INSIDE
from owngpt.service.app import App, Caller
from owngpt.store.db import Database
from tests.fakes.engine import KEY, client_of, make_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def app(database: Database) -> App:
    return make_app(database=database)


@pytest.fixture
async def client(app: App) -> AsyncIterator[AsyncOpenAI]:
    async with openai_client(app) as client:
        yield client


def openai_client(app: App, key: str = KEY) -> AsyncOpenAI:
    transport = httpx.ASGITransport(create_app(app))
    http: Any = httpx.AsyncClient(transport=transport)
    return AsyncOpenAI(
        api_key=key, base_url="http://owngpt.test/v1", http_client=http, max_retries=0, _strict_response_validation=True
    )


def blobs(app: App) -> list[Path]:
    return [path for path in (app.settings.data_dir / "files").rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_went(client: AsyncOpenAI, app: App) -> None:
    file = await client.files.create(file=("notes 日本.txt", b"hello " * 100_000), purpose="user_data")
    assert (file.object, file.bytes, file.filename, file.purpose) == ("file", 600_000, "notes 日本.txt", "user_data")
    assert (file.status, file.expires_at) == ("processed", None)
    assert await client.files.retrieve(file.id) == file
    assert (await client.files.content(file.id)).content == b"hello " * 100_000
    assert [path.stat().st_mode & 0o777 for path in blobs(app)] == [0o600]
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file.id}"):
        await client.files.retrieve(file.id)
    assert blobs(app) == []


async def test_equal_bytes_are_kept_once_until_the_last_file_goes(client: AsyncOpenAI, app: App) -> None:
    first = await client.files.create(file=("a", b"same"), purpose="assistants")
    second = await client.files.create(file=("b", b"same"), purpose="vision")
    assert len(blobs(app)) == 1
    await client.files.delete(first.id)
    assert (await client.files.content(second.id)).content == b"same"


async def test_lists_go_page_by_page(client: AsyncOpenAI) -> None:
    ids = [(await client.files.create(file=(f"{i}", b"%d" % i), purpose="assistants")).id for i in range(5)]
    await client.files.create(file=("x", b"x"), purpose="vision")
    found = [file.id async for file in client.files.list(purpose="assistants", limit=2, order="asc")]
    assert sorted(found) == sorted(ids)
    assert len([file async for file in client.files.list()]) == 6
    with pytest.raises(openai.BadRequestError, match="'limit': expected an integer from 1 to 10000"):
        await client.files.list(limit=0)


async def test_a_file_expires(client: AsyncOpenAI, app: App) -> None:
    expires_after = openai.types.file_create_params.ExpiresAfter(anchor="created_at", seconds=3600)
    file = await client.files.create(file=("a", b"a"), purpose="assistants", expires_after=expires_after)
    assert file.expires_at == file.created_at + 3600
    batch = await client.files.create(file=("a.jsonl", b"a"), purpose="batch")
    assert batch.expires_at == batch.created_at + 30 * 24 * 3600
    with app.database.write() as transaction:
        transaction.execute("UPDATE files SET expires_at = ? WHERE id = ?", (int(time.time()), file.id))
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)
    assert len(blobs(app)) == 1
    assert app.files.prune() == 1
    assert (await client.files.content(batch.id)).content == b"a"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"data": {"purpose": "batch"}}, "Missing required parameter: 'file'"),
        ({"files": {"file": ("a", b"a")}}, "Missing required parameter: 'purpose'"),
        ({"files": {"file": ("a", b"a")}, "data": {"purpose": "fun"}}, "Invalid value for 'purpose': 'fun'"),
        ({"files": {"file": ("/", b"a")}, "data": {"purpose": "batch"}}, "Invalid filename"),
        (
            {
                "files": {"file": ("a", b"a")},
                "data": {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "9"},
            },
            "expected an integer from 3600 to 2592000, but got '9'",
        ),
        ({"files": {"file": ("a", b"a")}, "data": {"purpose": "batch", "readers": "me"}}, "Invalid 'readers': 'me'"),
    ],
)
async def test_what_is_wrong_is_named(app: App, form: dict[str, object], message: str) -> None:
    if "files" not in form:
        form = {"files": {"other": ("a", b"a")}, **form}
    async with client_of(app) as client:
        response = await client.post("/v1/files", **form)  # type: ignore[arg-type]
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
    assert blobs(app) == []


async def test_a_body_that_is_no_form_is_refused(app: App) -> None:
    async with client_of(app) as client:
        assert (await client.post("/v1/files", json={})).json()["error"]["code"] == "invalid_content_type"
        broken = {"content": b"--x\r\nnonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}}
        assert (await client.post("/v1/files", **broken)).status_code == 400  # type: ignore[arg-type]
    assert blobs(app) == []


async def test_a_file_may_be_larger_than_a_body_but_not_than_its_own_limit(app: App) -> None:
    server = replace(app.settings.server, max_body_bytes=1000, max_file_bytes=10_000)
    app.settings = replace(app.settings, server=server)
    async with openai_client(app) as client:
        await client.files.create(file=("a", b"x" * 10_000), purpose="assistants")
        with pytest.raises(openai.APIStatusError, match="over 10000 bytes") as refused:
            await client.files.create(file=("a", b"x" * 10_001), purpose="assistants")
        assert refused.value.status_code == 413
    assert len(blobs(app)) == 1


async def test_nobody_else_sees_a_file(client: AsyncOpenAI, app: App) -> None:
    file = await client.files.create(file=("a", b"a"), purpose="assistants")
    async with openai_client(app, app.keys.create("other", project="other").secret) as other:
        assert (await other.files.list()).data == []
        for call in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(file.id)
    assert (await client.files.retrieve(file.id)).id == file.id


async def test_a_restricted_file_exists_for_its_readers_only(client: AsyncOpenAI, app: App) -> None:
    """Of two keys of one project the file names one; the other finds nothing, and can delete nothing."""
    reader, stranger = app.keys.create("reader"), app.keys.create("stranger")
    readers = f"key:{reader.key.id}, group:hr"
    file = await client.files.create(
        file=("pay.txt", b"salaries"), purpose="assistants", extra_body={"readers": readers}
    )
    async with openai_client(app, reader.secret) as allowed:
        assert (await allowed.files.content(file.id)).content == b"salaries"
        assert [each.id for each in (await allowed.files.list()).data] == [file.id]
    async with openai_client(app, stranger.secret) as refused:
        assert (await refused.files.list()).data == []
        for call in (refused.files.retrieve, refused.files.content, refused.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(file.id)
    assert app.files.find(reader.key.project_id, file.id).readers == {f"key:{reader.key.id}", "group:hr"}


async def test_a_project_that_keeps_nothing_has_no_files(app: App) -> None:
    caller = Caller("proj", "p", "org", "key", is_admin=False, keeps_nothing=True)
    server = create_app(app)

    async def inside(scope, receive, send):  # type: ignore[no-untyped-def]
        await server({**scope, INSIDE: caller}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(inside), base_url="http://owngpt.test") as client:
        response = await client.post("/v1/files", files={"file": ("a", b"a")}, data={"purpose": "assistants"})
    assert response.json()["error"]["code"] == "zero_data_retention"


async def test_an_upload_becomes_a_file(client: AsyncOpenAI, app: App) -> None:
    content = bytes(range(256)) * 8192
    upload = await client.uploads.create(
        bytes=len(content), filename="big.bin", mime_type="application/octet-stream", purpose="assistants"
    )
    assert (upload.status, upload.expires_at) == ("pending", upload.created_at + 3600)
    half = len(content) // 2
    second = await client.uploads.parts.create(upload.id, data=content[half:])
    first = await client.uploads.parts.create(upload.id, data=content[:half])
    assert (first.object, first.upload_id) == ("upload.part", upload.id)
    with pytest.raises(openai.BadRequestError, match="have 1048576 bytes, but the upload was announced with 2097152"):
        await client.uploads.complete(upload.id, part_ids=[first.id])
    with pytest.raises(openai.BadRequestError, match="The MD5 of the parts is"):
        await client.uploads.complete(upload.id, part_ids=[first.id, second.id], md5="0" * 32)
    done = await client.uploads.complete(
        upload.id, part_ids=[first.id, second.id], md5=hashlib.md5(content).hexdigest()
    )
    assert done.status == "completed"
    assert done.file is not None
    assert (await client.files.content(done.file.id)).content == content
    assert await client.uploads.complete(upload.id, part_ids=[first.id, second.id]) == done
    with pytest.raises(openai.BadRequestError, match="is completed"):
        await client.uploads.parts.create(upload.id, data=b"more")
    assert len(blobs(app)) == 1


async def test_the_sdk_uploads_in_chunks(client: AsyncOpenAI, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"0123456789" * 1000)
    upload = await client.uploads.upload_file_chunked(
        file=tmp_path / "a.txt", mime_type="text/plain", purpose="assistants", part_size=3000
    )
    assert upload.file is not None
    assert (await client.files.content(upload.file.id)).content == b"0123456789" * 1000


async def test_a_cancelled_or_late_upload_takes_nothing_more(client: AsyncOpenAI, app: App) -> None:
    upload = await client.uploads.create(bytes=4, filename="a", mime_type="text/plain", purpose="assistants")
    await client.uploads.parts.create(upload.id, data=b"part")
    assert (await client.uploads.cancel(upload.id)).status == "cancelled"
    assert (await client.uploads.cancel(upload.id)).status == "cancelled"
    assert blobs(app) == []
    late = await client.uploads.create(bytes=4, filename="a", mime_type="text/plain", purpose="assistants")
    part = await client.uploads.parts.create(late.id, data=b"part")
    with app.database.write() as transaction:
        transaction.execute("UPDATE uploads SET expires_at = ?", (int(time.time()),))
    with pytest.raises(openai.BadRequestError, match="is expired; begin a new one"):
        await client.uploads.complete(late.id, part_ids=[part.id])
    assert app.uploads.prune() == 1
    assert blobs(app) == []


async def test_another_project_cannot_touch_an_upload(client: AsyncOpenAI, app: App) -> None:
    upload = await client.uploads.create(bytes=4, filename="a", mime_type="text/plain", purpose="assistants")
    async with openai_client(app, app.keys.create("other", project="other").secret) as other:
        with pytest.raises(openai.NotFoundError, match="No such Upload object"):
            await other.uploads.parts.create(upload.id, data=b"part")
        with pytest.raises(openai.NotFoundError):
            await other.uploads.cancel(upload.id)


async def test_what_a_crash_left_behind_is_collected_at_the_start(client: AsyncOpenAI, app: App) -> None:
    """A blob that got its name before its row was committed; a blob with a row stays."""
    file = await client.files.create(file=("a", b"a"), purpose="assistants")
    with app.files.blobs.writer(10) as writer:
        writer.write(b"lost")
        staged = writer.end()
        with app.database.write() as transaction:
            app.files.blobs.keep(transaction, staged)
    assert len(blobs(app)) == 2
    App(app.settings, app.database, app.keys, app.limits)
    assert len(blobs(app)) == 1
    assert (await client.files.content(file.id)).content == b"a"
