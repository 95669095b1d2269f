"""Background responses: what is acknowledged as queued is made, also after a restart, and nothing is made twice.

Events are on disk before anybody sees them, so that a stream can be resumed anywhere. A response whose server died
while it was made has failed, and says so: it is not made a second time. Several servers may share the database: each
job is taken up by one, which shows that it lives by writing the time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace

from owngpt.errors import AuthenticationFailed, InvalidRequest, Overloaded, PermissionDenied, ServiceUnavailable
from owngpt.service.app import App, Caller
from owngpt.service.callers import check_scope, recall
from owngpt.service.failures import as_request_error
from owngpt.service.responses import reading
from owngpt.service.responses.answer import Answer
from owngpt.service.responses.history import prepare
from owngpt.service.responses.jobs import Log, fail
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.private import mask_again, restored
from owngpt.service.responses.turn import Turn
from owngpt.store.response_jobs import Job, ResponseJobs
from owngpt.store.responses import OPEN, Responses
from owngpt.waiting import happens

logger = logging.getLogger(__name__)

Revive = Callable[[App, Caller, Job], Turn]  # a request as it was sent -> its turn; the server knows how to read it

BEAT_SECONDS, LOST_SECONDS = 2.0, 8
POLL_SECONDS = 0.5  # until what another server has written is seen
EVENT_SECONDS = 3600  # for which events are kept after a response has ended
PAGE = 512  # events that are read at once
MAX_FOLLOWERS = 64  # of one project: each asks the database again and again
LOST = "The server stopped while this response was made. It was not made again; send the request again."


class BackgroundResponses:
    """Makes all that wait, `at_once` at a time."""

    def __init__(self, app: App, revive: Revive, at_once: int) -> None:
        self.revive = revive
        self._app, self._jobs = app, ResponseJobs(app.database)
        self._at_once = at_once
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}  # response -> something was written
        self._followers = Counter[str]()  # by project
        self._look_again, self._is_resting = asyncio.Event(), False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._look_again.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def rest(self) -> None:
        self._is_resting = True
        self._look_again.set()
        try:
            await _ended(self._running.values())
        except asyncio.CancelledError:
            for task in self._running.values():
                task.cancel()
            await _ended(self._running.values())
            raise
        finally:
            if self._task is not None:
                self._task.cancel()
                await _ended([self._task])

    def cancel(self, response_id: str) -> None:
        """Stop what runs here; that it is cancelled has been written before."""
        if response_id in self._running:
            self._running[response_id].cancel()

    def check(self, caller: Caller, response_id: str) -> None:
        """Raise `NotFound` and `InvalidRequest` unless there is something to follow, and `Overloaded` unless there is
        room to."""
        if self._followers[caller.project_id] >= MAX_FOLLOWERS:
            raise Overloaded(f"This project follows {MAX_FOLLOWERS} responses at once; end one of the streams first.")
        response = reading.read(self._app, caller, response_id)
        if not response["background"]:
            raise InvalidRequest(
                "Only responses that were made with 'background' can be streamed again; read this one whole.",
                param="stream",
            )
        if response["status"] not in OPEN and not self._jobs.num_events(response_id):
            raise InvalidRequest("The events of this response are not kept any more; read it whole.", param="stream")

    async def follow(self, caller: Caller, response_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        """Events after that number, as they are written, up to the last one."""
        self._followers[caller.project_id] += 1
        try:
            async with aclosing(self._follow(caller, response_id, after)) as events:
                async for event in events:
                    yield event
        finally:
            self._followers[caller.project_id] -= 1

    async def _follow(self, caller: Caller, response_id: str, after: int) -> AsyncGenerator[Event, None]:
        while True:
            news = self._news.setdefault(response_id, asyncio.Event())
            news.clear()
            try:
                status = (await asyncio.to_thread(reading.find, self._app, caller, response_id)).status
                events = await asyncio.to_thread(self._jobs.events, caller.project_id, response_id, after, PAGE)
                for event in await asyncio.to_thread(restored, self._app, caller, response_id, events):
                    after = event["sequence_number"]
                    yield event
                if not events and status not in OPEN:
                    return
                if not events:
                    await happens(news, POLL_SECONDS)
            finally:
                if response_id not in self._running:
                    self._news.pop(response_id, None)

    async def _run(self) -> None:
        """Until `rest` ends it: what runs is kept alive to the last."""
        pruned = 0.0
        while True:
            self._look_again.clear()
            try:
                await self._look()
                if time.monotonic() - pruned > EVENT_SECONDS / 4 or not pruned:
                    pruned = time.monotonic()
                    await asyncio.to_thread(self._jobs.prune_events, int(time.time()) - EVENT_SECONDS)
            except Exception:
                logger.exception("background responses could not be read; it is tried again")
            await happens(self._look_again, BEAT_SECONDS)

    async def _look(self) -> None:
        """Show that we live, bury what died with another server, and begin what waits."""
        now = await asyncio.to_thread(self._now)
        if self._running:
            await asyncio.to_thread(self._jobs.beat, list(self._running), now)
        for job in await asyncio.to_thread(self._jobs.lost, now - LOST_SECONDS):
            if job.response_id not in self._running:
                await asyncio.to_thread(fail, self._app, job, ServiceUnavailable(LOST))
        if (room := self._at_once - len(self._running)) <= 0 or self._is_resting:
            return
        for job in await asyncio.to_thread(self._jobs.waiting, room):
            if job.response_id not in self._running and not self._is_resting:
                self._running[job.response_id] = asyncio.create_task(self._job(job))

    async def _job(self, job: Job) -> None:
        """One response to its end."""
        try:
            if not self._is_resting and await asyncio.to_thread(self._take, job):
                await self._make(job)
        except Exception as error:
            await asyncio.to_thread(fail, self._app, job, as_request_error(error, job.response_id))
        finally:
            del self._running[job.response_id]
            self._look_again.set()
            if news := self._news.pop(job.response_id, None):
                news.set()

    def _take(self, job: Job) -> bool:
        return self._jobs.take(job.response_id, self._now())

    def _now(self) -> int:
        """By the clock that all servers share: whether another one lives is told from times that it has written."""
        return int(self._app.database.now())

    async def _make(self, job: Job) -> None:
        caller = await asyncio.to_thread(_caller, self._app, job)
        turn = await asyncio.to_thread(self._turn, caller, job)
        turn, context = await prepare(self._app, caller, turn)
        log = Log(self._app, caller, turn, context, lambda: self._tell(job.response_id))
        while True:
            answer = Answer(self._app, caller, turn, context, await asyncio.to_thread(self._jobs.num_events, turn.id))
            try:
                return await log.write_all(answer)
            except (Overloaded, ServiceUnavailable) as error:
                if answer.has_begun or self._is_resting:
                    raise
                await asyncio.sleep(error.retry_after if isinstance(error, Overloaded) else 1.0)

    def _turn(self, caller: Caller, job: Job) -> Turn:
        """The request, read anew, with the items and fields that have been stored of it."""
        fields = reading.read(self._app, caller, job.response_id)
        inputs = Responses(self._app.database).items(caller.project_id, job.response_id)
        turn = self.revive(self._app, caller, job)
        return replace(turn, id=job.response_id, fields=fields, input=mask_again(turn.guard, inputs))

    def _tell(self, response_id: str) -> None:
        if response_id in self._news:
            self._news[response_id].set()


def _caller(app: App, job: Job) -> Caller:
    """Whoever asked, with the rights that the key has now."""
    try:
        caller = recall(app.keys, job.key_id)
        check_scope(caller, "api.responses.write")
    except (AuthenticationFailed, PermissionDenied) as error:
        raise PermissionDenied(f"The response cannot be made any more: {error.message}") from error
    return caller


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Return when all of these have ended, however they did."""
    if running := list(tasks):
        await asyncio.wait(running)
