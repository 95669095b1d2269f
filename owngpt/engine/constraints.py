"""Constraints: grammar -> matcher (off the engine's thread, with limits), matcher -> tokens that may come next.

Never fails open: a matcher in error allows end tokens, says llguidance, so its error is asked for after every call.
Shapes: V vocabulary.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import llguidance
import numpy as np

from owngpt.engine.logprobs import Row
from owngpt.engine.request import Request
from owngpt.errors import InvalidRequest, Overloaded
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint
from owngpt.waiting import within

MAX_GRAMMAR_CHARS = 1_000_000
COMPILE_SECONDS = 10.0
_MAX_MESSAGE_CHARS = 600
_CACHED_GRAMMARS = 32

Words = np.ndarray[tuple[int], np.dtype[np.uint32]]


class ConstraintCompiler:
    """Compiles grammars in two threads of its own; keeps the last ones, since clients repeat their schemas.

    The vocabulary is prepared in the background, since that takes about a second for a large one.
    """

    def __init__(self, tokenizer: Tokenizer, seconds: float = COMPILE_SECONDS) -> None:
        self._tokenizer = tokenizer
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="owngpt-grammar")
        self._compiled: OrderedDict[str, llguidance.LLMatcher] = OrderedDict()
        self._threads.submit(lambda: tokenizer.llg)

    async def compile(self, constraint: Constraint) -> llguidance.LLMatcher:
        """A matcher at the start of the grammar, shared: copy it for use.

        `InvalidRequest` (param as the constraint says) if the grammar cannot be enforced, `Overloaded` if others' hold
        both threads all the time.
        """
        if len(constraint.grammar) > MAX_GRAMMAR_CHARS:
            raise _refused(constraint, f"it has {len(constraint.grammar)} characters; at most {MAX_GRAMMAR_CHARS}")
        matcher = self._compiled.get(constraint.grammar) or await self._compile(constraint)
        if not constraint.is_long:
            self._remember(constraint.grammar, matcher)
        return matcher

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _compile(self, constraint: Constraint) -> llguidance.LLMatcher:
        work = self._threads.submit(_compile, self._tokenizer, constraint)
        try:
            matcher = await within(self._seconds, asyncio.wrap_future(work))
        except TimeoutError as error:
            if work.cancel():  # it has not even begun
                raise Overloaded("other requests' grammars are being compiled", retry_after=self._seconds) from error
            raise _refused(constraint, f"it takes more than {self._seconds:g} s to compile; simplify it") from error
        except ValueError as error:  # llguidance cannot read this tokenizer
            raise _refused(constraint, f"this model's tokenizer has no grammars: {error}") from error
        if matcher.is_error():
            raise _refused(constraint, matcher.get_error().strip()[:_MAX_MESSAGE_CHARS])
        return matcher

    def _remember(self, grammar: str, matcher: llguidance.LLMatcher) -> None:
        self._compiled[grammar] = matcher
        self._compiled.move_to_end(grammar)
        if len(self._compiled) > _CACHED_GRAMMARS:
            self._compiled.popitem(last=False)


class GrammarStuck(Exception):
    """A grammar that cannot be followed any further; the message says why."""


class TokenMask(NamedTuple):
    """The tokens that may come next: one bit each, from the lowest of the first word on."""

    words: Words

    def has(self, token_id: int) -> bool:
        return bool(self.words[token_id // 32] >> np.uint32(token_id % 32) & np.uint32(1))

    def put(self, token_id: int, is_allowed: bool) -> None:
        bit = np.uint32(1 << token_id % 32)
        self.words[token_id // 32] &= ~bit
        self.words[token_id // 32] |= bit * np.uint32(is_allowed)

    def forbid_others(self, scores_V: Row) -> None:
        """Set all but the allowed ones to -inf."""
        bits = np.unpackbits(self.words.view(np.uint8), count=len(scores_V), bitorder="little")
        np.copyto(scores_V, np.float32(-np.inf), where=bits == 0)


class TokenMasks:
    """What the grammars of running requests allow next. Masks are worked out in a thread, while the model computes."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._num_words = (tokenizer.vocab_size + 31) // 32
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="owngpt-masks")
        self._ahead: dict[Request, Future[TokenMask]] = {}

    def look_ahead(self, requests: Iterable[Request]) -> None:
        """Begin with the masks of requests that have a matcher; leave them alone until they are taken."""
        self._ahead = {request: self._thread.submit(self._make, request) for request in requests}

    def take(self, request: Request) -> TokenMask:
        """The mask for its next token. Raises `GrammarStuck` where no token is possible.

        A grammar that has come to its end is not stuck: then the mask may be empty.
        """
        ahead = self._ahead.pop(request, None)
        mask = self._make(request) if ahead is None else ahead.result()
        if not mask.words.any() and not request.is_complete:
            raise GrammarStuck(_problem(request))
        return mask

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _make(self, request: Request) -> TokenMask:
        """The grammar's mask; everything while it sleeps; nothing when it fails."""
        assert request.matcher is not None
        if not request.is_constrained:
            words = np.full(self._num_words, 0xFFFFFFFF, np.uint32)
        else:
            words = np.zeros(self._num_words, np.uint32)
            request.matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
        if request.matcher.is_error():
            words[:] = 0
        else:
            self._put_marks(TokenMask(words), request)
        return TokenMask(words)

    def _put_marks(self, mask: TokenMask, request: Request) -> None:
        """End tokens only where the grammar can end, and the mark that begins thinking where it may begin.

        Where a vocabulary has no end token, llguidance takes some other one for it, which is never right.
        """
        assert request.matcher is not None
        can_end = request.is_constrained and request.matcher.is_accepting()
        for token_id in self._tokenizer.llg.eos_tokens:
            mask.put(token_id, False)
        for token_id in self._tokenizer.eos_token_ids:
            mask.put(token_id, can_end)
        if request.thinking.start_id is not None:
            mask.put(request.thinking.start_id, True)


def _compile(tokenizer: Tokenizer, constraint: Constraint) -> llguidance.LLMatcher:
    """A matcher, perhaps in error. The first mask is part of it: only then is an impossible grammar noticed."""
    limits = _limits(constraint.is_long)
    matcher = llguidance.LLMatcher(tokenizer.llg, constraint.grammar, log_level=0, limits=limits)
    if not matcher.is_error():
        matcher.compute_bitmask()
    return matcher


def _limits(is_long: bool) -> llguidance.LLParserLimits:
    """What one grammar may cost: some tens of milliseconds per step, some tens of megabytes.

    A long one may take ten times as much; 20 passages of 3,200 Japanese characters took 17 ms and 45 MB.
    """
    return llguidance.LLParserLimits(
        max_items_in_row=20_000,  # a schema with thousands of optional properties
        initial_lexer_fuel=2_000_000,
        step_lexer_fuel=2_000_000 if is_long else 200_000,
        step_max_items=50_000,
        max_lexer_states=500_000 if is_long else 30_000,
        max_grammar_size=200_000,
        verbose_errors=False,
    )


def _refused(constraint: Constraint, reason: str) -> InvalidRequest:
    return InvalidRequest(f"The grammar cannot be enforced: {reason}", param=constraint.param, code="invalid_grammar")


def _problem(request: Request) -> str:
    assert request.matcher is not None
    reason = request.matcher.get_error().strip()[:_MAX_MESSAGE_CHARS] or "no token of this vocabulary fits it here"
    return f"the grammar cannot be followed any further: {reason}"
