"""Ingest: works on the files that wait to get into vector stores: read, cut, embed, and into the index in one commit.

It takes what requests leave: files are read in processes of low priority, and only one small batch at a time is
embedded. The projects that have files waiting take turns. A file is wholly in or waits again, whenever the power fails.
The log has ids of files: their names may be personal.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from anyio import CapacityLimiter

from owngpt.errors import NotFound, ServiceUnavailable
from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import Document, DocumentError
from owngpt.retrieval.index import prepare
from owngpt.retrieval.parse import VERSION
from owngpt.retrieval.parser import Parser
from owngpt.service.breath import Breath
from owngpt.service.embedding_chunks import Vectors, batches, pieces_of, pooled
from owngpt.store.chunks import ChunkOwner
from owngpt.store.documents import Documents
from owngpt.store.files import File
from owngpt.store.ingest_queue import IngestQueue, Progress
from owngpt.store.vector_store_files import ErrorCode, Stage, VectorStoreFile
from owngpt.types import Chunk
from owngpt.waiting import happens

if TYPE_CHECKING:
    from owngpt.service.app import App
    from owngpt.service.models import ServedEmbedder

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

MAX_JOBS = 4  # files at the same time
MAX_VISITORS = 4  # requests whose own files are read at the same time
RENEW_SECONDS = 1.0


class Lost(Exception):
    """The file is ours no more: it was deleted, cancelled, or added anew."""


class Job:
    """One file that is worked on."""

    def __init__(self, file: VectorStoreFile) -> None:
        self.file = file
        self.progress = Progress()
        self.is_lost = False
        self.started = time.monotonic()

    def advance(self, stage: Stage, done: int, total: int) -> None:
        """From any thread. Raises `Lost`."""
        self.progress = Progress(stage, done, total)
        if self.is_lost:
            raise Lost


class Ingest:
    """One per App. It only runs while there is something to do; `wake` it after a commit that adds files."""

    def __init__(self, app: App, parser: Parser | None = None) -> None:
        self._app = app
        self._parser = parser or Parser()
        self._queue, self._documents = IngestQueue(app.database), Documents(app.database)
        self._threads = ThreadPoolExecutor(MAX_JOBS + 2, thread_name_prefix="owngpt-ingest")
        self._drawing = ThreadPoolExecutor(2, thread_name_prefix="owngpt-drawing")
        self.visitors = CapacityLimiter(MAX_VISITORS)  # for `read`: each may take minutes, and gigabytes
        self._embedding = asyncio.Semaphore(1)  # first come, first served: files take turns batch by batch
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._turns: dict[str, float] = {}  # project -> when it last had its turn
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False

    def wake(self) -> None:
        """There may be work. For the event loop's thread."""
        self._news.set()
        if self._task is None and not self._is_stopped:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="ingest")

    async def idle(self) -> None:
        """Return when nothing waits any more."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def rest(self) -> None:
        """Work on nothing any more; what is not finished waits for the next start."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def close(self) -> None:
        """End processes and threads."""
        self._is_stopped = True
        self._parser.close()
        for pool in (self._threads, self._drawing):
            pool.shutdown(wait=False, cancel_futures=True)

    def read(self, filename: str, data: bytes) -> Document:
        """The text of a file that is in no vector store. Blocks, and raises as `Parser.parse` does; call it in threads
        that `visitors` limits."""
        return self._parser.parse(filename, data)

    async def draw(self, file: File, page: int, highlight: tuple[str, int, int] | None) -> bytes:
        """PNG of a page of a PDF, two at a time; see `Parser.page_image`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._drawing, self._draw, file, page, highlight)

    def _draw(self, file: File, page: int, highlight: tuple[str, int, int] | None) -> bytes:
        return self._parser.page_image(self._bytes(file), page, highlight)

    def _bytes(self, file: File) -> bytes:
        with self._app.files.open(file) as content:
            return content.read()

    async def _run(self) -> None:
        """Until nothing waits."""
        keeper = asyncio.create_task(self._keep_claims())
        try:
            while True:
                self._news.clear()
                await self._start_jobs()
                delay = await self._in_thread(self._queue.seconds_to_next)
                if delay is None and not self._jobs and not self._news.is_set():
                    break
                await self._wait(delay if len(self._jobs) < MAX_JOBS else None)
        except Exception:
            logger.exception("ingest has stopped; the next file that is added starts it again")
        finally:
            self._task = None
            keeper.cancel()
            await self._cancel_jobs()

    async def _start_jobs(self) -> None:
        """As many as there is room for; the project that has waited longest for its turn comes first."""
        while len(self._jobs) < MAX_JOBS and self._app.loaded is not None:
            busy = [job.file.project_id for job in self._jobs.values()]
            waiting = await self._in_thread(self._queue.projects)
            order = sorted(waiting, key=lambda project: (busy.count(project), self._turns.get(project, 0.0)))
            file = await self._in_thread(self._queue.take, order[0]) if order else None
            if file is None:
                return
            self._turns[file.project_id] = time.monotonic()
            job = Job(file)
            task = asyncio.create_task(self._work(job), name=f"ingest {file.id}")
            self._jobs[task] = job
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._jobs[task]
        self._news.set()

    async def _wait(self, seconds: float | None) -> None:
        """For a job that ends, a file that comes, or one that a dead process has left."""
        await happens(self._news, None if seconds is None else max(0.2, seconds))

    async def _keep_claims(self) -> None:
        """Say each second how far the jobs are, and end those whose file is ours no more."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            jobs = dict(self._jobs)
            if not jobs:
                continue
            try:
                lost = await self._in_thread(self._queue.renew, [(job.file, job.progress) for job in jobs.values()])
            except Exception:
                logger.exception("claims could not be renewed")
                continue
            for task, job in jobs.items():
                if job.file.claim in lost and not task.done():
                    job.is_lost = True
                    task.cancel()

    async def _cancel_jobs(self) -> None:
        tasks = list(self._jobs)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: Job) -> None:
        """One file, from the queue to its end. Nothing rises from here but a cancellation."""
        file = job.file
        try:
            await self._ingest(job)
        except (Lost, NotFound):
            logger.info("%s is not wanted in %s any more", file.id, file.vector_store_id)
        except DocumentError as error:
            code: ErrorCode = "unsupported_file" if error.code == "unsupported_file" else "invalid_file"
            await self._fail(job, code, error.message)
        except ServiceUnavailable as error:  # it waits again, until its claim has ended
            logger.warning("%s has to wait: %s", file.id, error.message)
        except asyncio.CancelledError:
            if not job.is_lost:
                await asyncio.shield(self._in_thread(self._queue.release, file))
            raise
        except Exception:
            logger.exception("%s could not be ingested", file.id)
            await self._fail(job, "server_error", "The server failed at this file. Its log says why; add it again.")

    async def _fail(self, job: Job, code: ErrorCode, message: str) -> None:
        logger.info("%s failed: %s", job.file.id, code)  # the message has the name of the file
        await self._in_thread(self._queue.fail, job.file, code, message)

    async def _ingest(self, job: Job) -> None:
        document = await self._document(job)
        document = await self._in_thread(self._private, job, document)
        embedder = next(iter(self._app.models.embedders), None)
        chunks = await self._in_thread(self._chunks, job, document, embedder)
        vectors = None if embedder is None else await self._embed(job, embedder, chunks)
        await self._in_thread(self._commit, job, chunks, vectors, embedder.name if embedder else "")

    async def _document(self, job: Job) -> Document:
        """Read now, or before: by this file's content, in this project."""
        file = await self._in_thread(self._app.files.find, job.file.project_id, job.file.id)
        digest = digest_of(file)
        content = await self._in_thread(self._documents.find, file.project_id, digest)
        if content is None:
            job.advance("reading", 0, 0)
            document = await self._in_thread(self._read, job, file)
            content = await self._in_thread(document.to_bytes)
        else:
            document = await self._in_thread(Document.from_bytes, content)
        if not await self._in_thread(self._queue.has_read, job.file, digest, content, document.notes):
            raise Lost
        return document

    def _private(self, job: Job, document: Document) -> Document:
        """As it may be searched and quoted: where the project has a privacy policy, without personal data.

        Every character keeps its place. Raises `PrivacyError`: what cannot be looked through gets into no index.
        """
        guard = self._app.privacy.guard_of(job.file.project_id)
        if guard is None:
            return document
        return replace(document, text=guard.blank(document.text), title=document.title and guard.blank(document.title))

    def _read(self, job: Job, file: File) -> Document:
        data, start = self._bytes(file), time.monotonic()
        document = self._parser.parse(file.filename, data, lambda done, total: job.advance("reading", done, total))
        size = f"{len(document.pages)} pages, {len(document.text):,} characters"
        logger.info("%s: %s read in %.1f s", file.id, size, time.monotonic() - start)
        return document

    def _chunks(self, job: Job, document: Document, embedder: ServedEmbedder | None) -> list[Chunk]:
        tokenizer = (embedder or self._app.models.generative[0]).tokenizer

        pause = Breath()

        def count(text: str) -> int:
            if job.is_lost:
                raise Lost
            pause()
            return len(tokenizer.encode(text))

        sizes = job.file.chunking
        return chunk(document, count=count, max_tokens=sizes.max_tokens, overlap=sizes.overlap, owner=job.file.owner)

    async def _embed(self, job: Job, embedder: ServedEmbedder, chunks: Sequence[Chunk]) -> Vectors:
        """One vector for each chunk, in small batches of similar length, while requests wait for nothing of it."""
        client = embedder.bulk or embedder.embedder
        limit = client.max_input_tokens
        pieces = await self._in_thread(pieces_of, chunks, embedder.tokenizer, limit, Breath())
        vectors: Vectors = [array("f")] * len(pieces)
        done = 0
        for batch in batches(pieces):
            job.advance("embedding", done * len(chunks) // len(pieces), len(chunks))
            async with self._embedding:
                start = time.monotonic()
                embedded = await client.embed([pieces[number].ids for number in batch])
                await self._give_way(time.monotonic() - start)
            for number, vector in zip(batch, embedded, strict=True):
                vectors[number] = array("f", vector)
            done += len(batch)
        return await self._in_thread(pooled, pieces, vectors, len(chunks))

    async def _give_way(self, seconds: float) -> None:
        """While answers are being generated, half of the time is theirs."""
        room = self._app.limits.room
        if room.remaining < room.capacity:
            await asyncio.sleep(seconds)

    def _commit(self, job: Job, chunks: Sequence[Chunk], vectors: Vectors | None, embedder: str) -> None:
        """Chunks, vectors and the row that says so, all at once. Raises `Lost`."""
        size = sum(len(item.text.encode()) for item in chunks) + sum(4 * len(vector) for vector in vectors or [])
        prepared = prepare(chunks, vectors, Breath())
        with self._app.database.write() as transaction:
            file = self._queue.complete(transaction, job.file, size, len(chunks))
            if file is None:
                raise Lost
            owner = ChunkOwner(
                file.project_id,
                file.vector_store_id,
                file.id,
                file.filename,
                file.attributes,
                file.readers,
                file.created_at,
                embedder,
            )
            self._app.chunks.put(transaction, owner, prepared)
        took = f"{len(chunks)} chunks after {time.monotonic() - job.started:.1f} s"
        logger.info("%s is in %s: %s", file.id, file.vector_store_id, took)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


def digest_of(file: File) -> str:
    """What the document of a file is kept under: other bytes, another kind of name or another reader make another."""
    kind = PurePath(file.filename.lower()).suffix or file.filename.lower()
    return hashlib.sha256(f"{VERSION}\n{kind}\n{file.sha256}".encode()).hexdigest()
