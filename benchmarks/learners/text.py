"""What all recipes learn from and are measured with: one file of tokens, in one order, and held-out text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from owngpt.training.evaluate import RowLosses, bits_by, bytes_per_token
from owngpt.training.pretrain import HELD_OUT_TOKENS, padded_vocab_size
from owngpt.training.shards import (
    Packer,
    Tokens,
    num_tokens,
    pack_held_out,
    pack_train,
    read_held_out,
    read_tokens,
    train_tokens_file,
)
from owngpt.training.tokenizer import END_OF_TEXT

CONTEXT, BATCH = 512, 2048  # tokens per row, and per step where the recipe has no idea of its own
WARMUP = 80_000  # tokens
KINDS = ("english", "japanese", "code")


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of a run. `bits` are per byte of held-out text, the mean of English, Japanese and Python."""

    num_parameters: int
    tokens: int
    flops: float
    bits: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Text:
    """Tokens to learn from and those held out, by kind."""

    vocab_size: int
    end_of_text: int
    train: Tokens
    held_out: dict[str, Tokens]
    sizes_V: Tensor

    @classmethod
    def load(cls, corpus: Path, tokenizer: Path, folder: Path, num: int) -> Self:
        """Pack `num` tokens of the corpus into `folder`, unless they are there."""
        packer, vocab_size = Packer.load(tokenizer), padded_vocab_size(tokenizer)
        file = train_tokens_file(folder, "stable")
        if num_tokens(file) < num + 1:
            pack_held_out(corpus, folder, packer, HELD_OUT_TOKENS)
            pack_train(corpus, folder, packer, {"stable": num + 1})
        end = packer.tokenizer.token_to_id(END_OF_TEXT)
        assert end is not None, "our tokenizers have it"
        held_out = {kind: tokens for kind, tokens in read_held_out(folder).items() if kind in KINDS}
        return cls(vocab_size, end, read_tokens(file), held_out, bytes_per_token(packer.tokenizer, vocab_size))

    def tokens(self, start: int, num: int) -> Tensor:
        """int64 [num], from `start` on."""
        return torch.from_numpy(self.train[start : start + num].astype(np.int64))

    def bits_per_byte(self, losses: RowLosses) -> float:
        """The mean over kinds of held-out text, read in rows."""
        bits = [bits_by(losses, tokens, self.sizes_V, CONTEXT) for tokens in self.held_out.values()]
        return sum(bits) / len(bits)
