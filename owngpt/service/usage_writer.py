"""The thread that makes rows of ended requests; all that wait when it is free share one commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from owngpt.store.journal import Journal, Slot
from owngpt.store.spend import CENT, Triggered
from owngpt.store.usage import UsageEvent, UsageEvents

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class _Job(NamedTuple):
    event: UsageEvent
    slot: Slot


_Item = _Job | Future[None] | None  # None: time to end


class UsageWriter:
    """Writes each event until it is committed, and then closes its entry in the journal."""

    def __init__(self, store: UsageEvents, journal: Journal, retry_seconds: float = RETRY_SECONDS) -> None:
        self._store, self._journal, self._retry_seconds = store, journal, retry_seconds
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._failed: list[_Job] = []
        self.num_written = self.num_failed = self.num_alerts = 0

    @property
    def num_waiting(self) -> int:
        """Events that are not in the database yet."""
        return self._queue.qsize() + len(self._failed)

    def put(self, event: UsageEvent, slot: Slot) -> None:
        """Have it written."""
        self._send(_Job(event, slot))

    def flush(self) -> Future[None]:
        """Ends when everything that was put before has been tried."""
        done: Future[None] = Future()
        self._send(done)
        return done

    def tell(self, alerts: Sequence[Triggered]) -> None:
        """Write alerts to the log, and count them."""
        for alert in alerts:
            self.num_alerts += 1
            logger.warning(
                "spend alert %s: %s has cost %.2f USD this month, its threshold is %.2f",
                alert.alert_id,
                alert.project_id or alert.organization_id,
                alert.cost / CENT / 100,
                alert.threshold_amount / 100,
            )

    def close(self) -> None:
        """Try what waits once more, and end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _send(self, item: _Item) -> None:
        self._queue.put(item)
        if self._thread is None:
            with self._start_lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="owngpt-usage", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        is_open = True
        while is_open:
            items = self._take(self._retry_seconds if self._failed else None)
            is_open = None not in items
            self._failed = self._write([*self._failed, *(item for item in items if isinstance(item, _Job))])
            for item in items:
                if isinstance(item, Future):
                    item.set_result(None)

    def _take(self, seconds: float | None) -> list[_Item]:
        """Wait for an item, at most so long, and take all that are there."""
        items: list[_Item] = []
        try:
            items.append(self._queue.get(timeout=seconds))
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            return items

    def _write(self, jobs: Sequence[_Job]) -> list[_Job]:
        """All in one commit; if that fails one by one. -> those that failed, to be tried again."""
        if not jobs:
            return []
        try:
            alerts = self._store.add([job.event for job in jobs])
        except Exception:
            if len(jobs) > 1:
                return [failed for job in jobs for failed in self._write([job])]
            self.num_failed += 1
            logger.exception("usage event %s cannot be written; it is tried again", jobs[0].event.id)
            return list(jobs)
        for job in jobs:
            self._journal.end(job.slot)
        self.num_written += len(jobs)
        self.tell(alerts)
        return []
