"""The rows of background responses: put into the queue, made on, failed, cancelled. Each step is one commit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from owngpt.errors import InvalidRequest, Overloaded, RequestError
from owngpt.service.app import App, Caller
from owngpt.service.failures import as_request_error
from owngpt.service.responses import reading
from owngpt.service.responses.answer import Answer
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.keeping import stored
from owngpt.service.responses.mcp.secrets import sealed
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.private import keep_placeholders
from owngpt.service.responses.sources import keep_sources
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.store.conversations import Conversations
from owngpt.store.db import Transaction
from owngpt.store.response_jobs import Job, ResponseJobs
from owngpt.store.responses import OPEN, Responses
from owngpt.types import Usage

T = TypeVar("T")

MAX_OPEN = 1_000  # background responses of one project that wait or run


def put(app: App, caller: Caller, turn: Turn, context: Context, body: bytes) -> dict[str, Any]:
    """Queue a turn; -> its response as of now. `body` is the request as it was sent: its secrets are sealed."""
    builder = ResponseBuilder({**turn.fields, "output": []})
    events = list(builder.begin("queued"))
    row, now = stored(caller.project_id, builder.document), int(time.time())
    job = Job(turn.id, caller.project_id, caller.key_id, now, 0, sealed(body, seal_of(app, caller)).decode())
    with app.database.write() as transaction:
        if ResponseJobs(app.database).num_open(transaction, caller.project_id) >= MAX_OPEN:
            raise Overloaded(f"This project has {MAX_OPEN} background responses that have not ended.", retry_after=10)
        Responses(app.database).add(transaction, row, context.inputs, [])
        ResponseJobs(app.database).log(transaction, turn.id, events, now)
        ResponseJobs(app.database).add(transaction, job)
        keep_placeholders(app, transaction, caller, turn.guard, [turn.id])
        keep_sources(app, transaction, turn, caller.project_id, context, builder.document)
    return builder.document


def cancel(app: App, caller: Caller, response_id: str) -> dict[str, Any]:
    """Cancel a background response; one that has ended stays as it is. Raises `NotFound` and `InvalidRequest`."""
    document = json.loads(reading.find(app, caller, response_id).body)
    if not document["background"]:
        raise InvalidRequest("Cannot cancel a response that was not made with 'background'; close its connection.")
    if document["status"] in OPEN:
        with app.database.write() as transaction:
            row = stored(caller.project_id, {**document, "status": "cancelled"})
            Responses(app.database).advance(transaction, row)
            ResponseJobs(app.database).end(transaction, response_id)
    return reading.read(app, caller, response_id)


def fail(app: App, job: Job, error: RequestError) -> None:
    """It cannot be made, or not any more."""
    responses, jobs = Responses(app.database), ResponseJobs(app.database)
    response = responses.find(job.project_id, job.response_id)
    builder = ResponseBuilder(
        json.loads(response.body) if response else {"output": []}, num_events=jobs.num_events(job.response_id)
    )
    events = [builder.fail(error, Usage()), builder.ending()]
    with app.database.write() as transaction:
        if jobs.log(transaction, job.response_id, events, int(time.time())):
            responses.advance(transaction, stored(job.project_id, builder.document))
        jobs.end(transaction, job.response_id)


class Log:
    """Writes an answer down while it is made: events in one commit with all that came meanwhile, then its end."""

    def __init__(self, app: App, caller: Caller, turn: Turn, context: Context, tell: Callable[[], None]) -> None:
        """`tell` is called when something has been written."""
        self._app, self._caller, self._turn, self._context, self._tell = app, caller, turn, context, tell
        self._responses, self._jobs = Responses(app.database), ResponseJobs(app.database)
        self._waiting: list[Event] = []
        self._more = asyncio.Event()

    async def write_all(self, answer: Answer) -> None:
        """Make the answer. Raises what goes wrong before it has begun; a response that is gone is not made on."""
        writer = asyncio.create_task(self._write())
        try:
            async with aclosing(answer.events()) as events:
                async for event in events:
                    self._waiting.append(event)
                    self._more.set()
                    if writer.done():
                        writer.result()
                        return
        except Exception as error:
            if not answer.has_begun:
                raise
            self._waiting.append(answer.builder.fail(as_request_error(error, self._turn.request_id), answer.usage))
        finally:
            writer.cancel()
            await asyncio.wait([writer])
        self._waiting.append(answer.builder.ending())
        await asyncio.to_thread(self._end, answer.stored())
        self._tell()

    async def _write(self) -> None:
        """Return when the response is gone, or was cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            events = list(self._waiting)
            writing = asyncio.ensure_future(asyncio.to_thread(self._append, events))
            try:
                is_there = await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing  # what is being written may not be written again
                del self._waiting[: len(events)]
                raise
            del self._waiting[: len(events)]
            self._tell()
            if not is_there:
                return

    def _append(self, events: Sequence[Event]) -> bool:
        events = self._kept(events)
        with self._app.database.write() as transaction:
            for event in events:
                if event["type"] == "response.in_progress":
                    self._advance(transaction, event["response"])
            return self._jobs.log(transaction, self._turn.id, events, int(time.time()))

    def _kept(self, document: T) -> T:
        """Without personal data, where the project wants that."""
        guard = self._turn.guard
        kept: T = document if guard is None else guard.kept(document)
        return kept

    def _end(self, document: dict[str, Any]) -> None:
        made, document, events = document, self._kept(document), self._kept(self._waiting)
        with self._app.database.write() as transaction:
            owners = [self._turn.id, self._turn.conversation_id]
            keep_placeholders(self._app, transaction, self._caller, self._turn.guard, owners)
            if self._jobs.log(transaction, self._turn.id, events, int(time.time())):
                self._advance(transaction, document)
                keep_sources(self._app, transaction, self._turn, self._caller.project_id, self._context, made)
                if self._turn.conversation_id is not None and document["status"] != "failed":
                    items = [*self._context.inputs, *document["output"]]
                    conversations = Conversations(self._app.database)
                    conversations.append(transaction, self._caller.project_id, self._turn.conversation_id, items)
            self._jobs.end(transaction, self._turn.id)

    def _advance(self, transaction: Transaction, document: dict[str, Any]) -> None:
        self._responses.advance(transaction, stored(self._caller.project_id, document), document["output"])
