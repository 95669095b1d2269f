"""Documents that come with a request -> passages. Nothing of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from anyio import to_thread

from owngpt.errors import InvalidRequest
from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import Document
from owngpt.service.app import App, Caller
from owngpt.service.privacy import Guard
from owngpt.store.files import File
from owngpt.types import Passage

MAX_CHARACTERS = 1_000_000  # of all documents of a request
_LENGTH = 1_600  # characters of a passage


class InlineDocument(NamedTuple):
    """A text, or an uploaded file, with the name that its citations carry (none: the file's own)."""

    id: str
    title: str
    text: str
    file_id: str | None = None


async def read_documents(
    app: App,
    caller: Caller,
    documents: Sequence[InlineDocument],
    guard: Guard | None = None,
    *,
    is_kept: bool = False,
) -> list[Passage]:
    """Passages of texts and files, in order. Where the answer `is_kept`, all of the project may read it later, so it
    cannot come from a file that only some may read.

    Raises `NotFound` for a file that is not there for the caller, and `InvalidRequest` for one that cannot be read.
    """
    texts = [document for document in documents if document.file_id is None]
    if len(texts) == len(documents):
        return await app.workers.run(sum(len(text.text) for text in texts), passages_of, texts, guard)
    return await to_thread.run_sync(
        lambda: _read(app, caller, documents, guard, is_kept=is_kept), limiter=app.ingest.visitors
    )


def passages_of(documents: Sequence[InlineDocument], guard: Guard | None = None) -> list[Passage]:
    """Cut by their structure, without overlap. Offsets count the characters that the client has sent: where a `guard`
    has masked the request, the text is restored here, and what is personal in it is blanked by `ground`.
    """
    return [
        passage
        for document in documents
        for passage in _cut(document, Document(guard.unmask(document.text) if guard else document.text))
    ]


def check_length(length: int) -> None:
    """Raises `InvalidRequest` for more characters than the documents of a request may have."""
    if length > MAX_CHARACTERS:
        raise InvalidRequest(
            f"'documents' have {length:,} characters; one request takes {MAX_CHARACTERS:,}. Put them into a vector "
            "store, and search it.",
            param="documents",
        )


def _read(
    app: App, caller: Caller, documents: Sequence[InlineDocument], guard: Guard | None, *, is_kept: bool
) -> list[Passage]:
    """Blocks while files are read."""
    passages: list[Passage] = []
    length = 0
    for document in documents:
        if document.file_id is None:
            found = passages_of([document], guard)
        else:
            found = _of_file(
                app, app.files.find(caller.project_id, document.file_id, caller.principals), document, guard
            )
        if is_kept and any(passage.readers for passage in found):
            raise InvalidRequest(
                f"The file {document.file_id!r} has readers, and an answer from it may not be stored: send 'store' "
                "false.",
                param="documents",
            )
        check_length(length := length + sum(len(passage.text) for passage in found))
        passages += found
    return passages


def _of_file(app: App, file: File, document: InlineDocument, guard: Guard | None) -> list[Passage]:
    """As the file is read for vector stores, so that offsets and pages are the same. A model reads its name, too."""
    with app.files.open(file) as content:
        text = app.ingest.read(file.filename, content.read())
    name = guard.blank(file.filename) if guard else file.filename
    named = document._replace(id=file.id, title=document.title or name)
    return [replace(passage, readers=file.readers) for passage in _cut(named, text)]


def _cut(document: InlineDocument, text: Document) -> list[Passage]:
    return [
        Passage(f"{document.id}#{piece.index}", piece.text, document.id, document.title, piece.start, piece.pages)
        for piece in chunk(text, count=len, max_tokens=_LENGTH, overlap=0)
    ]
