"""Samples of a model in training: many answers at once, with keys and values kept in blocks.

Answers to one prompt share the blocks of that prompt. Tokens are drawn at temperature 1, so that their probabilities
are those that training computes; `is_greedy` is for measuring.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from owngpt.model.attention import KVCache, PagedAttention, PagedBatch
from owngpt.model.transformer import Transformer

BLOCK_SIZE = 16


@dataclass(slots=True)
class Rollout:
    """One answer: its tokens and their log-probabilities when they were drawn. It `is_complete` if it ended itself."""

    prompt: list[int]
    answer: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    is_complete: bool = False


@torch.no_grad()
def sample(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    num_each: int,
    ends: Collection[int],
    max_tokens: int,
    *,
    seed: int = 0,
    is_greedy: bool = False,
) -> list[list[Rollout]]:
    """`num_each` answers to every prompt, of `max_tokens` tokens at most; the same ones for the same seed."""
    generator = torch.Generator(model.device).manual_seed(seed)
    groups = [[Rollout(list(prompt)) for _ in range(num_each)] for prompt in prompts]
    batch = _Batch(model, groups, max_tokens)
    logits = batch.read_prompts()
    for step in range(max_tokens):
        logprobs = torch.log_softmax(logits, -1)
        tokens = logits.argmax(-1) if is_greedy else torch.multinomial(logprobs.exp(), 1, generator=generator)[:, 0]
        chosen = logprobs.gather(1, tokens[:, None])[:, 0]
        batch.add(tokens.tolist(), chosen.tolist(), ends)
        if not batch.open or step == max_tokens - 1:
            break
        logits = batch.read_last()
    return groups


class _Batch:
    """The open answers and the blocks that they own."""

    def __init__(self, model: Transformer, groups: Sequence[Sequence[Rollout]], max_tokens: int) -> None:
        self.model = model
        self.open = [rollout for group in groups for rollout in group]
        self._groups, self._next_block = groups, 0
        self._tables: dict[int, Tensor] = {}  # by the answer's id in memory
        self._num_shared: dict[int, int] = {}
        for group in groups:
            self._share(group, max_tokens)
        self._cache = KVCache(model.config, self._next_block, BLOCK_SIZE, model.dtype, model.device)

    def read_prompts(self) -> Tensor:
        """-> logits of the first token of every answer."""
        shared = [(group[0], self._num_shared[id(group[0])]) for group in self._groups]
        if beginnings := [(one, 0, one.prompt[:num]) for one, num in shared if num]:
            self._read(beginnings)
        return self._read([(one, num, one.prompt[num:]) for one in self.open for num in (self._num_shared[id(one)],)])

    def add(self, tokens: Sequence[int], logprobs: Sequence[float], ends: Collection[int]) -> None:
        """Give each open answer its next token; those that end leave."""
        for rollout, token, logprob in zip(self.open, tokens, logprobs, strict=True):
            rollout.answer.append(token)
            rollout.logprobs.append(logprob)
            rollout.is_complete = token in ends
        self.open = [rollout for rollout in self.open if not rollout.is_complete]

    def read_last(self) -> Tensor:
        """-> logits of the next token of every open answer."""
        return self._read([(one, len(one.prompt) + len(one.answer) - 1, one.answer[-1:]) for one in self.open])

    def _share(self, group: Sequence[Rollout], max_tokens: int) -> None:
        """Whole blocks of the prompt for all, the rest for each; at least its last token is read by each."""
        length = len(group[0].prompt)
        num_shared = (length - 1) // BLOCK_SIZE
        num_own = -(-(length + max_tokens) // BLOCK_SIZE) - num_shared
        shared = self._take(num_shared)
        for rollout in group:
            self._tables[id(rollout)] = torch.cat((shared, self._take(num_own)))
            self._num_shared[id(rollout)] = num_shared * BLOCK_SIZE

    def _take(self, num_blocks: int) -> Tensor:
        first, self._next_block = self._next_block, self._next_block + num_blocks
        return torch.arange(first, self._next_block, device=self.model.device)

    def _read(self, chunks: Sequence[tuple[Rollout, int, Sequence[int]]]) -> Tensor:
        """(answer, place of its first new token, new tokens) of each -> logits behind the last of them."""
        device = self.model.device
        starts = [0]
        for _, _, tokens in chunks:
            starts.append(starts[-1] + len(tokens))
        tables = [self._tables[id(rollout)] for rollout, _, _ in chunks]
        places = [torch.arange(first, first + len(tokens), device=device) for _, first, tokens in chunks]
        slots = [
            table[place // BLOCK_SIZE] * BLOCK_SIZE + place % BLOCK_SIZE
            for table, place in zip(tables, places, strict=True)
        ]
        lengths = [first + len(tokens) for _, first, tokens in chunks]
        paged = PagedAttention(self.model.config, self._cache, PagedBatch(torch.cat(slots), starts, lengths, tables))
        new = torch.tensor([token for _, _, tokens in chunks for token in tokens], device=device)
        hidden = self.model(new, torch.cat(places), paged)
        return self.model.logits(hidden[torch.tensor(starts[1:], device=device) - 1])
