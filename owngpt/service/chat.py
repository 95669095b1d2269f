"""A chat: messages on the way in, and what the model's text means on the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from owngpt.service.generate import Prepared
from owngpt.service.models import ServedModel
from owngpt.service.workers import GRAMMAR_COST, INLINE_COST
from owngpt.text.grammar import ResponseFormat, ToolChoice, lark_constraint, regex_constraint, tools_constraint
from owngpt.text.output import OutputDelta, ToolCallStart
from owngpt.text.parser import Parser, make_parser
from owngpt.text.quotes import Quotable
from owngpt.types import Constraint, FinishReason, Message, SamplingParams, TokenEvent, TokenLogprob, Tool

THINKING_BUDGETS: Mapping[str, int | None] = {  # reasoning_effort -> tokens of thinking; None is no limit
    "none": 0,
    "minimal": 128,
    "low": 512,
    "medium": 2_048,
    "high": 8_192,
    "xhigh": 32_768,
    "max": None,
}
# Where the template takes an effort: the one it is told, and the limit beside that
TEMPLATE_EFFORTS: Mapping[str, tuple[str, int | None]] = {
    "none": ("low", 0),
    "minimal": ("low", THINKING_BUDGETS["minimal"]),
    "low": ("low", None),
    "medium": ("medium", None),
    "high": ("high", None),
    "xhigh": ("high", None),
    "max": ("high", None),
}


@dataclass(frozen=True, slots=True)
class InputGrammar:
    """What the input of a custom tool must match; `param` is its wire path."""

    syntax: Literal["lark", "regex"]
    definition: str
    param: str

    def compile(self, model: ServedModel) -> Constraint:
        """Check it against the vocabulary; raises `InvalidRequest`."""
        build = lark_constraint if self.syntax == "lark" else regex_constraint
        return build(self.definition, model.tokenizer, self.param)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools on offer, and how they may be used."""

    tools: Sequence[Tool] = ()
    choice: ToolChoice = field(default_factory=ToolChoice)
    is_parallel: bool = True
    input_grammars: Mapping[str, InputGrammar] = field(default_factory=dict)  # by the name of a custom tool
    params: Sequence[str] = ()  # wire paths of the tools' schemas; none: as in a chat

    def compile(self, model: ServedModel) -> list[Tool]:
        """The tools, each custom one with its grammar."""
        return [
            replace(tool, grammar=self.input_grammars[tool.name].compile(model))
            if tool.name in self.input_grammars
            else tool
            for tool in self.tools
        ]


class _Way(NamedTuple):
    """How a template is rendered: its variables, whether the model is to think, and for how many tokens at most."""

    arguments: Mapping[str, Any]
    enable_thinking: bool | None
    budget: int | None


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages, the tools that may be called, and the shape that the answer must have."""

    messages: Sequence[Message]
    tool_use: ToolUse = field(default_factory=ToolUse)
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    reasoning_effort: str | None = None  # None: the model's own way, without a limit
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    prediction: str = ""  # what the answer is going to resemble
    quotable: Quotable | None = None  # what its quotation marks may stand around; None: anything
    operation: str = "chat"
    param: str = "messages"
    num_prompts: int = 1

    @property
    def cost(self) -> int:
        """Never on the event loop: a template is a program of strangers. Tools and formats need a grammar."""
        is_constrained = self.tool_use.tools or self.response_format.type != "text" or self.quotable is not None
        return GRAMMAR_COST if is_constrained else INLINE_COST

    def prepare(self, model: ServedModel, sampling: SamplingParams) -> Prepared:
        """Render with the checkpoint's own template, bound the thinking, and make the one constraint."""
        tools, family = self.tool_use.compile(model), model.chat.family
        way = self._way(model)
        limit = model.engine.max_model_len
        ids = self._encode(model, tools, way)
        thinking = model.chat.thinking(ids, 0 if way.enable_thinking is False else way.budget)
        ends = () if sampling.ignore_eos else sorted(family.end_ids)
        sampling = replace(sampling, thinking=thinking, stop_token_ids=(*sampling.stop_token_ids, *ends))
        prediction = tuple(model.chat.encode_answer(self.prediction, limit)[:limit])
        return Prepared([ids], replace(sampling, prediction=prediction), self._constraint(model, tools))

    def count(self, model: ServedModel) -> int:
        """Tokens of the prompt; of one that is far too long, at least as many as show it. Raises like `prepare`."""
        return len(self._encode(model, self.tool_use.tools, self._way(model)))

    def _encode(self, model: ServedModel, tools: Sequence[Tool], way: _Way) -> list[int]:
        limit = model.engine.max_model_len
        thinking = way.enable_thinking
        return model.chat.encode(self.messages, tools, enable_thinking=thinking, extra=way.arguments, limit=limit)

    def _way(self, model: ServedModel) -> _Way:
        """What the template is told of thinking, and the limit beside that."""
        effort = self.reasoning_effort
        arguments = {"enable_thinking": None if effort is None else effort != "none", **self.template_arguments}
        enable_thinking = arguments.pop("enable_thinking")
        budget = THINKING_BUDGETS[effort or "max"]
        if effort is not None and model.chat.family.has_effort_switch:
            told, budget = TEMPLATE_EFFORTS[effort]
            arguments = {"reasoning_effort": told, **arguments}
        return _Way(arguments, enable_thinking, budget)

    def _constraint(self, model: ServedModel, tools: Sequence[Tool]) -> Constraint | None:
        return tools_constraint(
            model.tokenizer,
            model.chat.family,
            response_format=self.response_format,
            tools=tools,
            choice=self.tool_use.choice,
            parallel_tool_calls=self.tool_use.is_parallel,
            tool_params=self.tool_use.params or None,
            quotable=self.quotable,
        )


@dataclass(frozen=True, slots=True)
class ChatEvent:
    """News of one choice: what was said, thought or called, perhaps the end."""

    index: int
    deltas: Sequence[OutputDelta]
    logprobs: Sequence[TokenLogprob] | None  # of tokens that are not thinking
    finish_reason: str | None  # stop, length or tool_calls


class ChatReader:
    """Tells answer, thinking and tool calls apart, in each of the `n` choices."""

    def __init__(self, model: ServedModel, prompt: ChatPrompt, n: int) -> None:
        tools = prompt.tool_use.tools if prompt.tool_use.choice.mode != "none" else ()
        self._choices = [_ChoiceReader(make_parser(model.chat.family, tools)) for _ in range(n)]

    def read(self, event: TokenEvent) -> ChatEvent:
        """What the event means."""
        return self._choices[event.index].read(event)


class _ChoiceReader:
    def __init__(self, parser: Parser) -> None:
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
