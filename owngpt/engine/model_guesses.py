"""ModelGuesses: when a draft model is asked, and for how many tokens. As in `speculation.py`: does it pay?"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from owngpt.engine.draft_model import DraftModel
from owngpt.engine.request import Request
from owngpt.engine.scheduler import Chunk, Scheduler
from owngpt.engine.step_costs import StepCosts

_MAX_DRAFT = 8  # guesses for one request
_WORTHWHILE = 1.05  # as for other guesses
_HOPED = 0.2  # of a step's time: what one of the draft model's takes, before it is known
_RATE = 0.6  # of its guesses that come true, before it is known
_PACE = 1 / 8  # how much one guess changes that
_OBLIVION = 1 / 256  # how much of that is forgotten in a step without its guesses, so that it is tried again


class ModelGuesses:
    """`costs` are those of the steps of the model that answers."""

    def __init__(self, model: DraftModel, scheduler: Scheduler, costs: StepCosts, *, is_always: bool) -> None:
        self._model = model
        self._scheduler = scheduler
        self._costs = costs
        self._is_always = is_always
        self._own_costs = StepCosts()
        self._rates: WeakKeyDictionary[Request, float] = WeakKeyDictionary()
        self._asked: list[Request] = []  # in this step
        self._seconds = 0.0  # of the model's, as far as they have been told

    def guess(self, rooms: dict[Request, int], num_tokens: int) -> dict[Request, list[int]]:
        """For requests that have room for so many guesses, in a step of `num_tokens` without them."""
        depth = self._depth([self._rate(request) for request in rooms], num_tokens) if rooms else 0
        counts = {request: self._reserve(request, min(depth, room)) for request, room in rooms.items()}
        counts = {request: count for request, count in counts.items() if count > 0}
        self._asked = list(counts)
        if not counts:
            for request in rooms:
                self._rates[request] = self._rate(request) + (_RATE - self._rate(request)) * _OBLIVION
            return {}
        before = self._model.seconds
        guesses = self._model.guess(counts)
        self._own_costs.observe(len(counts), (self._model.seconds - before) / max(counts.values()))
        return guesses

    def keep_up(self, chunks: Sequence[Chunk]) -> None:
        """The tokens of this step are known, and blocks that are full are going to be shared."""
        self._model.mirror(chunks)

    def learn(self, chunks: Sequence[Chunk]) -> float:
        """What came of its guesses; those behind the first wrong one tell nothing. -> the seconds it took."""
        for chunk in chunks:
            if chunk.request in self._asked:
                for i in range(min(chunk.num_accepted + 1, len(chunk.draft))):
                    rate = self._rate(chunk.request)
                    self._rates[chunk.request] = rate + ((i < chunk.num_accepted) - rate) * _PACE
        before, self._seconds = self._seconds, self._model.seconds
        return self._seconds - before

    def _rate(self, request: Request) -> float:
        return self._rates.get(request, _RATE)

    def _depth(self, rates: Sequence[float], num_tokens: int) -> int:
        """How many guesses for each request give the most tokens per second."""
        if self._is_always:
            return _MAX_DRAFT // 2
        rate, number = sum(rates) / len(rates), len(rates)
        costs = self._own_costs
        seconds = costs.seconds(number) if costs.is_known else _HOPED * self._costs.seconds(number)
        speeds = []
        for depth in range(_MAX_DRAFT + 1):
            tokens = num_tokens + number * sum(rate ** (i + 1) for i in range(depth))
            speeds.append(tokens / (self._costs.seconds(num_tokens + number * depth) + depth * seconds))
        best = max(range(len(speeds)), key=speeds.__getitem__)
        return best if speeds[best] >= _WORTHWHILE * speeds[0] else 0

    def _reserve(self, request: Request, count: int) -> int:
        count = min(count, self._model.max_position - len(request.token_ids))
        return self._scheduler.reserve(request, count) if count > 0 else 0
