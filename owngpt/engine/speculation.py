"""Speculator: guesses at the next tokens of streams, so that one step may give a stream several.

A guess costs time and never changes an answer: each token is sampled from its own position's logits, with its own
random number and everything before it known; a guess only says which position can be computed at the same time. So
the one question here is whether it pays. What is expected of a guess follows from how often guesses like it came true
in this request (which is learned from every token, guessed at or not, so it costs nothing to begin again); what it
costs follows from the times of steps so far. Guesses are taken, the surest first, as long as tokens per second grow.

A step that reads a prompt carries no guesses, so a prompt is read as fast as without them. Forced tokens are not
guesses: they come along in any step that has room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from weakref import WeakKeyDictionary

from owngpt.engine.draft_model import DraftModel
from owngpt.engine.lookup import Lookup
from owngpt.engine.model_guesses import ModelGuesses
from owngpt.engine.request import Request
from owngpt.engine.scheduler import Chunk, Scheduler
from owngpt.engine.step_costs import StepCosts
from owngpt.types import PredictionUse

MAX_DRAFT = 24  # guesses of one request in one step
_MAX_GUESSES = 96  # of all
_MAX_READ = 8192  # tokens of texts that are looked at for the first time in one step: some milliseconds
_FIRST_TRY = 3  # of all, while nothing is known of larger steps
_WORTHWHILE = 1.05  # how many times the tokens per second without guesses they must promise
_RATES = (0.4, 0.6, 0.85, 0.95)  # of guesses that come true after matches of 2, 4, 8 and 16 tokens, before it is known
_FAST, _SLOW = 1 / 32, 1 / 256  # how much one token changes the rates of its request, and those others begin with


class Acceptance:
    """How often guesses come true, by the length of the match that they follow from."""

    def __init__(self, rates: Sequence[float] = _RATES, pace: float = _SLOW) -> None:
        self.rates = list(rates)
        self._pace = pace

    def learn(self, match_length: int, is_right: bool) -> None:
        kind = _kind(match_length)
        self.rates[kind] += (is_right - self.rates[kind]) * self._pace

    def chances(self, match_length: int, count: int) -> list[float]:
        """That the first so many guesses come true: each with all before it."""
        return list(accumulate((self.rates[_kind(match_length + i)] for i in range(count)), float.__mul__))


class Follower:
    """What is known of one request's text."""

    def __init__(self, request: Request, common: Acceptance) -> None:
        self._common = common
        self._own = Acceptance(common.rates, _FAST)
        self._num_seen = request.num_prompt_tokens
        self.lookup = Lookup(request.token_ids[: self._num_seen], request.sampling.prediction)

    def catch_up(self, request: Request) -> None:
        """Learn from the tokens that have come."""
        for token_id in request.token_ids[self._num_seen :]:
            length = self.lookup.match_length
            is_right = self.lookup.push(token_id)
            if length:
                self._own.learn(length, is_right)
                self._common.learn(length, is_right)
        self._num_seen = len(request.token_ids)

    def chances(self, count: int) -> list[float]:
        return self._own.chances(self.lookup.match_length, count) if self.lookup.match_length else []


class Speculator:
    """Gives chunks their drafts. `mode` is auto (where it pays), on (wherever there is a guess) or off."""

    def __init__(self, scheduler: Scheduler, mode: str, model: DraftModel | None = None) -> None:
        self._scheduler = scheduler
        self._mode = mode
        self._acceptance = Acceptance()
        self._followers: WeakKeyDictionary[Request, Follower] = WeakKeyDictionary()
        self._costs = StepCosts()
        self._model = None
        if model is not None and mode != "off":
            self._model = ModelGuesses(model, scheduler, self._costs, is_always=mode == "on")
        self._guessing: list[Chunk] = []  # in this step
        self.num_drafted = 0  # guesses since the start
        self.num_accepted = 0

    def draft(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks of a step with what can be computed along."""
        self._guessing = []
        certain = self._with_forced(chunks)
        if self._mode == "off" or any(chunk.end - chunk.start > 1 or not chunk.is_last for chunk in certain):
            return certain
        counts = self._plan(certain, [chunk.request for chunk in certain if not chunk.draft])
        found = [self._with_guesses(chunk, counts[chunk.request]) for chunk in certain]
        modelled = self._modelled(found)
        drafted = [chunk._replace(draft=tuple(modelled.get(chunk.request, chunk.draft))) for chunk in found]
        self._guessing = [chunk for chunk in drafted if counts[chunk.request] or chunk.request in modelled]
        return drafted

    def keep_up(self, chunks: Sequence[Chunk]) -> None:
        """The tokens of this step are known, and blocks that are full are going to be shared."""
        if self._model is not None:
            self._model.keep_up(chunks)

    def prediction_use(self, request: Request) -> PredictionUse | None:
        """What came of its prediction, if it has one; the same whether guesses were made or not."""
        size = len(request.sampling.prediction)
        if not size:
            return None
        num_accepted = min(size, self._follower(request).lookup.num_predicted)
        return PredictionUse(num_accepted, size - num_accepted)

    def learn(self, chunks: Sequence[Chunk], seconds: float) -> None:
        """The step of these chunks is done, their tokens are known."""
        self.num_drafted += sum(len(chunk.draft) for chunk in self._guessing)
        self.num_accepted += sum(chunk.num_accepted for chunk in self._guessing)
        seconds -= self._model.learn(chunks) if self._model is not None else 0.0
        if all(chunk.end - chunk.start == 1 for chunk in chunks):
            self._costs.observe(_num_tokens(chunks), seconds)

    def _with_forced(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        spare = self._scheduler.max_batch_tokens - _num_tokens(chunks)
        extended = []
        for chunk in chunks:
            forced = list(chunk.request.forced)[: _room(chunk.request, spare)] if chunk.is_last else []
            extended.append(self._extended(chunk, forced))
            spare -= len(extended[-1].draft)
        return extended

    def _with_guesses(self, chunk: Chunk, count: int) -> Chunk:
        if not count:
            return chunk
        guesses = _possible(chunk.request, self._followers[chunk.request].lookup.guess(count))
        return self._extended(chunk, guesses)

    def _extended(self, chunk: Chunk, draft: Sequence[int]) -> Chunk:
        """As much of the draft as there are slots for."""
        count = self._scheduler.reserve(chunk.request, len(draft)) if draft else 0
        return chunk._replace(draft=tuple(draft[:count])) if count else chunk

    def _plan(self, chunks: Sequence[Chunk], requests: Iterable[Request]) -> Counter[Request]:
        """How many guesses each request makes."""
        num_tokens = _num_tokens(chunks)
        spare = min(_MAX_GUESSES, self._scheduler.max_batch_tokens - num_tokens)
        if self._mode == "auto":
            spare = min(spare, max(_FIRST_TRY, self._costs.reach - num_tokens))
        chances = [
            (chance, request)
            for request in self._followed(requests)
            for chance in self._follower(request).chances(_room(request, min(MAX_DRAFT, spare)))
        ]
        surest = sorted(chances, key=lambda pair: -pair[0])[:spare]
        best = len(surest) if self._mode == "on" else self._best([chance for chance, _ in surest], num_tokens)
        return Counter(request for _, request in surest[:best])

    def _best(self, chances: Sequence[float], num_tokens: int) -> int:
        """How many guesses give the most tokens per second. Each of `num_tokens` gives one, guesses as is expected."""
        expected = accumulate(chances, initial=float(num_tokens))
        rates = [tokens / self._costs.seconds(num_tokens + i) for i, tokens in enumerate(expected)]
        best = max(range(len(rates)), key=rates.__getitem__)
        return best if rates[best] >= _WORTHWHILE * rates[0] else 0

    def _modelled(self, chunks: Sequence[Chunk]) -> dict[Request, list[int]]:
        """What a draft model says of requests for which the text gave nothing."""
        requests = [chunk.request for chunk in chunks if not chunk.draft]
        if self._model is None or not requests:
            return {}
        num_tokens = _num_tokens(chunks)
        spare = (self._scheduler.max_batch_tokens - num_tokens) // len(requests)
        guesses = self._model.guess({request: _room(request, spare) for request in requests}, num_tokens)
        return {request: _possible(request, token_ids) for request, token_ids in guesses.items()}

    def _followed(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Those whose text is known; of the others only a few in each step, since all streams wait meanwhile."""
        num_left = _MAX_READ
        for request in requests:
            if request not in self._followers:
                if num_left <= 0:
                    continue
                num_left -= len(request.token_ids) + len(request.sampling.prediction)
            yield request

    def _follower(self, request: Request) -> Follower:
        follower = self._followers.get(request)
        if follower is None:
            follower = self._followers[request] = Follower(request, self._acceptance)
        follower.catch_up(request)
        return follower


def _num_tokens(chunks: Iterable[Chunk]) -> int:
    return sum(chunk.stop - chunk.start for chunk in chunks)


def _kind(match_length: int) -> int:
    """Which of the rates."""
    return min(max(match_length.bit_length() - 2, 0), len(_RATES) - 1)


def _room(request: Request, count: int) -> int:
    """How many tokens can be of use before the one that is sampled last."""
    return max(0, min(count, request.max_total_tokens - len(request.token_ids) - 1))


def _possible(request: Request, guesses: list[int]) -> list[int]:
    """Up to where the answer would end, or its grammar forbids to go on."""
    ends = [i for i, token_id in enumerate(guesses) if token_id in request.end_ids]
    guesses = guesses[: ends[0]] if ends else guesses
    if request.matcher is not None and request.is_constrained and guesses:
        return guesses[: request.matcher.validate_tokens(guesses)]
    return guesses
