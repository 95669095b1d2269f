"""Log-probabilities of tokens, from raw logits: before temperature, penalties and masks.

The sum of all probabilities runs over all logits that the model has, padding included, as in transformers.

Shapes: N rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from owngpt.text.tokenizer import Tokenizer
from owngpt.types import TokenLogprob


def token_logprobs(
    logits_NV: Tensor, token_ids: Sequence[int], num_top: Sequence[int], tokenizer: Tokenizer
) -> list[TokenLogprob]:
    """One per row: the token's log-softmax, and the best `num_top` of the vocabulary, best first.

    `logits_NV` are as wide as the model makes them; the best are sought among the tokenizer's tokens.
    """
    norm_N1 = logits_NV.logsumexp(-1, keepdim=True)
    chosen_N1 = logits_NV.gather(-1, norm_N1.new_tensor(token_ids).long()[:, None]) - norm_N1
    known_NV = logits_NV[:, : tokenizer.vocab_size]
    best = known_NV.topk(min(max(num_top), known_NV.shape[-1]))
    rows = zip(
        token_ids,
        chosen_N1[:, 0].tolist(),
        num_top,
        best.indices.tolist(),
        (best.values - norm_N1).tolist(),
        strict=True,
    )
    return [
        TokenLogprob(token_id, tokenizer.token_bytes(token_id), logprob, _top(ids[:k], values, tokenizer))
        for token_id, logprob, k, ids, values in rows
    ]


def _top(ids: Sequence[int], values: Sequence[float], tokenizer: Tokenizer) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(token_id, tokenizer.token_bytes(token_id), logprob)
        for token_id, logprob in zip(ids, values, strict=False)
    )
