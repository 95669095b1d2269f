"""Streams of events on an event loop, and how many choices there may be. The engine's thread only posts to the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import monotonic

from owngpt.engine.commit import join
from owngpt.errors import Overloaded, RequestError, ServiceUnavailable
from owngpt.types import TokenEvent

_MAX_RETRY_AFTER = 60.0
_MIN_UNREAD = 64  # events that a reader may be behind before they are joined


class Stream:
    """The events of one submit: `num_open` choices are still to end.

    A reader that stalls stops nothing: what it has not read is joined, so that it is little more than its text.
    """

    def __init__(self, admission: Admission, num_choices: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.num_open = num_choices
        self._admission = admission
        self._unread: deque[TokenEvent | RequestError] = deque()
        self._most_unread = _MIN_UNREAD
        self._has_news = asyncio.Event()

    def put(self, item: TokenEvent | RequestError) -> None:
        """An event; or the failure of one choice, which ends the stream. Nobody reads what comes after the end."""
        if not self.num_open:
            return
        if isinstance(item, RequestError) or item.finish_reason is not None:
            self.num_open -= 1
            self._admission.leave(1)
        self._unread.append(item)
        if len(self._unread) > self._most_unread:
            self._join()
        self._has_news.set()

    async def events(self) -> AsyncIterator[TokenEvent]:
        """Until every choice has ended. Raises what was put as a failure."""
        while self.num_open or self._unread:
            while self._unread:
                item = self._unread.popleft()
                if isinstance(item, RequestError):
                    raise item
                yield item
            if self.num_open:
                self._has_news.clear()
                await self._has_news.wait()

    def _join(self) -> None:
        """Leave as few events as possible; not again before there are twice as many, so each is joined a few times."""
        by_choice: dict[int, list[TokenEvent]] = {}
        failures = [item for item in self._unread if isinstance(item, RequestError)]
        for item in self._unread:
            if not isinstance(item, RequestError):
                by_choice.setdefault(item.index, []).append(item)
        self._unread = deque(event for events in by_choice.values() for event in join(events))
        self._unread += failures
        self._most_unread = max(_MIN_UNREAD, 2 * len(self._unread))


class Admission:
    """Counts the choices inside, from submit to their end, and refuses those for which there is no room."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._inside = 0
        self._is_draining = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._ends: deque[float] = deque(maxlen=64)

    @contextmanager
    def enter(self, num_choices: int) -> Iterator[Stream]:
        """Raises `Overloaded`, or `ServiceUnavailable` while draining. Leaving gives back what has not ended."""
        if self._is_draining:
            raise ServiceUnavailable("the server is shutting down; send the request again in a moment")
        if self._inside + num_choices > self._room:
            raise Overloaded(
                f"{self._inside} choices are running or queued, of {self._room}; send the request again later",
                retry_after=self._retry_after(num_choices),
            )
        self._inside += num_choices
        self._is_empty.clear()
        stream = Stream(self, num_choices)
        try:
            yield stream
        finally:
            self.leave(stream.num_open, is_end=False)
            stream.num_open = 0

    def leave(self, num_choices: int, *, is_end: bool = True) -> None:
        """They have ended, or were given up."""
        if is_end:
            self._ends.append(monotonic())
        self._inside -= num_choices
        if self._inside == 0:
            self._is_empty.set()

    async def drain(self) -> None:
        """Let nobody in; return when nobody is inside."""
        self._is_draining = True
        await self._is_empty.wait()

    def _retry_after(self, num_choices: int) -> float:
        """Seconds until this many places are free, at the pace of the last ends."""
        if len(self._ends) < 2:
            return 1.0
        pace = (len(self._ends) - 1) / max(monotonic() - self._ends[0], 1e-3)
        return min(_MAX_RETRY_AFTER, num_choices / pace)
