"""ForwardBatch: the tensors of one step, and where the logits of each request are going to be.

Shapes: T new tokens of all chunks, laid end to end; N of them whose logits are wanted, M whose hidden states are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from owngpt.engine.scheduler import Chunk
from owngpt.model.attention import PagedBatch


class Tail(NamedTuple):
    """The end of a chunk that is the last of its request: the next token is asked for, and one after each guess."""

    chunk: Chunk
    rows: list[int | None]  # of N; None where the token is forced and nobody asks for its probability


@dataclass(frozen=True, slots=True)
class ForwardBatch:
    """What the model reads, and whose next tokens it is to say."""

    tokens_T: Tensor  # int64
    positions_T: Tensor  # int64
    paged: PagedBatch
    tails: list[Tail]
    logit_rows_N: Tensor  # int64: rows of T
    hidden_rows_M: Tensor  # int64, ascending: rows of T, those of the logits and of prompts that are scored

    def to(self, device: torch.device) -> ForwardBatch:
        """The same for a model on another device, in one transfer. What the sampler reads stays where it is."""
        paged = self.paged
        parts = [self.tokens_T, self.positions_T, paged.slots_T, *paged.block_tables]
        tokens_T, positions_T, slots_T, *tables = torch.split(torch.cat(parts).to(device), list(map(len, parts)))
        moved = replace(paged, slots_T=slots_T, block_tables=tables)
        return replace(self, tokens_T=tokens_T, positions_T=positions_T, paged=moved)

    @classmethod
    def build(cls, chunks: Sequence[Chunk], block_size: int, *, reads_ends: bool = False) -> ForwardBatch:
        """`reads_ends`: the hidden state of each chunk's last token is asked for, tail or not."""
        starts = [0, *accumulate(chunk.stop - chunk.start for chunk in chunks)]
        logit_rows: list[int] = []
        ends = [end - 1 for end in starts[1:]] if reads_ends else []
        tails = [
            _tail(chunk, behind, logit_rows) for chunk, behind in zip(chunks, starts[1:], strict=True) if chunk.is_last
        ]
        return cls(
            tokens_T=torch.tensor([token for chunk in chunks for token in chunk.token_ids]),
            positions_T=torch.tensor([p for chunk in chunks for p in range(chunk.start, chunk.stop)]),
            paged=PagedBatch(
                slots_T=torch.tensor([slot for chunk in chunks for slot in _slots(chunk, block_size)]),
                query_starts=starts,
                context_lens=[chunk.stop for chunk in chunks],
                block_tables=[torch.tensor(chunk.request.block_table) for chunk in chunks],
            ),
            tails=tails,
            logit_rows_N=torch.tensor(logit_rows, dtype=torch.int64),
            hidden_rows_M=torch.tensor(sorted({*logit_rows, *_scored_rows(chunks, starts), *ends}), dtype=torch.int64),
        )


def _tail(chunk: Chunk, behind: int, logit_rows: list[int]) -> Tail:
    """`behind` is the row after the chunk's last one. Appends the rows whose logits it needs."""
    request, num_asked = chunk.request, 1 + len(chunk.draft)
    num_known = min(len(request.forced), num_asked) if request.sampling.logprobs is None else 0
    first = len(logit_rows)
    logit_rows += range(behind - num_asked + num_known, behind)
    return Tail(chunk, [*[None] * num_known, *range(first, len(logit_rows))])


def _scored_rows(chunks: Sequence[Chunk], starts: Sequence[int]) -> Iterator[int]:
    """Of the prompts whose own log-probabilities are asked for."""
    for chunk, start, end in zip(chunks, starts, starts[1:], strict=False):
        if chunk.request.sampling.prompt_logprobs is not None:
            yield from range(start, end)


def _slots(chunk: Chunk, block_size: int) -> list[int]:
    table = chunk.request.block_table
    return [table[p // block_size] * block_size + p % block_size for p in range(chunk.start, chunk.stop)]
