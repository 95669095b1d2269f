"""Keeping receipts: what is delivered is noted while it passes, and written by a thread that no token waits for.

An answer that ends is acknowledged (its last byte is sent) only when its receipt is on disk. Of one whose client
leaves, what was delivered until then is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

from owngpt.errors import ServiceUnavailable
from owngpt.service.receipts import Inputs, Order, Output, write_outputs
from owngpt.store.receipts import Receipt, Receipts
from owngpt.types import FinishReason, TokenEvent, TokenLogprob

logger = logging.getLogger(__name__)

_PRUNE_SECONDS = 3600.0
_DAY = 86_400


class _Job(NamedTuple):
    make: Callable[[], Receipt]
    done: Future[None]


class ReceiptWriter:
    """Writes receipts in a thread of its own; all that wait when it is free share one commit.

    After `days` (None: never) they are deleted. Used by one event loop.
    """

    def __init__(self, store: Receipts, days: int | None = None) -> None:
        self._store, self._days = store, days
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._next_prune = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="owngpt-receipts", daemon=True)
        self._has_started = False

    @property
    def num_waiting(self) -> int:
        """Receipts that nobody writes yet."""
        return self._jobs.qsize()

    def put(self, make: Callable[[], Receipt]) -> Future[None]:
        """Have a receipt made and written; the future ends when it is on disk, or says why it is not."""
        job = _Job(make, Future())
        self._jobs.put(job)
        if not self._has_started:
            self._has_started = True
            self._thread.start()
        return job.done

    def prune(self) -> None:
        """Delete what is too old. This happens by itself in every hour in which a receipt is written."""
        if self._days is not None:
            self._store.prune(int(time.time()) - self._days * _DAY)

    def close(self) -> None:
        """Write what waits, and end."""
        self._jobs.put(None)
        if self._has_started:
            self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._write(jobs)
            self._prune_in_time()

    def _take(self) -> list[_Job]:
        """Wait for a job, and take all that are there; none when it is time to end."""
        first = self._jobs.get()
        jobs = [] if first is None else [first]
        while jobs:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _write(self, jobs: Sequence[_Job]) -> None:
        """All in one commit; if that fails one by one, so that a bad one takes no other project's with it."""
        try:
            self._store.add([job.make() for job in jobs])
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._write([job])
            else:
                logger.exception("a receipt could not be written")
                jobs[0].done.set_exception(error)
        else:
            for job in jobs:
                job.done.set_result(None)

    def _prune_in_time(self) -> None:
        if time.monotonic() < self._next_prune:
            return
        self._next_prune = time.monotonic() + _PRUNE_SECONDS
        try:
            self.prune()
        except Exception:
            logger.exception("old receipts could not be deleted")


@dataclass
class ChoiceRecord:
    """A choice so far."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    bits: hashlib._Hash | None = None  # None: no log-probabilities have come

    def add(self, event: TokenEvent) -> None:
        """One more event of this choice."""
        self.token_ids += event.token_ids
        for entry in (event.prompt.logprobs if event.prompt else None) or ():
            self._digest(entry)
        for entry in event.logprobs or ():
            self._digest(entry)
            self.logprobs.append(entry.logprob)
        self.finish_reason = event.finish_reason

    def output(self) -> Output:
        """What was delivered until now."""
        if self.bits is None:
            return Output(tuple(self.token_ids), finish_reason=self.finish_reason)
        return Output(tuple(self.token_ids), tuple(self.logprobs), self.bits.hexdigest(), self.finish_reason)

    def _digest(self, entry: TokenLogprob | None) -> None:
        """Token and number of the entry and of its alternatives, as bits."""
        self.bits = self.bits or hashlib.sha256()
        for each in () if entry is None else (entry, *entry.top):
            self.bits.update(struct.pack("<qd", each.token_id, each.logprob))


class Recording:
    """One answer whose receipt is to be kept."""

    def __init__(
        self, writer: ReceiptWriter, order: Order, project_id: str, operation: str, model: str, inputs: Inputs
    ) -> None:
        self._writer, self._order, self._inputs = writer, order, inputs
        self._owner = (project_id, operation, model)
        self._choices = [ChoiceRecord() for _ in range(len(inputs.prompts) * inputs.sampling.n)]
        self._is_put = False

    def add(self, event: TokenEvent) -> None:
        """What is about to be delivered."""
        self._choices[event.index].add(event)

    async def save(self) -> None:
        """Return when the receipt is on disk. Raises `ServiceUnavailable` when it cannot be written."""
        try:
            await asyncio.shield(asyncio.wrap_future(self._put()))
        except Exception as error:
            raise ServiceUnavailable("the answer's receipt could not be written; see the server's log") from error

    def leave(self) -> None:
        """The client is not there any more: have the receipt written if it is not, and do not wait."""
        if not self._is_put:
            self._put()

    def _put(self) -> Future[None]:
        self._is_put = True
        return self._writer.put(self._receipt)

    def _receipt(self) -> Receipt:
        project_id, operation, model = self._owner
        inputs = self._inputs.write()
        digest = hashlib.sha256(inputs.encode()).hexdigest()
        outputs = write_outputs([choice.output() for choice in self._choices])
        order = self._order
        return Receipt(order.id, project_id, order.created, operation, model, digest, order.body, inputs, outputs)


@contextmanager
def leaving(recording: Recording | None) -> Iterator[None]:
    """However the block ends, the receipt is kept."""
    try:
        yield
    finally:
        if recording is not None:
            recording.leave()
