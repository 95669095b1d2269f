"""Sampler: logits -> tokens, log-probabilities. The same request gets the same tokens whatever else is in the batch.

Order: logit_bias, penalties, grammar mask, temperature, top_k, top_p, min_p. A token is drawn by inverting the
cumulative distribution at one uniform number per token, which depends on seed, choice and position only.

Shapes: N rows of a step, R rows that are drawn at random, V vocabulary, C candidates (the most probable tokens).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from owngpt.engine.constraints import TokenMask
from owngpt.engine.logprobs import token_logprobs
from owngpt.engine.request import Request, Sample
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import TokenLogprob

_NUM_CANDIDATES = 256  # top_p almost always ends within these; sorting a whole vocabulary is slow
_COLDEST = 1e-30  # a temperature that is not 0 as a float32
_BROKEN = "the model's logits are not finite; the checkpoint may be broken, or too wide for its dtype"


class Sampler:
    """Chooses for up to `max_rows` requests at once. Ids beyond the tokenizer's vocabulary are never chosen."""

    def __init__(self, tokenizer: Tokenizer, max_rows: int) -> None:
        self._tokenizer = tokenizer
        self._mask = TokenMask(tokenizer, max_rows)

    @torch.inference_mode()
    def sample(self, logits_NV: Tensor, requests: Sequence[Request]) -> list[Sample]:
        """One token for each request, or the reason why there is none."""
        raw_NV = _known(logits_NV, self._tokenizer.vocab_size)
        scores_NV, errors = self._scores(raw_NV, requests)
        token_ids = _choose(scores_NV, requests)
        broken = {row: _BROKEN for row, is_finite in enumerate(raw_NV.amax(-1).isfinite().tolist()) if not is_finite}
        logprobs = self._logprobs(logits_NV, token_ids, requests)
        return [
            Sample(token_id, logprobs.get(row), broken.get(row) or errors.get(row), is_broken=row in broken)
            for row, token_id in enumerate(token_ids)
        ]

    def _scores(self, raw_NV: Tensor, requests: Sequence[Request]) -> tuple[Tensor, dict[int, str]]:
        """Raw logits, or a copy of them with bias, penalties and masks; and what went wrong, by row."""
        adjusted = [row for row, request in enumerate(requests) if _is_adjusted(request)]
        is_masked = any(request.matcher is not None for request in requests)
        if not adjusted and not is_masked:
            return raw_NV, {}
        scores_NV = raw_NV.clone()
        for row in adjusted:
            _adjust(scores_NV[row], requests[row])
        return scores_NV, self._mask.apply(scores_NV, requests) if is_masked else {}

    def _logprobs(
        self, logits_NV: Tensor, token_ids: Sequence[int], requests: Sequence[Request]
    ) -> dict[int, TokenLogprob]:
        """By row, where asked for."""
        asked = {row: k for row, request in enumerate(requests) if (k := request.sampling.logprobs) is not None}
        if not asked:
            return {}
        rows = list(asked)
        found = token_logprobs(logits_NV[rows], [token_ids[row] for row in rows], list(asked.values()), self._tokenizer)
        return dict(zip(rows, found, strict=True))


def _known(logits_NV: Tensor, vocab_size: int) -> Tensor:
    """As wide as the tokenizer's vocabulary. Tokens that the model does not know (Gemma 3 has one) are impossible."""
    if logits_NV.shape[-1] >= vocab_size:
        return logits_NV[:, :vocab_size]
    return pad(logits_NV, (0, vocab_size - logits_NV.shape[-1]), value=-torch.inf)


def _choose(scores_NV: Tensor, requests: Sequence[Request]) -> list[int]:
    token_ids: list[int] = scores_NV.argmax(-1).tolist()
    drawn = [row for row, request in enumerate(requests) if request.sampling.temperature > 0]
    if drawn:
        scores_RV = scores_NV if len(drawn) == len(requests) else scores_NV[drawn]
        for row, token_id in zip(drawn, _draw(scores_RV, [requests[row] for row in drawn]), strict=True):
            token_ids[row] = token_id
    return [
        request.forced[0] if request.forced else token_id for token_id, request in zip(token_ids, requests, strict=True)
    ]


def _draw(scores_RV: Tensor, requests: Sequence[Request]) -> list[int]:
    """One token per row, in proportion to what the filters leave of its weight. One buffer, worked on in place."""
    temperature_R1 = _column([max(request.sampling.temperature, _COLDEST) for request in requests])
    best_R1 = scores_RV.amax(-1, keepdim=True)  # taken off first, so that a tiny temperature cannot overflow
    weights_RV = (scores_RV - best_R1).div_(temperature_R1).exp_()  # the best has weight 1
    _filter(weights_RV, requests)
    cumulative_RV = weights_RV.cumsum_(-1)
    total_R1 = cumulative_RV[:, -1:]
    target_R1 = _column([request.draw() for request in requests]) * total_R1
    target_R1 = torch.minimum(target_R1, total_R1.nextafter(torch.zeros(())))  # rounding must not pass the last token
    token_ids: list[int] = torch.searchsorted(cumulative_RV, target_R1, right=True)[:, 0].tolist()
    return [min(token_id, cumulative_RV.shape[-1] - 1) for token_id in token_ids]


def _filter(weights_RV: Tensor, requests: Sequence[Request]) -> None:
    """Zero what top_k, top_p and min_p exclude, in place."""
    params = [request.sampling for request in requests]
    floor_R1 = _column([p.min_p for p in params])
    rows = [row for row, p in enumerate(params) if p.top_k > 0 or p.top_p < 1]
    if rows:
        top_k = [params[row].top_k for row in rows]
        top_p_R1 = _column([params[row].top_p for row in rows])
        floor_R1[rows] = torch.maximum(floor_R1[rows], _smallest_kept(weights_RV[rows], top_k, top_p_R1))
    if floor_R1.any():
        weights_RV.masked_fill_(weights_RV < floor_R1, 0.0)


def _smallest_kept(weights_RV: Tensor, top_k: Sequence[int], top_p_R1: Tensor) -> Tensor:
    """R1: the least weight among the best `top_k` (0: all) that are needed to reach `top_p` of their sum."""
    width = weights_RV.shape[-1]
    top_k_R1 = torch.tensor([k or width for k in top_k])[:, None]
    sum_R1 = weights_RV.sum(-1, keepdim=True)
    candidates_RC = _candidates(weights_RV, min(width, max(_NUM_CANDIDATES, *top_k)), top_k_R1, top_p_R1 * sum_R1)
    best_RC = candidates_RC.where(torch.arange(candidates_RC.shape[-1]) < top_k_R1, 0.0)
    sums_RC = best_RC.cumsum(-1)  # in order, so that a row's sums do not depend on how many candidates others need
    total_R1 = torch.where(top_k_R1 < width, sums_RC[:, -1:], sum_R1)
    is_kept_RC = (sums_RC - best_RC < top_p_R1 * total_R1) & (best_RC > 0)
    last_R1 = (is_kept_RC.sum(-1, keepdim=True) - 1).clamp(min=0)  # the best token always stays
    return best_RC.gather(-1, last_R1)


def _candidates(weights_RV: Tensor, count: int, top_k_R1: Tensor, wanted_R1: Tensor) -> Tensor:
    """The best weights, in order; all of them if `count` are too few for any row. (NumPy sorts floats by vector.)"""
    best_RC = weights_RV.topk(count).values
    is_enough = (top_k_R1 <= count) | (best_RC.sum(-1, keepdim=True) >= wanted_R1)
    return best_RC if bool(is_enough.all()) else torch.from_numpy(np.sort(weights_RV.numpy(), -1)).flip(-1)


def _is_adjusted(request: Request) -> bool:
    params = request.sampling
    return bool(
        params.logit_bias or params.presence_penalty or params.frequency_penalty or params.repetition_penalty != 1
    )


def _adjust(scores_V: Tensor, request: Request) -> None:
    """Bias and penalties, in place. Repetition (Keskar et al. 2019) looks at the prompt too, the others do not."""
    params, counts = request.sampling, request.output_counts
    if params.logit_bias:
        scores_V[list(params.logit_bias)] += torch.tensor(list(params.logit_bias.values()))
    if params.repetition_penalty != 1:
        seen = list(request.prompt_set.union(counts))
        values = scores_V[seen]
        scores_V[seen] = torch.where(values > 0, values / params.repetition_penalty, values * params.repetition_penalty)
    if counts and (params.presence_penalty or params.frequency_penalty):
        times = torch.tensor(list(counts.values()))
        scores_V[list(counts)] -= params.presence_penalty + params.frequency_penalty * times


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]
