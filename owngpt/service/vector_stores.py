"""Vector stores: what may be asked of them, checked, and done by the tables and the ingest worker.

Everything here reads or writes the database: call it in a thread. After a change that adds files, `app.wake()`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from owngpt.errors import Conflict, InvalidRequest, NotFound
from owngpt.retrieval.chunk import MAX_TOKENS
from owngpt.retrieval.document import Document
from owngpt.service.app import App, Caller
from owngpt.service.files import parse_readers, refuse_without_storage
from owngpt.store.chunks import NOBODY, Attributes, narrowed
from owngpt.store.file_batches import FileBatch
from owngpt.store.files import File
from owngpt.store.vector_store_files import Chunking, NewVectorStoreFile, VectorStoreFile
from owngpt.store.vector_stores import VectorStore, check_live

MAX_ATTRIBUTES = 16
MAX_KEY = 64  # characters
MAX_VALUE = 512  # characters
MIN_CHUNK_TOKENS = 100
HEADING_TOKENS = 48  # that are left to the titles, where an embedder reads both at once


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A file that is to be added. `param` is the wire path to blame for its id."""

    file_id: str
    attributes: Mapping[str, Any] | None = None
    chunking: Chunking | None = None  # None: auto
    param: str = "file_id"


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says, or all of a document that has no pages, and where it begins in the whole text."""

    text: str
    start: int
    page: int | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, or one page of it."""

    file: File
    pages: tuple[PageText, ...]
    num_pages: int  # of the whole file


def create(
    app: App,
    caller: Caller,
    name: str,
    description: str,
    metadata: Mapping[str, str],
    expires_after_days: int | None,
    orders: Sequence[FileOrder],
) -> VectorStore:
    """A store, and its first files in the queue, all at once. Raises `InvalidRequest`, `NotFound` (a file)."""
    refuse_without_storage(caller, "vector stores")
    files = _new_files(app, caller, orders)
    with app.database.write() as transaction:
        store = app.vector_stores.add_in(
            transaction, caller.project_id, name, description, metadata, expires_after_days
        )
        app.vector_store_files.add(transaction, caller.project_id, caller.key_id, store.id, files)
    return app.vector_stores.find(caller.project_id, store.id, caller.principals)


def add_file(app: App, caller: Caller, vector_store_id: str, order: FileOrder) -> VectorStoreFile:
    """One file into the queue. Raises `InvalidRequest`, `NotFound` (the store, or the file), and `PermissionDenied`
    where it is in the store for others.
    """
    _add(app, caller, vector_store_id, [order], with_batch=False)
    return app.vector_store_files.find(caller.project_id, vector_store_id, order.file_id)


def add_batch(app: App, caller: Caller, vector_store_id: str, orders: Sequence[FileOrder]) -> FileBatch:
    """Several files into the queue, all or none. Raises like `add_file`."""
    batch_id = _add(app, caller, vector_store_id, orders, with_batch=True)
    return app.file_batches.find(caller.project_id, vector_store_id, batch_id, caller.principals)


def _add(app: App, caller: Caller, vector_store_id: str, orders: Sequence[FileOrder], *, with_batch: bool) -> str:
    """-> the id of the batch, if there is to be one."""
    refuse_without_storage(caller, "vector stores")
    check_live(app.vector_stores.find(caller.project_id, vector_store_id))
    files = _new_files(app, caller, orders)
    with app.database.write() as transaction:
        who = caller.principals  # also of an administrator, who would read by it
        app.vector_store_files.add(transaction, caller.project_id, caller.key_id, vector_store_id, files, who)
        if not with_batch:
            return ""
        ids = [file.file_id for file in files]
        return app.file_batches.add(transaction, caller.project_id, vector_store_id, ids)


def _new_files(app: App, caller: Caller, orders: Sequence[FileOrder]) -> list[NewVectorStoreFile]:
    """The files, each of which the caller can read; who may read them here, and how they will be cut."""
    seen: dict[str, str] = {}
    files = []
    for order in orders:
        if order.file_id in seen:
            raise InvalidRequest(
                f"'{order.param}' names {order.file_id}, and so does '{seen[order.file_id]}'; name each file once.",
                param=order.param,
            )
        seen[order.file_id] = order.param
        file = app.files.find(caller.project_id, order.file_id, caller.principals)
        attributes = check_attributes(order.attributes or {}, order.param.replace("file_id", "attributes"))
        chunking = order.chunking or auto_chunking(app)
        files.append(
            NewVectorStoreFile(file.id, file.filename, attributes, chunking, readers_of(attributes, file.readers))
        )
    return files


def set_attributes(
    app: App, caller: Caller, vector_store_id: str, file_id: str, given: Mapping[str, Any]
) -> VectorStoreFile:
    """Other attributes for a file. Its readers stay as they are unless `readers` is among them."""
    file = find_file(app, caller, vector_store_id, file_id)
    if "readers" not in given and "readers" in file.attributes:
        given = {**given, "readers": file.attributes["readers"]}
    attributes = check_attributes(given, "attributes")
    readers = readers_of(attributes, app.files.find(caller.project_id, file_id, caller.principals).readers)
    app.vector_store_files.set_attributes(file, attributes, readers)
    return app.vector_store_files.find(caller.project_id, vector_store_id, file_id)


def find_file(app: App, caller: Caller, vector_store_id: str, file_id: str) -> VectorStoreFile:
    """Raises `NotFound`, for the store or for a file that is not there or not for the caller to read."""
    app.vector_stores.find(caller.project_id, vector_store_id)
    return app.vector_store_files.find(caller.project_id, vector_store_id, file_id, caller.principals)


def delete_file(app: App, caller: Caller, vector_store_id: str, file_id: str) -> None:
    """Out of the store; the file itself stays."""
    file = find_file(app, caller, vector_store_id, file_id)
    app.vector_store_files.delete(file)


def delete(app: App, caller: Caller, vector_store_id: str) -> None:
    """A store with all that is in it; the files themselves stay. Who cannot read all of it cannot destroy it, but for
    administrators: they need not read to clear up. Raises `NotFound` and `PermissionDenied`.
    """
    app.vector_stores.delete(caller.project_id, vector_store_id, destroyable_by(caller))


def destroyable_by(caller: Caller) -> frozenset[str] | None:
    """Whose documents the caller may destroy with what holds them; None: everybody's."""
    return None if caller.is_admin else caller.principals


def read_text(app: App, caller: Caller, vector_store_id: str, file_id: str, page: int | None = None) -> FileText:
    """A file's text, or one page of it.

    Raises `NotFound` (also for the page), `Conflict` while it is being read, and `InvalidRequest` if it cannot be.
    """
    entry = find_file(app, caller, vector_store_id, file_id)
    file = app.files.find(caller.project_id, file_id, caller.principals)
    content = None if entry.digest is None else app.documents.find(caller.project_id, entry.digest)
    if content is not None:
        return _text(file, Document.from_bytes(content), page)
    if entry.status == "in_progress":
        raise Conflict(f"{file_id} is still being read; try again in a moment.", code="file_in_progress")
    reason = entry.error_message or f"its status is {entry.status}"
    raise InvalidRequest(f"{file_id} has no text here: {reason}", param="file_id", code=entry.error_code)


def _text(file: File, document: Document, page: int | None) -> FileText:
    numbers = [number for _, number in document.pages]
    if page is not None and page not in numbers:
        known = f"it has {len(numbers)}" if numbers else "this kind of document has no pages"
        raise NotFound(f"Page {page} does not exist; {known}.", param="page")
    parts = tuple(
        PageText(document.text[start:end], start, number)
        for number, start, end in document.page_spans()
        if page is None or number == page
    )
    return FileText(file, parts or (PageText(document.text, 0),), len(numbers))


def check_attributes(given: Mapping[str, Any], param: str) -> Attributes:
    """Raises `InvalidRequest` that names the attribute: 16 of them, keys of 64 and texts of 512 characters."""
    if len(given) > MAX_ATTRIBUTES:
        raise _bad(param, f"it has {len(given)} entries, and {MAX_ATTRIBUTES} are taken")
    for key, value in given.items():
        place = f"{param}.{key[:MAX_KEY]}"
        if not 0 < len(key) <= MAX_KEY:
            raise _bad(place, f"the key has {len(key)} characters; it takes 1 to {MAX_KEY}")
        if not isinstance(value, (str, bool, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise _bad(place, "it must be a text, a number or a boolean")
        if isinstance(value, str) and len(value) > MAX_VALUE:
            raise _bad(place, f"the text has {len(value)} characters; it takes {MAX_VALUE}")
    if not isinstance(given.get("readers", ""), str):
        raise _bad(f"{param}.readers", "it must be a text: user:ID, group:ID and key:ID, separated by commas")
    return dict(given)


def readers_of(attributes: Attributes, of_file: frozenset[str]) -> frozenset[str]:
    """Who may read a file in a store: whom its attribute `readers` names, if the file itself lets them.

    Raises `InvalidRequest` if nobody is left.
    """
    readers = narrowed(parse_readers(str(attributes.get("readers", ""))), of_file)
    if NOBODY in readers:
        own = ", ".join(sorted(of_file))
        raise _bad("attributes.readers", f"it names nobody who may read the file itself, which is for {own}")
    return readers


def auto_chunking(app: App) -> Chunking:
    """Chunks that the embedder reads at once, titles included, but none over 800 tokens; an eighth is repeated."""
    limit = min((model.embedder.max_input_tokens for model in app.models.embedders[:1]), default=MAX_TOKENS)
    size = max(MIN_CHUNK_TOKENS, min(MAX_TOKENS, limit - HEADING_TOKENS))
    return Chunking(size, size // 8)


def _bad(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_value")
