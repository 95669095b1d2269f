"""Bits per byte on held-out text: comparable between tokenizers, and lower is better."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from owngpt.model.attention import Attention, DenseAttention
from owngpt.model.transformer import Transformer
from owngpt.text.tokenizer import Tokenizer
from owngpt.training.attention import RowAttention, document_starts
from owngpt.training.loss import token_losses
from owngpt.training.shards import Tokens

ROWS_AT_A_TIME = 8
RowLosses = Callable[[Tensor, Tensor, int], Tensor]  # (inputs_T, targets_T, number of rows) -> losses_T in nats


def bytes_per_token(tokenizer: Tokenizer, vocab_size: int) -> Tensor:
    """int64 [V]: how many bytes of text each token stands for; control tokens stand for none."""
    sizes = torch.zeros(vocab_size, dtype=torch.int64)
    for token_id in range(tokenizer.vocab_size):
        if token_id not in tokenizer.special_ids:
            sizes[token_id] = len(tokenizer.token_bytes(token_id))
    return sizes


@torch.no_grad()
def bits_per_byte(
    model: Transformer, tokens: Tokens, sizes_V: Tensor, context: int, end_of_text: int | None = None
) -> float:
    """Loss over the bytes of `tokens`, read in rows of `context`; control tokens count on neither side.

    Rows end where they end; with `end_of_text`, no token sees a document before its own.
    """

    def losses(inputs_T: Tensor, targets_T: Tensor, num_rows: int) -> Tensor:
        hidden_TE = forward_rows(model, inputs_T.to(model.device), num_rows, end_of_text)
        return token_losses(hidden_TE, output_head(model), targets_T.to(model.device))

    return bits_by(losses, tokens, sizes_V, context)


def bits_by(losses: RowLosses, tokens: Tokens, sizes_V: Tensor, context: int) -> float:
    """`bits_per_byte` of whatever gives losses."""
    nats, num_bytes = 0.0, 0
    row = min(context, len(tokens) - 1)
    for start in range(0, len(tokens) - row, row * ROWS_AT_A_TIME):
        num_rows = min(ROWS_AT_A_TIME, (len(tokens) - 1 - start) // row)
        chunk = torch.from_numpy(tokens[start : start + num_rows * row + 1].astype(np.int64))
        sizes_T = sizes_V[chunk[1:]]
        nats += float(losses(chunk[:-1], chunk[1:], num_rows).to(sizes_T.device)[sizes_T > 0].sum())
        num_bytes += int(sizes_T.sum())
    return nats / math.log(2) / max(1, num_bytes)


def forward_rows(model: Transformer, tokens_T: Tensor, num_rows: int, end_of_text: int | None = None) -> Tensor:
    """hidden_TE of `num_rows` sequences of equal length, laid end to end; `end_of_text` parts the documents of each."""
    positions_T = torch.arange(len(tokens_T) // num_rows, device=tokens_T.device).repeat(num_rows)
    attention: Attention = DenseAttention(model.config, num_rows)
    if end_of_text is not None:
        attention = RowAttention(model.config, num_rows, document_starts(tokens_T, num_rows, end_of_text))
    return model(tokens_T, positions_T, attention)  # type: ignore[no-any-return]


def output_head(model: Transformer) -> Tensor:
    """The V x E matrix that turns hidden states into logits."""
    weight = model.embed_tokens.weight if model.lm_head is None else model.lm_head.weight
    assert isinstance(weight, Tensor)
    return weight
