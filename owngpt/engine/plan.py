"""Plan: the chunks of one step while the scheduler makes it up, what is left of its tokens, and who has a seat."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

from owngpt.engine.request import Request


class Chunk(NamedTuple):
    """The tokens [start, end) of a request, and guesses behind them, to be computed in this step."""

    request: Request
    start: int
    end: int
    is_last: bool  # nothing is left after it, so a token is sampled
    draft: tuple[int, ...] = ()  # what may come after `end`; only where it is the last

    @property
    def stop(self) -> int:
        """The position behind all that is computed, guesses included."""
        return self.end + len(self.draft)

    @property
    def token_ids(self) -> list[int]:
        return [*self.request.token_ids[self.start : self.end], *self.draft]

    @property
    def num_accepted(self) -> int:
        """How much of the draft has come true; known once the step has sampled."""
        pairs = zip(self.draft, self.request.token_ids[self.end : self.stop], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Plan:
    """At most `budget` tokens, for those of the running requests that have a seat."""

    def __init__(self, budget: int, seats: Iterable[Request]) -> None:
        self.budget = budget
        self._held_back = 0
        self.seats = dict.fromkeys(seats)  # at most as many as the engine samples for at once
        self._chunks: dict[Request, Chunk] = {}

    @property
    def chunks(self) -> list[Chunk]:
        return list(self._chunks.values())

    @property
    def num_chunks(self) -> int:
        return len(self._chunks)

    def hold_back(self, num_tokens: int) -> None:
        """So many tokens of the budget are not for everybody."""
        self.budget -= num_tokens
        self._held_back += num_tokens

    def lend(self, num_tokens: int) -> int:
        """Up to so many of those that are held back are for whoever is next; -> how many."""
        lent = max(0, min(num_tokens, self._held_back))
        self.hold_back(-lent)
        return lent

    def add(self, request: Request) -> Chunk:
        """As much of it as the budget has tokens for."""
        start = request.num_computed_tokens
        end = min(len(request.token_ids), start + self.budget)
        chunk = self._chunks[request] = Chunk(request, start, end, end == len(request.token_ids))
        self.budget -= end - start
        return chunk

    def drop(self, request: Request) -> int:
        """It takes no part after all; -> the tokens that it gives back."""
        self.seats.pop(request, None)
        chunk = self._chunks.pop(request, None)
        size = 0 if chunk is None else chunk.end - chunk.start
        self.budget += size
        return size
