"""Library: the documents of a folder, indexed in a database of its own, and questions to them. No server, no port.

It is the server's own App with one vector store, so files are read, cut, searched and quoted by the same code.
The database keeps the text of the documents; their bytes stay in the folder alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from anyio import to_thread

from owngpt.build import Source, load_model, load_models, open_app
from owngpt.cli.folder import Seen, cannot_open, stamp_of
from owngpt.cli.progress import Report
from owngpt.config import PrivacyConfig, Settings
from owngpt.model.bundled import garlic_folder, minilm_folder
from owngpt.retrieval.document import Document, clean
from owngpt.retrieval.parse import VERSION
from owngpt.retrieval.parse.encoding import decode
from owngpt.service import vector_stores
from owngpt.service.app import App
from owngpt.service.callers import caller_of_key
from owngpt.service.chat import ChatPrompt
from owngpt.service.generate import GenerationRequest
from owngpt.service.grounding import GroundedEvent, GroundingOptions, given, ground
from owngpt.service.models import Models, ServedEmbedder, ServedModel
from owngpt.service.search import search
from owngpt.service.vector_stores import FileOrder
from owngpt.store.blobs import Staged
from owngpt.store.files import File, NewFile
from owngpt.store.ingest_queue import IngestQueue
from owngpt.store.paging import PageRequest
from owngpt.store.vector_store_files import VectorStoreFile
from owngpt.store.vector_stores import VectorStore
from owngpt.types import Message

STAMP = "stamp"  # the attribute by which a file is known to be as it was
_PAGE = 1000  # rows at a time
_PIECE = 1024**2  # bytes
_LOOK_SECONDS = 0.2  # between two looks at the progress
_ANSWER = 512  # tokens, where an answer is generated

Advance = Callable[[int, int, str], None]  # files done, files in all, what is read now


class Changes(NamedTuple):
    """What a look at the folder has brought."""

    new: int = 0
    changed: int = 0
    gone: int = 0


class Entry(NamedTuple):
    """A file that is known: its row, and its row in the store."""

    file: File
    indexed: VectorStoreFile

    def is_as(self, stamp: str) -> bool:
        """Whether it need not be looked at: a failure of our own is tried again."""
        return self.indexed.attributes.get(STAMP) == stamp and self.indexed.error_code != "server_error"


def index_folder(data_dir: Path, folder: Path) -> Path:
    """Where the index of a folder lies."""
    return data_dir / "ask" / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]


def forget(data_dir: Path, folder: Path) -> bool:
    """Delete the index of a folder; -> whether there was one."""
    place = index_folder(data_dir, folder)
    if not place.exists():
        return False
    with _locked(place, lambda: None):
        shutil.rmtree(place)
    return True


@contextmanager
def opened(
    settings: Settings,
    path: Path,
    folder: Path,
    loading: Callable[[], AbstractContextManager[Report | None]] = nullcontext,
    wait: Callable[[], None] = lambda: None,
) -> Iterator[Library]:
    """The library of what lies at `path`: a `folder`, or a file in it.

    `loading` is entered while models load, and `wait` is called if another process has the library, until that one
    ends. Raises `SetupError`s.
    """
    place = index_folder(settings.data_dir, path)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(place, wait):
        own = replace(settings, data_dir=place, database=None, api_key=None, store="never", privacy=PrivacyConfig())
        app, _ = open_app(own)
        try:
            with loading() as report:
                app.loaded = _models(settings, report)
            yield Library(app, folder)
        finally:
            app.close()


@contextmanager
def _locked(place: Path, wait: Callable[[], None]) -> Iterator[None]:
    with (place / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _models(settings: Settings, report: Report | None) -> Models:
    """Those of the settings, with the bundled ones where a kind is missing."""
    loaded = load_models(settings, report)
    models: list[ServedModel | ServedEmbedder] = [*loaded.generative, *loaded.embedders]
    if not loaded.embedders:
        models.append(load_model(Source("all-MiniLM-L6-v2", minilm_folder()), settings, report))
    if not loaded.generative:
        models.append(load_model(Source("garlic", garlic_folder()), settings, report))
    return Models(models)


class Library:
    """One folder. `refresh` it, then ask."""

    def __init__(self, app: App, folder: Path) -> None:
        self._app, self._folder = app, folder
        self._caller = caller_of_key(app.keys.list()[0])
        self._model, self._store_id = app.models.generative[0], self._store().id
        self.unread: dict[str, str] = {}  # name -> why it was not even opened

    @property
    def model(self) -> str:
        """What answers are generated with."""
        return self._model.name

    async def refresh(self, seen: Sequence[Seen], advance: Advance) -> Changes:
        """Read what is new or has changed, and forget what is gone. What is interrupted goes on the next time."""
        watching = asyncio.create_task(self._watch(advance))
        try:
            changes = await to_thread.run_sync(self._take, seen)
            self._app.ingest.wake()
            await self._app.ingest.idle()
        finally:
            watching.cancel()
            await asyncio.gather(watching, self._app.ingest.rest(), return_exceptions=True)
        total = await to_thread.run_sync(self._drop_bytes)
        advance(total, total, "")
        return changes

    def files(self) -> list[VectorStoreFile]:
        """What is indexed, or was tried."""
        files: list[VectorStoreFile] = []
        has_more = True
        while has_more:
            after = files[-1].id if files else None
            page = self._app.vector_store_files.page(self._caller.project_id, self._store_id, _page(after))
            files, has_more = [*files, *page.files], page.has_more
        return files

    async def ask(self, question: str, options: GroundingOptions) -> list[GroundedEvent]:
        """The events of one answer, the verdict among them."""
        found = await search(self._app, self._caller, [self._store_id], [question], rewrite_query=True)
        sampling = replace(self._model.sampling, temperature=0.0, max_tokens=_ANSWER)
        request = GenerationRequest(self._model, ChatPrompt([Message("user", question)]), sampling)
        async with ground(self._app, self._caller, request, given(found.passages), options) as generation:
            return [event async for event in generation]

    def line_of(self, file_id: str, offset: int) -> int | None:
        """The line of a character, from 1, in a file whose text is the document's; None in any other."""
        file = self._app.files.find(self._caller.project_id, file_id)
        entry = self._app.vector_store_files.find(self._caller.project_id, self._store_id, file_id)
        content = None if entry.digest is None else self._app.documents.find(file.project_id, entry.digest)
        if content is None or (document := Document.from_bytes(content)).pages:
            return None
        with suppress(OSError):
            if clean(decode((self._folder / file.filename).read_bytes())[0]) == document.text:
                return document.text.count("\n", 0, offset) + 1
        return None

    def _store(self) -> VectorStore:
        """The one store. One that was made by another reader or embedder is made anew."""
        app, project_id = self._app, self._caller.project_id
        made_by = {"reader": str(VERSION), "embedder": app.models.embedders[0].name}
        for store in app.vector_stores.page(project_id, PageRequest(limit=_PAGE)).stores:
            if store.metadata == made_by:
                return store
            app.vector_stores.delete(project_id, store.id)
        for file in self._all_files():
            app.files.delete(project_id, file.id)
        return app.vector_stores.add(project_id, str(self._folder)[:256], "", made_by, None)

    def _take(self, seen: Sequence[Seen]) -> Changes:
        """Put what is to be read into the queue, and take out what is not there any more."""
        entries = {entry.file.filename: entry for entry in self._entries()}
        for entry in entries.values():
            if entry.indexed.claim:  # whoever had it is dead, for the library is ours
                IngestQueue(self._app.database).release(entry.indexed)
        self.unread = {file.name: file.reason for file in seen if file.reason is not None}
        taken = [self._take_one(file, entries.get(file.name)) for file in seen if file.reason is None]
        gone = entries.keys() - ({file.name for file in seen} - self.unread.keys())
        for name in gone:
            self._app.files.delete(self._caller.project_id, entries[name].file.id)
        return Changes(taken.count("new"), taken.count("changed"), len(gone))

    def _take_one(self, seen: Seen, known: Entry | None) -> Literal["new", "changed", "kept", "unread"]:
        if known is not None and known.is_as(seen.stamp):
            return "kept"
        try:
            with seen.path.open("rb") as source, self._app.files.blobs.writer(sys.maxsize) as writer:
                stamp = stamp_of(os.fstat(source.fileno()))
                while piece := source.read(_PIECE):
                    writer.write(piece)
                return self._put(seen.name, stamp, writer.end(), known)
        except OSError as error:
            self.unread[seen.name] = cannot_open(error)
            return "unread"

    def _put(self, name: str, stamp: str, staged: Staged, known: Entry | None) -> Literal["new", "changed", "kept"]:
        app, caller = self._app, self._caller
        if known is not None and known.file.sha256 == staged.sha256 and known.indexed.error_code != "server_error":
            app.vector_store_files.set_attributes(known.indexed, {STAMP: stamp}, frozenset())
            return "kept"
        if known is not None:
            app.files.delete(caller.project_id, known.file.id)
        file = app.files.add(NewFile(caller.project_id, name, "assistants"), staged)
        vector_stores.add_file(app, caller, self._store_id, FileOrder(file.id, {STAMP: stamp}))
        return "new" if known is None else "changed"

    def _entries(self) -> list[Entry]:
        """What is known. A file that a crash has left outside the store is forgotten."""
        indexed = {file.id: file for file in self.files()}
        entries: list[Entry] = []
        for file in self._all_files():
            if file.id in indexed:
                entries.append(Entry(file, indexed[file.id]))
            else:
                self._app.files.delete(file.project_id, file.id)
        return entries

    def _all_files(self) -> list[File]:
        files: list[File] = []
        has_more = True
        while has_more:
            page = self._app.files.page(self._caller.project_id, _page(files[-1].id if files else None))
            files, has_more = [*files, *page.files], page.has_more
        return files

    async def _watch(self, advance: Advance) -> None:
        """Tell how far the queue is, until cancelled."""
        total = 0
        while True:
            counts, current = await to_thread.run_sync(self._progress)
            total = max(total, counts)
            advance(total - counts, total, current)
            await asyncio.sleep(_LOOK_SECONDS)

    def _progress(self) -> tuple[int, str]:
        """How many files wait, and one that is worked on."""
        project_id = self._caller.project_id
        waiting = self._app.vector_stores.find(project_id, self._store_id).counts.get("in_progress", 0)
        page = self._app.vector_store_files.page(project_id, self._store_id, _page(None), status="in_progress")
        current = [file.filename for file in page.files if file.stage in ("reading", "embedding")]
        return waiting, next(iter(current), "")

    def _drop_bytes(self) -> int:
        """Of what has been read: the folder has them. -> how many files there are."""
        entries = self._entries()
        waiting = {entry.file.sha256 for entry in entries if entry.indexed.status == "in_progress"}
        for sha256 in {entry.file.sha256 for entry in entries} - waiting:
            self._app.files.blobs.path(sha256).unlink(missing_ok=True)
        return len(entries)


def _page(after: str | None) -> PageRequest:
    return PageRequest(after=after, limit=_PAGE)
