"""Log-probabilities of prompts (echo), collected while their chunks are computed.

Shapes: T new tokens of a step, E hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from owngpt.engine.logprobs import rows_of, token_logprob
from owngpt.engine.scheduler import Chunk
from owngpt.text.tokenizer import Tokenizer

_ROWS = 64  # logits of a whole chunk would be hundreds of megabytes with a large vocabulary


class PromptScorer:
    """Fills `Request.prompt_logprobs` of the requests that ask for it."""

    def __init__(self, tokenizer: Tokenizer, logits: Callable[[Tensor], Tensor]) -> None:
        self._tokenizer = tokenizer
        self._logits = logits

    def read(self, chunks: Sequence[Chunk], hidden_TE: Tensor) -> None:
        """The chunks of a step, and the hidden states of their tokens, laid end to end."""
        row = 0
        for chunk in chunks:
            if chunk.request.sampling.prompt_logprobs is not None:
                self._score(chunk, hidden_TE[row : row + chunk.end - chunk.start])
            row += chunk.stop - chunk.start

    def _score(self, chunk: Chunk, hidden_TE: Tensor) -> None:
        """The prompt tokens that this chunk predicts; those known from before a preemption are kept."""
        request = chunk.request
        found = request.prompt_logprobs
        if not found:
            found.append(None)  # nothing predicts the first token
        end = min(chunk.end, request.num_prompt_tokens - 1)
        for start in range(max(chunk.start, len(found) - 1), end, _ROWS):
            targets = request.token_ids[start + 1 : min(start + _ROWS, end) + 1]
            first = start - chunk.start
            logits = rows_of(self._logits(hidden_TE[first : first + len(targets)]))
            num_top = request.sampling.prompt_logprobs or 0
            found += [token_logprob(*pair, num_top, self._tokenizer) for pair in zip(logits, targets, strict=True)]
