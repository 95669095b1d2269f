"""From what is submitted to `Request`s: the last checks, where vocabulary and context are known. No torch."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import llguidance

from owngpt.engine.request import Request
from owngpt.engine.thinking import ThinkingState
from owngpt.errors import InvalidRequest
from owngpt.text.detokenize import Detokenizer
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import ANYONE, Claim, SamplingParams


@dataclass(frozen=True, slots=True)
class Submissions:
    """What all requests of an engine have in common."""

    tokenizer: Tokenizer
    keep: frozenset[int]  # special tokens that stay in the text
    max_model_len: int
    max_choices: int
    is_shared: bool  # whether there is a prefix cache
    vocab_size: int  # ids that both the tokenizer and the model have

    def check(self, prompt: Sequence[int], sampling: SamplingParams) -> None:
        """Raise `InvalidRequest` for what this model can never do."""
        if sampling.n > self.max_choices:
            raise InvalidRequest(f"n is {sampling.n}; this engine takes at most {self.max_choices}", param="n")
        self._check_prompt(prompt, wants_tokens=sampling.max_tokens != 0)
        self._check_ids(prompt, "prompt")
        self._check_ids(sampling.prediction, "prediction")
        self._check_ids(sampling.logit_bias, "logit_bias")
        self._check_ids(sampling.stop_token_ids, "stop_token_ids")

    def requests(
        self,
        prompt: Sequence[int],
        sampling: SamplingParams,
        matcher: llguidance.LLMatcher | None,
        namespace: str,
        request_id: str,
        claim: Claim = ANYONE,
        is_durable: bool = True,
    ) -> list[Request]:
        """One per choice, each with a copy of the matcher. The first one answers for the deadline of all."""
        seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
        most = self.max_model_len if sampling.max_tokens is None else len(prompt) + sampling.max_tokens
        return [
            Request(
                token_ids=list(prompt),
                num_prompt_tokens=len(prompt),
                max_total_tokens=min(most, self.max_model_len),
                sampling=sampling,
                detokenizer=Detokenizer(self.tokenizer, sampling.stop, self.keep),
                thinking_detokenizer=Detokenizer(self.tokenizer, (), self.keep),
                request_id=request_id,
                index=index,
                seed=seed,
                namespace=self._namespace(sampling, namespace),
                end_ids=self._end_ids(sampling),
                matcher=None if matcher is None else matcher.deep_copy(),
                thinking=ThinkingState.of(sampling.thinking),
                is_durable=is_durable,
                claim=claim if index == 0 else replace(claim, deadline=None),
                arrival=monotonic(),
            )
            for index in range(sampling.n)
        ]

    def _namespace(self, sampling: SamplingParams, namespace: str) -> str | None:
        """Log-probabilities of a prompt need the logits of all of it, so nothing of it may come from the cache."""
        return namespace if self.is_shared and sampling.prompt_logprobs is None else None

    def _end_ids(self, sampling: SamplingParams) -> frozenset[int]:
        eos = () if sampling.ignore_eos else self.tokenizer.eos_token_ids
        return frozenset(eos).union(sampling.stop_token_ids)

    def _check_prompt(self, prompt: Sequence[int], wants_tokens: bool) -> None:
        if not prompt:
            raise InvalidRequest("the prompt is empty; send at least one token", param="prompt")
        if len(prompt) + wants_tokens > self.max_model_len:
            raise InvalidRequest(
                f"the prompt has {len(prompt)} tokens; this model takes {self.max_model_len}, completion included",
                param="prompt",
                code="context_length_exceeded",
            )

    def _check_ids(self, token_ids: Collection[int], param: str) -> None:
        for token_id in (min(token_ids), max(token_ids)) if token_ids else ():
            if not 0 <= token_id < self.vocab_size:
                raise InvalidRequest(
                    f"{param} has token id {token_id}; the vocabulary has {self.vocab_size}", param=param
                )
