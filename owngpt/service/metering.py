"""Exact metering: what is delivered is counted while it passes, and survives the death of the process at any moment.

A request has an entry in the journal (`store/journal.py`) from admission on, whose numbers are written in place as
tokens are handed to its answer: a few hundred nanoseconds, no system call. At its end a thread makes one row of it
(`store/usage.py`) and closes the entry when the row is committed. Entries of a process that was killed become rows at
the next start, or at that of another process on the same data folder. A row has the id of its entry, so however often
it is written, it counts once. While the database cannot be written, entries stay open and are tried again.

What holds: every token that was handed to a connection is counted. At most the last event of a stream may be counted
though its client had left while it was being sent. After a power failure, ended requests are counted as soon as they
are committed (milliseconds after their end); of those that were running, counts may be missing or too low.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from concurrent.futures import Future
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from owngpt.config import Prices
from owngpt.errors import ServiceUnavailable
from owngpt.service.caller import Caller
from owngpt.service.prices import Rate, rate_of
from owngpt.service.storage_costs import charge_storage
from owngpt.service.usage_writer import UsageWriter
from owngpt.store.db import Database
from owngpt.store.journal import Entry, Journal, Slot, abandoned
from owngpt.store.usage import COLUMNS, Kind, UsageEvent, UsageEvents, values_of
from owngpt.types import Tier, Usage

logger = logging.getLogger(__name__)

_MAX_NAME = 200  # characters of a model's name


class Tally:
    """What one request has cost so far. Used by one thread at a time."""

    def __init__(self, meter: Meter, event: UsageEvent, rate: Rate, slot: Slot) -> None:
        self._meter, self._event, self._rate = meter, event, rate
        self.slot = slot

    @property
    def id(self) -> str:
        """Of its usage event."""
        return self._event.id

    def count(self, usage: Usage) -> None:
        """What it has cost until now, in all."""
        self._usage = usage
        self.slot.update(
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
        )

    def settle(self, outcome: str) -> None:
        """It has ended: have its row written. Nobody waits for that."""
        self._meter.put(self, self._rate.charge(_counted(self._event, self._usage, outcome)))

    _usage = Usage()


class Meter:
    """Meters all that costs something. Opening it makes rows of what earlier processes left."""

    def __init__(self, database: Database, folder: Path, prices: Prices | None = None) -> None:
        self._database, self._folder, self._prices = database, folder, prices or Prices()
        self._journal = Journal(folder)
        self._events = UsageEvents(database)
        self._writer = UsageWriter(self._events, self._journal)
        self.num_recovered = self.recover()

    @property
    def writer(self) -> UsageWriter:
        """For the metrics."""
        return self._writer

    def open(
        self,
        caller: Caller,
        kind: Kind,
        model: str | None = None,
        *,
        names: tuple[str, ...] = (),
        tier: Tier = Tier.DEFAULT,
        request_id: str = "",
        vector_store_id: str | None = None,
        num_requests: int = 1,
        num_bytes: int = 0,
    ) -> Tally:
        """A request that is admitted. It is billed as `model`, or else as one of the `names`.

        Raises `ServiceUnavailable` where its usage could not be kept: what cannot be metered is not served.
        """
        event = UsageEvent(
            f"use_{secrets.token_hex(16)}",
            request_id,
            caller.organization_id,
            caller.project_id,
            caller.key_id,
            caller.user_id,
            kind,
            None if model is None else model[:_MAX_NAME],
            tier.label,
            vector_store_id,
            int(time.time()),
            num_requests=num_requests,
            bytes=num_bytes,
        )
        rate = rate_of(self._prices, kind, model, *names)
        try:
            slot = self._journal.begin(_head(event, rate))
        except OSError as error:
            logger.error("usage cannot be kept in %s: %s", self._folder, error)
            raise ServiceUnavailable("the server cannot keep usage now; see its log") from error
        return Tally(self, event, rate, slot)

    def record(
        self,
        caller: Caller,
        *,
        kind: Kind,
        model: str | None = None,
        input_tokens: int = 0,
        num_requests: int = 1,
        bytes: int = 0,
        vector_store_id: str | None = None,
        request_id: str = "",
    ) -> None:
        """Something that is done. `bytes`: by how much vector stores have grown with it, below 0 if they shrank."""
        tally = self.open(
            caller,
            kind,
            model,
            vector_store_id=vector_store_id,
            num_requests=num_requests,
            num_bytes=bytes,
            request_id=request_id,
        )
        tally.count(Usage(prompt_tokens=input_tokens))
        tally.settle("stop")

    def put(self, tally: Tally, event: UsageEvent) -> None:
        """Have the row written and the entry closed."""
        self._writer.put(event, tally.slot)

    def flush(self) -> Future[None]:
        """Ends when everything that was settled until now is in the database (or could not be written yet)."""
        return self._writer.flush()

    def recover(self) -> int:
        """Make rows of the entries of processes that are gone; -> how many they were."""
        if not self._folder.is_dir():
            return 0
        try:
            with abandoned(self._folder) as entries:
                events = [_crashed(entry) for entry in entries]
                self._writer.tell(self._events.add(events) if events else ())
        except Exception:
            logger.exception("usage in %s cannot be written; it is tried again at the next start", self._folder)
            return 0
        if events:
            logger.warning("%d requests were running when the server was killed; their usage is kept", len(events))
        return len(events)

    def catch_up(self) -> None:
        """What is due now and then: usage of other processes that have died, and the storage of days that are over."""
        self.num_recovered += self.recover()
        for organization in self._database.read("SELECT id FROM organizations"):
            price = self._prices.vector_store_gb_day
            self._writer.tell(charge_storage(self._database, organization["id"], price, int(time.time())))

    def close(self) -> None:
        """Write what waits, and end. What cannot be written is left to the next start."""
        self._writer.close()
        self._journal.close()


def _head(event: UsageEvent, rate: Rate) -> bytes:
    """What an entry says about itself."""
    return json.dumps([values_of(event), [str(price) for price in rate]], separators=(",", ":")).encode()


def _crashed(entry: Entry) -> UsageEvent:
    """The event of a request whose process was killed: it counts what had been delivered, at its own prices."""
    values, prices = json.loads(entry.head)
    event = UsageEvent(**dict(zip(COLUMNS, values, strict=True)))
    prompt, cached, cache_write, completion, reasoning = entry.numbers
    usage = Usage(prompt, completion, cached, cache_write, reasoning)
    return Rate(*map(Decimal, prices)).charge(_counted(event, usage, "crash"))


def _counted(event: UsageEvent, usage: Usage, outcome: str) -> UsageEvent:
    return replace(
        event,
        outcome=outcome,
        input_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
