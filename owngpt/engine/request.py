"""Request: one generation (one choice) and its state. No torch, no decisions: others read and change it."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

import llguidance

from owngpt.engine.prefix_cache import BlockKey, Parent
from owngpt.engine.thinking import ThinkingState
from owngpt.text.detokenize import Detokenizer
from owngpt.types import Claim, PromptInfo, SamplingParams, TokenLogprob


class RequestState(Enum):
    """WAITING ⇄ RUNNING (admitted, preempted), and from both to FINISHED."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


class Sample(NamedTuple):
    """What the sampler chose for one request, or why it could not."""

    token_id: int = -1
    logprob: TokenLogprob | None = None
    error: str | None = None
    is_broken: bool = False  # the model's numbers are not finite, so what it cached is not to be trusted


@dataclass(eq=False)
class Request:
    """One choice. `token_ids` is the prompt and, behind it, what was generated.

    The keys and values of the first `num_computed_tokens` are in `block_table`; after a preemption that is none, and
    prompt and output are computed again.
    """

    token_ids: list[int]
    num_prompt_tokens: int
    max_total_tokens: int  # prompt and output; when reached the finish reason is `length`
    sampling: SamplingParams
    detokenizer: Detokenizer | None = None  # None: nobody reads the text
    thinking_detokenizer: Detokenizer | None = None
    request_id: str = ""  # for logs
    index: int = 0  # which of the n choices
    seed: int = 0
    namespace: str | None = None  # where blocks are shared; None: nowhere
    end_ids: frozenset[int] = frozenset()  # end tokens and the caller's stop tokens; they are never delivered
    matcher: llguidance.LLMatcher | None = None
    thinking: ThinkingState = field(default_factory=ThinkingState)
    claim: Claim = field(default_factory=Claim)
    arrival: float = 0.0  # seconds on the clock of its deadline

    state: RequestState = RequestState.WAITING
    block_table: list[int] = field(default_factory=list)
    num_computed_tokens: int = 0
    num_published_blocks: int = 0  # of block_table, known to the prefix cache
    node: Parent = ""  # of the last of them
    num_cached_tokens: int | None = None  # of the prompt, when it was first admitted
    num_shared_tokens: int = 0  # of the prompt, in blocks that others can find once they are computed
    restoration: object | None = None  # what brings more of its prefix from disk; until then nothing of it is computed
    is_durable: bool = True  # its blocks may be written to disk
    num_lost_tokens: int = 0  # computed when it was last preempted
    num_safe_tokens: int = 0  # until so many are computed, it is not preempted for another tenant's sake again
    awaited: BlockKey | None = None  # a block that it waits for, because somebody else is computing it
    blocked_at: int = -1  # when there were last too few blocks for it, by the scheduler's count of changes
    output_counts: Counter[int] = field(default_factory=Counter)
    prompt_logprobs: list[TokenLogprob | None] = field(default_factory=list)
    is_announced: bool = False  # an event has carried the PromptInfo
    _forced: deque[int] = field(default_factory=deque)  # by the grammar
    _num_foreseen: int = -1  # output tokens when the grammar was last asked what it forces

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - self.num_prompt_tokens

    @property
    def num_remaining_tokens(self) -> int:
        """Tokens whose keys and values are still to be computed; 1 while it decodes."""
        return len(self.token_ids) - self.num_computed_tokens

    @property
    def is_full(self) -> bool:
        return len(self.token_ids) >= self.max_total_tokens

    @cached_property
    def prompt_set(self) -> frozenset[int]:
        """The distinct tokens of the prompt."""
        return frozenset(self.token_ids[: self.num_prompt_tokens])

    @property
    def prompt_info(self) -> PromptInfo:
        logprobs = None if self.sampling.prompt_logprobs is None else tuple(self.prompt_logprobs)
        num_cached_tokens = self.num_cached_tokens or 0
        num_written_tokens = max(0, self.num_shared_tokens - num_cached_tokens)
        return PromptInfo(self.num_prompt_tokens, num_cached_tokens, num_written_tokens, logprobs)

    @property
    def is_constrained(self) -> bool:
        """Whether the grammar decides about the next token (it sleeps while the model thinks)."""
        return self.matcher is not None and (not self.thinking.is_inside or self.thinking.is_in_grammar)

    @property
    def is_complete(self) -> bool:
        """Whether the grammar has been followed to its end (which may turn out only when the next mask is made)."""
        if self.matcher is None or not self.is_constrained:
            return False
        return self.matcher.is_stopped() and not self.matcher.is_error()

    @property
    def forced(self) -> Sequence[int]:
        """The tokens that must come next, whatever the model prefers: the end of thinking, or a grammar's only way on.

        A function of what was said so far, so an answer does not depend on when it is asked for.
        """
        if self.thinking.forced:
            return self.thinking.forced
        if not self._forced and self._num_foreseen != self.num_output_tokens:
            self._num_foreseen = self.num_output_tokens
            self._forced.extend(self._foresee())
        return self._forced

    def append(self, token_id: int) -> None:
        """The next output token."""
        self.token_ids.append(token_id)
        self.output_counts[token_id] += 1
        if self._forced:
            self._forced.popleft()

    def draw(self, ahead: int = 0) -> float:
        """A uniform number in [0, 1) for the next token, or for one so many further on.

        A function of seed, choice and position, nothing else.
        """
        counter = f"{self.seed}/{self.index}/{self.num_output_tokens + ahead}".encode()
        return int.from_bytes(hashlib.blake2b(counter, digest_size=8).digest()) / 2**64

    def _foresee(self) -> Sequence[int]:
        """The grammar's fast-forward tokens; none while it sleeps, or where the model may begin to think instead."""
        if self.matcher is None or not self.is_constrained or self.thinking.start_id is not None:
            return ()
        return self.matcher.compute_ff_tokens()
