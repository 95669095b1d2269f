"""A runner whose rows are exact: what it says after a token follows from all tokens that the blocks hold up to it.

It likes to repeat itself, so that guesses come true; and it reads every token back from the blocks, so that a stale,
a lost or a foreign one changes what is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from owngpt.config import EngineConfig
from owngpt.engine.batch import ForwardBatch
from owngpt.engine.core import EngineCore
from owngpt.engine.prompt_logprobs import PromptScorer
from owngpt.engine.speculation import Speculator
from owngpt.text.tokenizer import Tokenizer
from tests.engine.scripted import ScriptedModel
from tests.fakes.model import tiny_config

_HABIT = 4.0  # how much the last token decides; the whole text decides the rest
_WHIM = 0.5


class MarkovRunner:
    """A `ModelRunner` without weights; every token has one number for its key and value."""

    numerics = "exact"
    is_invariant = True
    block_bytes = 8

    def __init__(self, vocab_size: int, num_blocks: int, block_size: int, whim: float = _WHIM) -> None:
        self.config = tiny_config(vocab_size, num_hidden_layers=1)
        self.block_size = block_size
        self.whim = whim
        self.kv = np.full(num_blocks * block_size, -1, np.int64)

    def forward(self, batch: ForwardBatch) -> Tensor:
        self.kv[batch.paged.slots_T.numpy()] = batch.tokens_T.numpy()
        rows: list[list[int]] = []
        for s, table in enumerate(batch.paged.block_tables):
            slots = (table.numpy()[:, None] * self.block_size + np.arange(self.block_size)).ravel()
            end = batch.paged.context_lens[s]
            start = end - (batch.paged.query_starts[s + 1] - batch.paged.query_starts[s])
            texts = [self.kv[slots[: position + 1]] for position in range(start, end)]
            rows += [[_seed(text[-1:]), _seed(text)] for text in texts]
        return torch.tensor(rows, dtype=torch.int64)

    def logits(self, hidden_NE: Tensor) -> Tensor:
        rows = [_HABIT * self._normal(habit) + self.whim * self._normal(whim) for habit, whim in hidden_NE.tolist()]
        return torch.tensor(np.array(rows, np.float32).reshape(len(rows), self.config.vocab_size))

    def clear(self, blocks: Sequence[int]) -> None:
        self.kv.reshape(-1, self.block_size)[list(blocks)] = -1

    def read_block(self, block: int) -> Tensor:
        raise NotImplementedError

    def write_block(self, block: int, data: Tensor) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.kv = self.kv[:0]

    def _normal(self, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.random.default_rng(seed).standard_normal(self.config.vocab_size)


def markov_core(tokenizer: Tokenizer, *, mode: str, whim: float = _WHIM, **config: object) -> EngineCore:
    """An engine around it."""
    settings = EngineConfig(**({"kv_memory": 2**20, "block_size": 4, "max_batch_tokens": 64} | config))  # type: ignore[arg-type]
    model: Any = ScriptedModel("x", tokenizer.vocab_size)
    core = EngineCore(model, tokenizer, settings)
    core.runner = MarkovRunner(tokenizer.vocab_size, core.scheduler.pool.num_blocks, settings.block_size, whim)
    core.prompt_scorer = PromptScorer(tokenizer, core.runner.logits)
    core.speculator = Speculator(core.scheduler, mode)
    return core


def _seed(tokens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    return int.from_bytes(hashlib.blake2b(tokens.tobytes(), digest_size=7).digest())
