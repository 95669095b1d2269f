"""A chat: messages on the way in, and what the model's text means on the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from owngpt.service.generate import Generation, Prepared
from owngpt.service.models import ServedModel
from owngpt.text.output import OutputDelta, OutputParser, ToolCallStart
from owngpt.types import FinishReason, Message, SamplingParams, TokenEvent, TokenLogprob, Tool

THINKING_BUDGETS: Mapping[str, int | None] = {  # reasoning_effort -> tokens of thinking; None is no limit
    "none": 0,
    "minimal": 128,
    "low": 512,
    "medium": 2_048,
    "high": 8_192,
    "xhigh": 32_768,
    "max": None,
}


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages, and the tools that may be called."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    reasoning_effort: str | None = None  # None: the model's own way, without a limit
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    operation: str = "chat"
    param: str = "messages"

    @property
    def cost(self) -> int:
        """Characters to render."""
        return sum(len(message.content) + len(message.reasoning or "") for message in self.messages)

    def prepare(self, model: ServedModel, sampling: SamplingParams) -> Prepared:
        """Render with the checkpoint's own template, and bound the thinking."""
        effort = self.reasoning_effort
        arguments = {"enable_thinking": None if effort is None else effort != "none", **self.template_arguments}
        enable_thinking = arguments.pop("enable_thinking")
        ids = model.chat.encode(self.messages, self.tools, enable_thinking=enable_thinking, extra=arguments)
        budget = 0 if enable_thinking is False else THINKING_BUDGETS[effort or "max"]
        return Prepared([ids], replace(sampling, thinking=model.chat.thinking(ids, budget)))


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """News of one choice: what was said, thought or called, perhaps the end."""

    index: int
    deltas: Sequence[OutputDelta]
    logprobs: Sequence[TokenLogprob] | None  # of tokens that are not thinking
    finish_reason: str | None  # stop, length or tool_calls


async def read_chat(generation: Generation, model: ServedModel, prompt: ChatPrompt, n: int) -> AsyncIterator[ChatEvent]:
    """Tell answer, thinking and tool calls apart, for each of the `n` choices."""
    readers = [ChoiceReader(OutputParser(model.chat.family, prompt.tools)) for _ in range(n)]
    async for event in generation:
        yield readers[event.index].read(event)


class ChoiceReader:
    """One choice."""

    def __init__(self, parser: OutputParser) -> None:
        self._parser = parser
        self._has_calls = False

    def read(self, event: TokenEvent) -> ChatEvent:
        deltas = self._parser.feed(event.text, is_thinking=event.is_thinking)
        if event.finish_reason is not None:
            deltas += self._parser.finish()
        self._has_calls = self._has_calls or any(isinstance(delta, ToolCallStart) for delta in deltas)
        logprobs = None if event.is_thinking else event.logprobs
        return ChatEvent(event.index, deltas, logprobs, self._finish_reason(event.finish_reason))

    def _finish_reason(self, reason: FinishReason | None) -> str | None:
        return "tool_calls" if reason is FinishReason.STOP and self._has_calls else reason
