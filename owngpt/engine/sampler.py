"""Sampler: the logits of one position -> its token and log-probabilities.

A row is worked on alone, by one thread and with NumPy, whose float32 functions give an element the same bits wherever
it stands in an array. So a token depends on its own row, request and position, and on nothing else.

Order: logit_bias, penalties, how the text has to begin, grammar mask, temperature, top_k, top_p, min_p. A token is
drawn by inverting the cumulative distribution at one uniform number per token, which depends on seed, choice and
position only.

Shapes: V vocabulary, K tokens that the filters keep, B blocks of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from owngpt.engine.constraints import GrammarStuck, TokenMasks
from owngpt.engine.logprobs import Row, token_logprob
from owngpt.engine.request import Request, Sample
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import SamplingParams

_BLOCK = 1024  # tokens whose weights are summed before one is sought among them
_RARE = np.float32(1e-3)  # of the best token's weight; top_p almost always ends before tokens as rare as this
_CERTAINLY = np.float32(1.001)  # whatever the order of summation
_COLDEST = 1e-30  # a temperature that is not 0 as a float32
BROKEN = "the model's logits are not finite; the checkpoint may be broken, or too wide for its dtype"


class Sampler:
    """Chooses tokens, one at a time. Ids beyond the tokenizer's vocabulary are never chosen."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._masks = TokenMasks(tokenizer)

    def look_ahead(self, requests: Iterable[Request]) -> None:
        """These are going to be sampled next: work out what their grammars allow, beside the model."""
        self._masks.look_ahead(request for request in requests if request.matcher is not None and not request.forced)

    def sample(self, logits_V: Row | None, request: Request) -> Sample:
        """The request's next token, or the reason why there is none.

        None for logits will do where the token is forced and no log-probability is asked for.
        """
        if logits_V is None:
            return Sample(request.forced[0])
        known_V = _known(logits_V, self._tokenizer.vocab_size)
        best = int(known_V.argmax())  # the first NaN, if there is one
        if not math.isfinite(known_V[best]):
            return Sample(error=BROKEN, is_broken=True)
        try:
            token_id = request.forced[0] if request.forced else self._choose(known_V, best, request)
        except GrammarStuck as stuck:
            return Sample(error=str(stuck))
        num_top = request.sampling.logprobs
        return Sample(
            token_id, None if num_top is None else token_logprob(logits_V, token_id, num_top, self._tokenizer)
        )

    def close(self) -> None:
        """Stop the thread that works out masks."""
        self._masks.close()

    def _choose(self, known_V: Row, best: int, request: Request) -> int:
        """`best` is the token with the highest logit."""
        allowed = None if request.matcher is None else self._masks.take(request)
        fitting = self._fitting(request)
        is_adjusted = _is_adjusted(request.sampling) or bool(fitting)
        is_greedy = request.sampling.temperature == 0
        if is_greedy and not is_adjusted and (allowed is None or allowed.has(best)):
            return best
        scores_V = known_V
        if is_adjusted or allowed is not None:
            scores_V = known_V.copy()
            _adjust(scores_V, request)
            if fitting:
                _forbid_others(scores_V, fitting)
            if allowed is not None:
                allowed.forbid_others(scores_V)
            best = int(scores_V.argmax())
        return best if is_greedy else draw(scores_V, request.sampling, request.draw())

    def _fitting(self, request: Request) -> list[int]:
        """The tokens that go on as the text has to begin; none where it has begun, and where nothing can spell it."""
        beginning = request.sampling.begins_with.encode()
        if request.num_output_tokens >= len(beginning):
            return []
        said = b"".join(map(self._tokenizer.token_bytes, request.token_ids[request.num_prompt_tokens :]))
        rest = beginning[len(said) :]
        return self._tokenizer.spellings.fitting(rest) if rest else []


def draw(scores_V: Row, params: SamplingParams, chance: float) -> int:
    """The token at `chance` (uniform in [0, 1)) of the distribution that temperature and filters make of the scores."""
    best = scores_V.max()
    if not math.isfinite(best):  # nothing is allowed
        return 0
    padded_V = np.zeros(-(-len(scores_V) // _BLOCK) * _BLOCK, np.float32)
    weights_V = padded_V[: len(scores_V)]
    np.subtract(scores_V, best, out=weights_V)  # first, so that a tiny temperature cannot overflow
    np.divide(weights_V, np.float32(max(params.temperature, _COLDEST)), out=weights_V)
    np.exp(weights_V, out=weights_V)  # the best has weight 1
    least = max(_smallest_kept(weights_V, params), np.float32(params.min_p))
    if least == 0:
        return _invert_blocks(padded_V, chance)
    kept_K = np.flatnonzero(weights_V >= least)
    return int(kept_K[_invert(weights_V[kept_K], chance)])


def _known(logits_V: Row, vocab_size: int) -> Row:
    """As wide as the tokenizer's vocabulary. Tokens that the model does not know (Gemma 3 has one) are impossible."""
    if len(logits_V) >= vocab_size:
        return logits_V[:vocab_size]
    return np.pad(logits_V, (0, vocab_size - len(logits_V)), constant_values=-np.inf)


def _invert(weights_K: Row, chance: float) -> int:
    """The first index whose running sum is above `chance` of the whole."""
    return _first_above(weights_K.cumsum(dtype=np.float64), chance)


def _invert_blocks(weights_V: Row, chance: float) -> int:
    """The same for a whole vocabulary: first the block, then the token in it. V is a multiple of the block."""
    sums_B = weights_V.reshape(-1, _BLOCK).sum(-1).astype(np.float64)
    cumulative_B = sums_B.cumsum()
    block = _first_above(cumulative_B, chance)
    rest = (chance * cumulative_B[-1] - (cumulative_B[block] - sums_B[block])) / sums_B[block]
    return block * _BLOCK + _invert(weights_V[block * _BLOCK :][:_BLOCK], max(rest, 0.0))


def _first_above(cumulative_K: np.ndarray[tuple[int], np.dtype[np.float64]], share: float) -> int:
    total = cumulative_K[-1]
    target = min(share * total, np.nextafter(total, 0.0))  # rounding must not pass the last token
    return int(np.searchsorted(cumulative_K, target, side="right"))


def _smallest_kept(weights_V: Row, params: SamplingParams) -> np.float32:
    """The least weight among the best `top_k` (0: all) that are needed to reach `top_p` of their sum."""
    if params.top_k == 0 and params.top_p >= 1:
        return np.float32(0)
    top_p = np.float32(params.top_p)
    if 0 < params.top_k < len(weights_V):
        best_K = _descending(np.partition(weights_V, -params.top_k)[-params.top_k :])
        total = best_K.cumsum()[-1]
    else:
        total = weights_V.sum()
        best_K = _descending(_common(weights_V, top_p * total))
    num_kept = int(np.count_nonzero(best_K.cumsum() - best_K < top_p * total))
    return best_K[max(num_kept - 1, 0)]  # type: ignore[no-any-return]  # the best token always stays


def _common(weights_V: Row, wanted: np.float32) -> Row:
    """The weights without the rare ones, where these are not needed to reach `wanted`: sorting all takes long."""
    common_K = weights_V[weights_V > _RARE]
    return common_K if common_K.sum() > wanted * _CERTAINLY else weights_V


def _descending(weights_K: Row) -> Row:
    return np.sort(weights_K)[::-1]


def _forbid_others(scores_V: Row, allowed: list[int]) -> None:
    kept = scores_V[allowed]
    scores_V[:] = -np.inf
    scores_V[allowed] = kept


def _is_adjusted(params: SamplingParams) -> bool:
    return bool(
        params.logit_bias or params.presence_penalty or params.frequency_penalty or params.repetition_penalty != 1
    )


def _adjust(scores_V: Row, request: Request) -> None:
    """Bias and penalties, in place. Repetition (Keskar et al. 2019) looks at the prompt too, the others do not."""
    params, counts = request.sampling, request.output_counts
    if params.logit_bias:
        scores_V[list(params.logit_bias)] += np.array(list(params.logit_bias.values()), np.float32)
    if params.repetition_penalty != 1:
        seen = list(request.prompt_set.union(counts))
        values, penalty = scores_V[seen], np.float32(params.repetition_penalty)
        scores_V[seen] = np.where(values > 0, values / penalty, values * penalty)
    if counts and (params.presence_penalty or params.frequency_penalty):
        times = np.array(list(counts.values()), np.float32)
        scores_V[list(counts)] -= np.float32(params.presence_penalty) + np.float32(params.frequency_penalty) * times
