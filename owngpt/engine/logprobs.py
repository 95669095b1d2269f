"""Log-probabilities of tokens, from raw logits: before temperature, penalties and masks.

The sum of all probabilities runs over all logits that the model has, padding included, as in transformers.
One row at a time and with NumPy, so that its bits do not depend on other rows (see `engine/sampler.py`).

Shapes: V vocabulary, K best tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from owngpt.text.tokenizer import Tokenizer
from owngpt.types import TokenLogprob

Row = np.ndarray[tuple[int], np.dtype[np.float32]]


def rows_of(logits_NV: Tensor) -> list[Row]:
    """Float32 logits, wherever they are -> N rows."""
    return list(logits_NV.detach().cpu().numpy())


def token_logprob(logits_V: Row, token_id: int, num_top: int, tokenizer: Tokenizer) -> TokenLogprob:
    """The token's log-softmax, and the best `num_top` of the tokenizer's vocabulary, best first (of equals, by id).

    `logits_V` are as many as the model makes.
    """
    norm = _log_sum_exp(logits_V)
    top = tuple(_entry(i, logits_V, norm, tokenizer) for i in _best(logits_V[: tokenizer.vocab_size], num_top))
    chosen = _entry(token_id, logits_V, norm, tokenizer)
    return TokenLogprob(token_id, chosen.token, chosen.logprob, top)


def _log_sum_exp(logits_V: Row) -> float:
    best = logits_V.max()
    return float(best) + math.log(float(np.exp(logits_V - best).sum()))


def _best(known_V: Row, count: int) -> Iterable[int]:
    if count == 0:
        return ()
    least = np.partition(known_V, -count)[-count] if count < len(known_V) else -np.inf
    ids_K: npt.NDArray[np.int64] = np.flatnonzero(known_V >= least)
    order: list[int] = ids_K[np.argsort(-known_V[ids_K], kind="stable")][:count].tolist()
    return order


def _entry(token_id: int, logits_V: Row, norm: float, tokenizer: Tokenizer) -> TokenLogprob:
    logit = float(logits_V[token_id]) if token_id < len(logits_V) else -math.inf
    return TokenLogprob(token_id, tokenizer.token_bytes(token_id), logit - norm)
