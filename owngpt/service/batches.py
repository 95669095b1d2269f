"""Runs batches: as work that takes what the others leave, through the same routes as every request.

What is acknowledged runs once: a line is `started` on disk before its request runs, and its result is kept in the
commit that ends it. When the server was killed in between, nobody has seen an answer; the line runs again where it can
have left nothing behind but its usage, which is taken back, and is an error in the error file where it may have.

Of several servers that share a folder of files, the one that holds the folder's lock runs all batches.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from owngpt.errors import AuthenticationFailed, InvalidRequest
from owngpt.service.app import App
from owngpt.service.batch_input import check_line, scan
from owngpt.service.batch_lines import Answer, Inside, interrupted, is_repeatable, refused, request_id, result_of
from owngpt.service.batch_output import finalize
from owngpt.service.callers import recall
from owngpt.service.files import refuse_without_storage
from owngpt.store.batches import Batch, Line
from owngpt.types import Tier
from owngpt.waiting import happens

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

POLL_SECONDS = 5.0  # until what another server has written is seen
RETRY_SECONDS = 10.0  # after something unforeseen


class BatchRunner:
    """All unfinished batches at once, line by line in turn, `at_once` lines in flight. `call` is how they run."""

    def __init__(self, app: App, call: Inside, at_once: int) -> None:
        self.call = call
        self._app, self._store = app, app.batches
        self._slots = asyncio.Semaphore(at_once)
        self._lock = FolderLock(app.settings.data_dir / "files" / "batches.lock")
        self._jobs: dict[str, asyncio.Task[None]] = {}  # by batch
        self._works: dict[str, asyncio.Task[None]] = {}  # the part of a job that runs lines
        self._pauses: dict[str, float] = {}  # batch -> when its next line may run, on the loop's clock
        self._news, self._resting = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._news.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def rest(self) -> None:
        self._resting.set()
        self._news.set()
        try:
            await _ended(self._jobs.values())
        except asyncio.CancelledError:
            for work in self._works.values():
                work.cancel()
            await _ended(self._jobs.values())
            raise
        finally:
            await _ended([self._task] if self._task else [])
            self._lock.release()

    async def _run(self) -> None:
        while not self._resting.is_set():
            self._news.clear()
            try:
                if self._lock.acquire():
                    await self._look()
            except Exception:
                logger.exception("the batches could not be read; it is tried again")
            await happens(self._news, POLL_SECONDS)

    async def _look(self) -> None:
        """Begin what is new, end what was cancelled."""
        for batch in await asyncio.to_thread(self._store.unfinished):
            if batch.id not in self._jobs and not self._resting.is_set():
                self._jobs[batch.id] = asyncio.create_task(self._job(batch))
            elif batch.status == "cancelling" and batch.id in self._works:
                self._works[batch.id].cancel()

    async def _job(self, batch: Batch) -> None:
        """One batch to its end, or to that of the server. What fails unforeseen is tried again later."""
        try:
            if batch.status == "validating":
                await asyncio.to_thread(self._validate, batch)
            else:
                await asyncio.to_thread(self._recover, batch)
            batch = await asyncio.to_thread(self._store.get, batch.id)
            if batch.status == "in_progress":
                await self._work_through(batch)
            if batch.status != "failed" and not self._resting.is_set():
                await asyncio.to_thread(finalize, self._app, batch.id)
        except Exception:
            logger.exception("%s: an unexpected error; it is taken up again in %g s", batch.id, RETRY_SECONDS)
            await self._sleep(RETRY_SECONDS)
        finally:
            del self._jobs[batch.id]
            self._pauses.pop(batch.id, None)
            self._news.set()

    def _validate(self, batch: Batch) -> None:
        assert batch.input_sha256 is not None
        with self._app.files.blobs.open(batch.input_sha256) as content:
            found = scan(content, batch.endpoint)
        if not found.errors:
            self._store.begin(batch.id, found.lines, found.model)
            return
        self._store.fail(batch.id, found.errors)
        self._app.files.blobs.release(self._app.database, [batch.input_sha256])

    def _recover(self, batch: Batch) -> None:
        """Lines that an earlier process has left in the middle: run them again, or say that they were cut off."""
        lines = self._store.interrupted(batch.id)
        if lines:
            self._app.meter.flush().result()  # what is taken back has to be there
        for line, is_stopped in lines:
            body = json.loads(self._body(batch, line))
            if is_stopped or is_repeatable(batch.endpoint, body):
                self._store.retry(batch, line.line, request_id(batch.id, line.line))
            else:
                self._store.end_line(batch.id, line.line, interrupted(batch, line))

    async def _work_through(self, batch: Batch) -> None:
        """Return when no line runs any more: all have ended, time is over, it was cancelled, or the server stops."""
        work = self._works[batch.id] = asyncio.create_task(self._work(batch))
        try:
            await asyncio.wait([work], timeout=max(0.0, batch.expires_at - time.time()))
            work.cancel()
            await _ended([work])
            await asyncio.to_thread(self._store.stop_lines, batch.id)
            if not work.cancelled():
                work.result()
        finally:
            del self._works[batch.id]

    async def _work(self, batch: Batch) -> None:
        """Take lines as slots become free. Batches wait for slots in turn, so each gets its share."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not self._resting.is_set():
                await self._sleep(self._pauses.get(batch.id, 0.0) - asyncio.get_running_loop().time())
                await self._slots.acquire()
                try:
                    line = await _to_the_end(self._store.take_line, batch.id)
                except BaseException:
                    self._slots.release()
                    raise
                if line is not None:
                    task = group.create_task(self._line(batch, line))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    task.add_done_callback(lambda _: self._slots.release())
                    continue
                self._slots.release()
                if not running:
                    return
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    async def _line(self, batch: Batch, line: Line) -> None:
        """Run a line that is marked as started, and keep what comes of it."""
        answer = await self._answer(batch, line)
        if answer.pause is None:
            result = result_of(batch, line, answer)
            await _to_the_end(self._store.end_line, batch.id, line.line, result)
        else:
            self._pauses[batch.id] = asyncio.get_running_loop().time() + answer.pause
            await _to_the_end(self._store.put_back, batch.id, line.line)

    async def _answer(self, batch: Batch, line: Line) -> Answer:
        try:
            caller = replace(await asyncio.to_thread(recall, self._app.keys, batch.key_id), tier=Tier.BATCH)
            refuse_without_storage(caller, "batches")  # its project may keep nothing since then
        except (AuthenticationFailed, InvalidRequest) as error:
            return refused(error)
        body = await asyncio.to_thread(self._body, batch, line)
        return await self.call(caller, batch.endpoint, body, request_id(batch.id, line.line))

    def _body(self, batch: Batch, line: Line) -> bytes:
        """Of a line's request, as JSON."""
        assert batch.input_sha256 is not None
        with self._app.files.blobs.open(batch.input_sha256) as content:
            content.seek(line.place)
            _, body = check_line(content.read(line.bytes), batch.endpoint)
        return json.dumps(body).encode()

    async def _sleep(self, seconds: float) -> None:
        """Until then, or until the server is about to stop."""
        if seconds > 0:
            await happens(self._resting, seconds)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for tasks, however they end."""
    if waiting := set(tasks):
        await asyncio.wait(waiting)


async def _to_the_end(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run it in a thread. Cancelled, this ends only when the thread's work has."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class FolderLock:
    """Held by one process at a time; the system gives it back when that one dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Whether it is ours, now or already."""
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
