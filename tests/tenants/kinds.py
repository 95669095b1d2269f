"""The objects that tenants have, one `Kind` each. A new kind of object is one more entry of `KINDS`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One request: what `httpx` is to send."""

    method: str
    path: str
    options: Mapping[str, Any] = {}


def get(path: str) -> Call:
    return Call("GET", path)


def post(path: str, **body: Any) -> Call:
    return Call("POST", path, {"json": body})


def delete(path: str) -> Call:
    return Call("DELETE", path)


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    `make` is a call of whoever makes one, with the ids of its parts; its answer has the `id`. `uses` are all calls that
    name an object by its id: in the path or the body. To who may not know of it, each answers exactly as for an id that
    nobody has.
    """

    name: str
    make: Callable[..., Call]  # (*ids of parts), or (readers) where the kind has them
    uses: Callable[[str], list[Call]]
    path: str  # where one object is read, without its id
    parts: tuple[str, ...] = ()  # names of kinds: what is made first, by the same
    is_inside: bool = False  # its id is said with those of its parts, as a path; and it goes with them
    is_listed: bool = True  # whether GET of `path` lists them
    is_readable: bool = True  # whether GET reads one
    is_deletable: bool = True
    has_readers: bool = False
    volatile: frozenset[str] = field(default_factory=frozenset)  # fields that change by themselves


def unknown_id(like: str) -> str:
    """An id of the same form that nobody has."""
    prefix = like.rstrip("0123456789abcdef")  # of a path: its last part
    return prefix + secrets.token_hex(len(like))[: len(like) - len(prefix)]


def _make_file(readers: str | None = None) -> Call:
    data = {"purpose": "batch"} | ({"readers": readers} if readers else {})
    return Call("POST", "/v1/files", {"data": data, "files": {"file": ("notes.jsonl", b"{}\n")}})


def _file_uses(file_id: str) -> list[Call]:
    path = f"/v1/files/{file_id}"
    return [
        get(path),
        get(f"{path}/content"),
        get(f"/v1/files?after={file_id}"),
        post("/v1/batches", input_file_id=file_id, endpoint="/v1/completions", completion_window="24h"),
        post("/v1/vector_stores", name="x", file_ids=[file_id]),
        delete(path),
    ]


def _upload_uses(upload_id: str) -> list[Call]:
    path = f"/v1/uploads/{upload_id}"
    return [
        Call("POST", f"{path}/parts", {"files": {"data": ("part", b"more")}}),
        post(f"{path}/complete", part_ids=[]),
        post(f"{path}/cancel"),
    ]


def _vector_store_uses(store_id: str) -> list[Call]:
    path, file_id = f"/v1/vector_stores/{store_id}", "file-" + "0" * 24
    tool = {"type": "file_search", "vector_store_ids": [store_id]}
    return [
        get(path),
        post(path, name="mine now"),
        get(f"{path}/files"),
        post(f"{path}/files", file_id=file_id),
        get(f"{path}/files/{file_id}"),
        delete(f"{path}/files/{file_id}"),
        post(f"{path}/file_batches", file_ids=[file_id]),
        post(f"{path}/search", query="text"),
        get(f"/v1/vector_stores?after={store_id}"),
        post("/v1/responses", input="Hi", tools=[tool]),
        delete(path),
    ]


def _conversation_uses(conversation_id: str) -> list[Call]:
    path, item = f"/v1/conversations/{conversation_id}", {"type": "message", "role": "user", "content": "Hi"}
    return [
        get(path),
        post(path, metadata={"mine": "now"}),
        get(f"{path}/items"),
        post(f"{path}/items", items=[item]),
        post("/v1/responses", input="Hi", conversation=conversation_id),
        delete(path),
    ]


def _response_uses(response_id: str) -> list[Call]:
    path = f"/v1/responses/{response_id}"
    return [
        get(path),
        get(f"{path}?stream=true"),
        get(f"{path}/input_items"),
        post(f"{path}/cancel"),
        post("/v1/responses", input="Hi", previous_response_id=response_id),
        post("/v1/responses/input_tokens", input="Hi", previous_response_id=response_id),
        delete(path),
    ]


def _chat_uses(chat_id: str) -> list[Call]:
    path = f"/v1/chat/completions/{chat_id}"
    return [
        get(path),
        get(f"{path}/messages"),
        post(path, metadata={"mine": "now"}),
        get(f"/v1/chat/completions?after={chat_id}"),
        delete(path),
    ]


def _batch_uses(batch_id: str) -> list[Call]:
    path = f"/v1/batches/{batch_id}"
    return [get(path), post(f"{path}/cancel"), get(f"/v1/batches?after={batch_id}")]


def _vector_store_file_uses(place: str) -> list[Call]:
    path = f"/v1/vector_stores/{place}"
    return [get(path), get(f"{path}/content"), post(path, attributes={"mine": "now"}), delete(path)]


KINDS = (
    Kind("file", _make_file, _file_uses, "/v1/files", has_readers=True),
    Kind(
        "upload",
        lambda: post("/v1/uploads", filename="a.txt", purpose="user_data", bytes=4, mime_type="text/plain"),
        _upload_uses,
        "/v1/uploads",
        is_listed=False,
        is_readable=False,
        is_deletable=False,
    ),
    Kind(
        "vector_store",
        lambda: post("/v1/vector_stores", name="handbook"),
        _vector_store_uses,
        "/v1/vector_stores",
        volatile=frozenset({"last_active_at", "expires_at", "file_counts", "status", "usage_bytes"}),
    ),
    Kind(
        "vector_store_file",
        lambda store_id, file_id: post(f"/v1/vector_stores/{store_id}/files", file_id=file_id),
        _vector_store_file_uses,
        "/v1/vector_stores",
        parts=("vector_store", "file"),
        is_inside=True,
        is_listed=False,
        volatile=frozenset({"status", "usage_bytes", "last_error", "progress"}),  # it is being read
    ),
    Kind(
        "batch",
        lambda file_id: post("/v1/batches", input_file_id=file_id, endpoint="/v1/completions", completion_window="24h"),
        _batch_uses,
        "/v1/batches",
        parts=("file",),
        is_deletable=False,
        volatile=frozenset({"status", "failed_at", "errors", "request_counts"}),  # its line is no request
    ),
    Kind(
        "conversation",
        lambda: post("/v1/conversations", items=[{"type": "message", "role": "user", "content": "Hi"}]),
        _conversation_uses,
        "/v1/conversations",
        is_listed=False,
    ),
    Kind(
        "response",
        lambda: post("/v1/responses", input="Hi", store=True),
        _response_uses,
        "/v1/responses",
        is_listed=False,
    ),
    Kind(
        "chat_completion",
        lambda: post("/v1/chat/completions", messages=[{"role": "user", "content": "Hi"}], store=True),
        _chat_uses,
        "/v1/chat/completions",
    ),
)
