"""Constraints: grammar -> matcher (off the engine's thread, with limits), matchers -> allowed tokens of a step.

Never fails open: a matcher in error allows end tokens, says llguidance, so its error is asked for after every call.
Shapes: N rows of a step, V vocabulary.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import llguidance
import numpy as np
import torch
from torch import Tensor

from owngpt.engine.request import Request
from owngpt.errors import InvalidRequest, Overloaded
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint

MAX_GRAMMAR_CHARS = 1_000_000
COMPILE_SECONDS = 10.0
_MAX_MESSAGE_CHARS = 600
_CACHED_GRAMMARS = 32


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
        self._remember(constraint.grammar, matcher)
        return matcher

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _compile(self, constraint: Constraint) -> llguidance.LLMatcher:
        work = self._threads.submit(_compile, self._tokenizer, constraint.grammar)
        try:
            matcher = await asyncio.wait_for(asyncio.wrap_future(work), self._seconds)
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


class TokenMask:
    """Forbids, in the logits of a step, what the grammars do not allow. Its bits are allocated once."""

    def __init__(self, tokenizer: Tokenizer, max_rows: int) -> None:
        self._tokenizer = tokenizer
        self._words = np.zeros((max_rows, (tokenizer.vocab_size + 31) // 32), np.uint32)

    def apply(self, logits_NV: Tensor, requests: Sequence[Request]) -> dict[int, str]:
        """Set the logits of forbidden tokens to -inf, in place. Returns what went wrong, by row."""
        rows = [row for row, request in enumerate(requests) if request.matcher is not None]
        for i, row in enumerate(rows):
            self._fill(self._words[i], requests[row])
        bits = np.unpackbits(self._words[: len(rows)].view(np.uint8), -1, self._tokenizer.vocab_size, "little")
        allowed_RV = torch.from_numpy(bits).view(torch.bool)
        for i, row in enumerate(rows):
            self._allow_marks(allowed_RV[i], requests[row])
        logits_NV[rows] = logits_NV[rows].masked_fill(~allowed_RV, -torch.inf)
        is_possible = allowed_RV.any(-1).tolist()
        stuck = [row for row, is_open in zip(rows, is_possible, strict=True) if not is_open]
        return {row: _problem(requests[row]) for row in stuck if not requests[row].is_complete}

    def _fill(self, words: np.ndarray[tuple[int], np.dtype[np.uint32]], request: Request) -> None:
        """The grammar's mask; everything while it sleeps; nothing when it fails."""
        assert request.matcher is not None
        if request.is_constrained:
            request.matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
        else:
            words[:] = 0xFFFFFFFF
        if request.matcher.is_error():
            words[:] = 0

    def _allow_marks(self, allowed_V: Tensor, request: Request) -> None:
        """End tokens only where the grammar can end, and the mark that begins thinking where it may begin.

        Where a vocabulary has no end token, llguidance takes some other one for it, which is never right.
        """
        assert request.matcher is not None
        if request.matcher.is_error():
            return
        allowed_V[self._tokenizer.llg.eos_tokens] = False
        allowed_V[list(self._tokenizer.eos_token_ids)] = request.is_constrained and request.matcher.is_accepting()
        if request.thinking.start_id is not None:
            allowed_V[request.thinking.start_id] = True


def _compile(tokenizer: Tokenizer, grammar: str) -> llguidance.LLMatcher:
    """A matcher, perhaps in error. The first mask is part of it: only then is an impossible grammar noticed."""
    matcher = llguidance.LLMatcher(tokenizer.llg, grammar, log_level=0, limits=_limits())
    if not matcher.is_error():
        matcher.compute_bitmask()
    return matcher


def _limits() -> llguidance.LLParserLimits:
    """What one grammar may cost: some tens of milliseconds per step, some tens of megabytes."""
    return llguidance.LLParserLimits(
        max_items_in_row=20_000,  # a schema with thousands of optional properties
        initial_lexer_fuel=2_000_000,
        step_lexer_fuel=200_000,
        step_max_items=50_000,
        max_lexer_states=30_000,
        max_grammar_size=200_000,
        verbose_errors=False,
    )


def _refused(constraint: Constraint, reason: str) -> InvalidRequest:
    return InvalidRequest(f"The grammar cannot be enforced: {reason}", param=constraint.param, code="invalid_grammar")


def _problem(request: Request) -> str:
    assert request.matcher is not None
    reason = request.matcher.get_error().strip()[:_MAX_MESSAGE_CHARS] or "no token of this vocabulary fits it here"
    return f"the grammar cannot be followed any further: {reason}"
