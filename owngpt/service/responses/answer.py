"""One response: the first file to read here.

what the model is shown -> generate, and run the tools that are hosted here, until there is an answer
                        -> stored -> the last event
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatReader
from owngpt.service.failures import as_request_error
from owngpt.service.generate import GenerationRequest, generate
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.hosted import MAX_CALLS
from owngpt.service.responses.keeping import keep
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.text.grammar import ToolChoice
from owngpt.types import ToolCall, Usage


async def respond(app: App, caller: Caller, turn: Turn, context: Context) -> AsyncGenerator[Event, None]:
    """The events of one response. It is stored, if it is to be, before the last one.

    Raises `RequestError`s before the first event; what goes wrong later is told by an `error` event and
    `response.failed`. Leaving aborts what still runs, and then nothing is stored.
    """
    answer = Answer(app, caller, turn, context)
    try:
        async with aclosing(answer.events()) as events:
            async for event in events:
                yield event
    except Exception as error:
        if not answer.has_begun:
            raise
        yield answer.builder.fail(as_request_error(error, turn.request_id), answer.usage)
    await keep(app, caller, turn, context, answer.builder.document)
    yield answer.builder.ending()


async def respond_whole(app: App, caller: Caller, turn: Turn, context: Context) -> dict[str, Any]:
    """The response when it has ended, and is stored if it is to be. Whatever goes wrong is raised."""
    answer = Answer(app, caller, turn, context)
    async with aclosing(answer.events()) as events:
        async for _ in events:
            pass
    await keep(app, caller, turn, context, answer.builder.document)
    return answer.builder.document


class Answer:
    """The making of a response, up to its last event. `num_events`: how many have been sent before."""

    def __init__(self, app: App, caller: Caller, turn: Turn, context: Context, num_events: int = 0) -> None:
        self._app, self._caller, self._turn, self._context = app, caller, turn, context
        self._seal = seal_of(app, caller)
        self._tools = {tool.definition.name: tool for tool in turn.hosted}
        self._num_calls_left = MAX_CALLS if turn.max_tool_calls is None else turn.max_tool_calls
        self._finish_reason: str | None = None
        self._calls: Sequence[ToolCall] = ()
        self.usage = Usage()
        self.has_begun = False
        self.builder = ResponseBuilder(
            {**turn.fields, "output": []},
            has_summary=turn.has_summary,
            has_logprobs=turn.sampling.logprobs is not None,
            seal=self._seal if turn.seals_reasoning else None,
            hosted=frozenset(self._tools),
            num_events=num_events,
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        """All but the last one."""
        turn: Turn | None = self._turn
        while turn is not None:
            async with aclosing(self._generate(turn)) as events:
                async for event in events:
                    yield event
            async with aclosing(self._run_tools()) as events:
                async for event in events:
                    yield event
            turn = self._next(turn)
        for event in self.builder.finish(self.usage, "max_output_tokens" if self._is_cut else None):
            yield event

    @property
    def _is_cut(self) -> bool:
        return self._finish_reason == "length"

    async def _generate(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """One pass of the model over the conversation until now."""
        prompt = turn.prompt([*self._context.items, *self.builder.document["output"]], self._seal)
        request = GenerationRequest(
            turn.model,
            prompt,
            turn.sampling,
            turn.request_id,
            None if self._tools else turn.order,
            turn.caching,
            tier=turn.tier,
            patience=turn.patience,
            named=turn.named,
        )
        reader, before = ChatReader(turn.model, prompt, 1), self.usage
        async with generate(self._app, self._caller, request) as generation:
            for event in () if self.has_begun else self.builder.begin():
                self.has_begun = True
                yield event
            async for token in generation:
                news = reader.read(token)
                self.usage = before + generation.usage
                self._finish_reason = news.finish_reason or self._finish_reason
                for event in self.builder.add(news):
                    yield event

    async def _run_tools(self) -> AsyncGenerator[Event, None]:
        """What the model has called of the tools that are hosted here, as far as the request allows."""
        self._calls = () if self._is_cut else self.builder.take_calls()
        for call in self._calls[: self._num_calls_left]:
            async with aclosing(self._tools[call.name].run(call, self.builder)) as events:
                async for event in events:
                    yield event
        self._num_calls_left = max(0, self._num_calls_left - len(self._calls))

    def _next(self, turn: Turn) -> Turn | None:
        """The pass after the one that called tools: free to answer, without hosted tools when no call is left."""
        if not self._calls:
            return None
        limit = self._turn.sampling.max_tokens
        left = None if limit is None else limit - self.usage.completion_tokens
        if left is not None and left < 1:
            self._finish_reason = "length"
            return None
        use = turn.tool_use
        gone = frozenset() if self._num_calls_left else frozenset(self._tools)
        tools = [tool for tool in use.tools if tool.name not in gone]
        params = [param for tool, param in zip(use.tools, use.params, strict=True) if tool.name not in gone]
        use = replace(use, tools=tools, params=params, choice=ToolChoice())
        return replace(turn, tool_use=use, sampling=replace(turn.sampling, max_tokens=left))
