"""A model of this process as a `Completer`: many items at once through the engine's continuous batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from owngpt.build import load_generator
from owngpt.cli import progress
from owngpt.config import Settings
from owngpt.errors import EngineFailed
from owngpt.evals.completer import Unable
from owngpt.evals.task import Item
from owngpt.service.completions import ending, fill_in_the_middle
from owngpt.service.models import ServedModel
from owngpt.text.output import ContentDelta
from owngpt.text.parser import make_parser
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import FinishReason, SamplingParams, TokenEvent

BUNDLED = "garlic"
_START = "<|endoftext|>"  # what stands between the documents that most models are trained on


@contextmanager
def local_completer(
    model: str | None, config_file: Path | None, engine: dict[str, Any], *, is_thinking: bool | None = None
) -> Iterator[LocalCompleter]:
    """Load a folder, ORG/NAME or the bundled model, and stop it in the end. Raises `SetupError`s."""
    named = {} if model in (None, BUNDLED) else {"models": (model,)}
    settings = Settings.load(config_file, overrides={**engine, **named})
    if not named:
        settings = replace(settings, models=())
    with progress.shown() as report:
        served = load_generator(settings, None, report)
    try:
        yield LocalCompleter(served, settings.engine.max_running, is_thinking)
    finally:
        served.engine.close()


class LocalCompleter:
    """See `Completer`. Prompts are tokenized as the server does it, and answers are parsed as it does it.

    `is_thinking`: whether a reasoning model thinks; None: as its template has it.
    """

    def __init__(self, served: ServedModel, concurrency: int = 64, is_thinking: bool | None = None) -> None:
        self._served, self.name, self.concurrency = served, served.name, concurrency
        self._is_thinking = is_thinking

    @property
    def about(self) -> dict[str, str]:
        """Weights, number format, and how a greedy answer is shaped by the checkpoint's own settings."""
        one, sampling = self._served.fingerprint, self._served.sampling
        penalty = {"repetition_penalty": str(sampling.repetition_penalty)}
        return {"weights": one.weights[:16], "dtype": one.dtype, "numerics": one.numerics, **penalty}

    async def generate(self, item: Item, max_tokens: int, stop: Sequence[str]) -> str:
        own = self._served.sampling  # what a server applies to a request that asks for temperature 0 alone
        sampling = replace(own, temperature=0.0, max_tokens=max_tokens, stop=tuple(stop))
        if item.suffix is not None and self._served.tokenizer.fim is not None:
            sampling = ending(sampling, self._served.tokenizer.fim)
        events = await self._run(self._prompt(item), sampling)
        if not item.messages:
            return "".join(event.text for event in events)
        parser = make_parser(self._served.chat.family)
        deltas = [delta for event in events for delta in parser.feed(event.text, is_thinking=event.is_thinking)]
        return "".join(delta.text for delta in [*deltas, *parser.finish()] if isinstance(delta, ContentDelta))

    async def loglikelihood(self, item: Item, continuation: str) -> float:
        """Tokens of the prompt and of the continuation are those of both together, cut where the prompt's end."""
        encode = self._served.tokenizer.encode
        if item.messages:
            before = self._prompt(item)
            whole = [*before, *encode(continuation)]
        else:
            before, whole = ([self.start, *encode(text)] for text in (item.text, item.text + continuation))
        events = await self._run(whole, SamplingParams(temperature=0.0, max_tokens=0, prompt_logprobs=0))
        known = next(event.prompt.logprobs for event in events if event.prompt is not None)
        assert known is not None, "they were asked for"
        return sum(one.logprob for one in known[len(before) :] if one is not None)

    def _prompt(self, item: Item) -> list[int]:
        served = self._served
        if item.messages:
            return served.chat.encode(item.messages, enable_thinking=self._is_thinking)
        if item.suffix is not None:
            if served.tokenizer.fim is None:
                raise Unable(f"{served.name} has no tokens for filling in the middle")
            limit = served.engine.max_model_len
            return fill_in_the_middle(served.tokenizer, item.text, item.suffix, limit, served.name)
        return served.tokenizer.encode(item.text, add_special_tokens=True) or [self.start]

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""
        return self._served.tokenizer

    @property
    def start(self) -> int:
        """The token that a document begins behind."""
        tokenizer = self._served.tokenizer
        found = (tokenizer.bos_token_id, tokenizer.token_to_id(_START), *tokenizer.eos_token_ids)
        return next((token_id for token_id in found if token_id is not None), 0)

    async def _run(self, ids: Sequence[int], sampling: SamplingParams) -> list[TokenEvent]:
        limit = self._served.engine.max_model_len - (sampling.max_tokens != 0)
        if len(ids) > limit:
            raise Unable(f"{self.name} takes {limit} tokens; an item has {len(ids)}")
        async with self._served.engine.submit(ids, sampling) as events:
            found = [event async for event in events]
        failed = next((e for e in found if e.finish_reason in (FinishReason.ERROR, FinishReason.ABORT)), None)
        if failed is not None:
            raise EngineFailed(failed.error or "the engine could not finish an item")
        return found
