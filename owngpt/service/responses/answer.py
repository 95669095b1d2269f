"""One response: the first file to read here.

what the model is shown -> generate, and run the tools that are hosted here, until there is an answer
                        -> stored -> the last event
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from anyio import to_thread

from owngpt.service.app import App, Caller
from owngpt.service.failures import as_request_error
from owngpt.service.generate import GenerationRequest, generate
from owngpt.service.grounding import GroundedEvent, GroundedGeneration, GroundedVerdict, as_it_is, ground
from owngpt.service.inline import read_documents
from owngpt.service.privacy.chat import reader_of
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.service.responses.compaction import Compacted, compact_if_long
from owngpt.service.responses.file_search import Found, find
from owngpt.service.responses.history import check_room
from owngpt.service.responses.hosted import MAX_CALLS
from owngpt.service.responses.items import CALL_OF, CALLS, Item
from owngpt.service.responses.keeping import keep
from owngpt.service.responses.mcp.toolbox import Toolbox
from owngpt.service.responses.open_items import Event
from owngpt.service.responses.private import mask_again
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.service.workers import INLINE_COST
from owngpt.store.approvals import Approvals
from owngpt.text.grammar import ToolChoice
from owngpt.types import Citation, Passage, Tool, ToolCall, Usage


async def respond(
    app: App, caller: Caller, turn: Turn, context: Context, see: Callable[[dict[str, Any]], None] | None = None
) -> AsyncGenerator[Event, None]:
    """The events of one response. It is stored, if it is to be, before the last one; `see` is given it as it is kept,
    with all that was found, stored or not.

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
    await keep(app, caller, turn, context, document := answer.stored())
    if see is not None:
        see(document)
    yield answer.builder.ending()


async def respond_whole(app: App, caller: Caller, turn: Turn, context: Context) -> dict[str, Any]:
    """The response when it has ended, and is stored if it is to be. Whatever goes wrong is raised.

    Once a tool has run here it is told by the response instead, which has failed then: a client that sends the request
    again would have the tool run again.
    """
    answer = Answer(app, caller, turn, context)
    try:
        async with aclosing(answer.events()) as events:
            async for _ in events:
                pass
    except Exception as error:
        if not answer.has_run_tools:
            raise
        answer.builder.fail(as_request_error(error, turn.request_id), answer.usage)
    await keep(app, caller, turn, context, answer.stored())
    return answer.builder.document


class Answer:
    """The making of a response, up to its last event. `num_events`: how many have been sent before."""

    def __init__(self, app: App, caller: Caller, turn: Turn, context: Context, num_events: int = 0) -> None:
        self._app, self._caller, self._turn, self._context = app, caller, turn, context
        self._seal = seal_of(app, caller, turn.guard)
        self._tools = {tool.definition.name: tool for tool in turn.hosted}
        self._num_calls_left = MAX_CALLS if turn.max_tool_calls is None else turn.max_tool_calls
        self._finish_reason: str | None = None
        self._calls: Sequence[ToolCall] = ()
        self._passages: Sequence[Passage] | None = None  # that the answer is tied to
        self._found: Found | None = None  # the search that was made for them
        self._box = Toolbox(app, turn, context)
        self.results: dict[str, list[Item]] = {}  # of searches, by their items
        self.usage = Usage()
        self.has_begun = self.has_run_tools = False
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
        try:
            async with aclosing(self._passes()) as events:
                async for event in events:
                    yield event
        finally:
            await self._box.close()
        for event in self.builder.finish(self.usage, "max_output_tokens" if self._is_cut else None):
            yield event

    def stored(self) -> dict[str, Any]:
        """The response as it is kept: with all that was found."""
        document = self.builder.document
        output = [
            {**item, "results": self.results[item["id"]]} if item["id"] in self.results else item
            for item in document["output"]
        ]
        return {**document, "output": output}

    @property
    def _is_cut(self) -> bool:
        return self._finish_reason == "length"

    async def _passes(self) -> AsyncGenerator[Event, None]:
        """What the model says and calls, and what its tools do, until there is an answer."""
        turn: Turn | None = await self._with_servers()
        async with aclosing(self._run_approved()) as events:
            async for event in events:
                yield event
        while turn is not None:
            async with aclosing(self._generate(turn)) as events:
                async for event in events:
                    yield event
            async with aclosing(self._run_tools()) as events:
                async for event in events:
                    yield event
            turn = self._next(turn)

    async def _with_servers(self) -> Turn:
        """The turn, with the tools of MCP servers."""
        turn = await self._box.open()
        self._tools = {tool.definition.name: tool for tool in turn.hosted}
        self.builder.hosted = frozenset(self._tools)
        return turn

    async def _run_approved(self) -> AsyncGenerator[Event, None]:
        """Calls that were asked for in an earlier response, and may be made now; servers that gave no list, before.

        Where there is no room for an answer nothing is called, and the approval holds for the next try.
        """
        if approved := self._box.approved():
            await check_room(self._app, self._caller, self._turn)
            ids = [request["id"] for _, request in approved]
            await to_thread.run_sync(Approvals(self._app.database).begin, self._caller.project_id, ids)
        for event in self._begin() if approved or self._box.failure else ():
            yield event
        if self._box.failure is not None:
            raise self._box.failure
        for tool, request in approved:
            self.has_run_tools = True
            self._num_calls_left = max(0, self._num_calls_left - 1)
            async with aclosing(tool.run_approved(request, self.builder)) as events:
                async for event in events:
                    yield event

    def _begin(self) -> Iterator[Event]:
        """The first events, once."""
        if not self.has_begun:
            self.has_begun = True
            yield from self.builder.begin()
            if self._turn.preface and self._turn.response_format.type == "text":
                yield from self.builder.say(self._turn.preface)
            yield from self._box.tell(self.builder)

    async def _generate(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """One pass of the model over the conversation until now."""
        compacted = await self._compact(turn)
        before, is_first = self.usage, self._passages is None
        async with self._generation(turn) as generation:
            for event in self._begin():
                yield event
            for event in self._tell_whole(compacted.item) if compacted else ():
                yield event
            for event in self._tell(self._found) if self._found and is_first else ():
                yield event
            async for news in generation:
                self.usage = before + generation.usage
                for event in self._read(news):
                    yield event

    async def _compact(self, turn: Turn) -> Compacted | None:
        """Sum the conversation up, where it is too long, before it is answered."""
        if self.has_begun:
            return None
        compacted = await compact_if_long(self._app, self._caller, turn, self._context)
        if compacted is not None:
            self._context, self.usage = compacted.context, compacted.usage
        return compacted

    def _tell_whole(self, item: Item) -> Iterator[Event]:
        yield from self.builder.open(self.builder.open_whole(item))
        yield from self.builder.close()

    def _read(self, news: GroundedEvent) -> Iterator[Event]:
        if isinstance(news, Citation):
            return self.builder.cite(news)
        if isinstance(news, GroundedVerdict):
            return self.builder.conclude(news)
        self._finish_reason = news.finish_reason or self._finish_reason
        return self.builder.add(news)

    @asynccontextmanager
    async def _generation(self, turn: Turn) -> AsyncIterator[GroundedGeneration]:
        """What the model says: tied to passages, where there are any to be tied to."""
        app, caller = self._app, self._caller
        outputs = [item for item in self.builder.document["output"] if item["type"] != "compaction"]
        size = INLINE_COST if outputs and turn.guard else 0
        request = self._request(turn, await app.workers.run(size, mask_again, turn.guard, outputs))
        if not (turn.search or turn.documents):
            reader = reader_of(request, turn.prompt((), self._seal))
            async with generate(app, caller, request) as generation:
                yield GroundedGeneration(as_it_is(generation, reader), generation)
        else:
            async with ground(app, caller, request, partial(self._find, turn), turn.grounding) as grounded:
                yield grounded

    def _request(self, turn: Turn, outputs: Sequence[Item]) -> GenerationRequest:
        """To go on from what was said and called until now."""
        prompt = turn.prompt([*self._context.items, *outputs], self._seal)
        return GenerationRequest(
            turn.model,
            prompt,
            turn.sampling,
            turn.request_id,
            None if self._tools else turn.order,
            turn.caching,
            tier=turn.tier,
            patience=turn.patience,
            guard=turn.guard,
            named=turn.named,
        )

    async def _find(self, turn: Turn) -> Sequence[Passage]:
        """The passages, which are looked for once."""
        if self._passages is None:
            is_kept = turn.is_stored or turn.conversation_id is not None
            passages = await read_documents(self._app, self._caller, turn.documents, turn.guard, is_kept=is_kept)
            if turn.search is not None:
                self._found = await find(self._app, self._caller, turn.search, self._context.items, turn.guard)
                passages = [*passages, *self._found.passages]
            self._passages = passages
        return self._passages

    def _tell(self, found: Found) -> Iterator[Event]:
        """The events of a search. What it found is shown where it is asked for, and stored in any case."""
        has_results = "file_search_call.results" in self._turn.include
        self.results[found.item["id"]] = found.item["results"]
        item = found.item if has_results else {**found.item, "results": None}
        search = self.builder.open_whole({**item, "status": "in_progress"})
        yield from self.builder.open(search)
        for state in ("in_progress", "searching", "completed"):
            yield search.event(f"response.file_search_call.{state}")
        yield from self.builder.close()

    async def _run_tools(self) -> AsyncGenerator[Event, None]:
        """What the model has called of the tools that are hosted here, as far as the request allows."""
        self._calls = () if self._is_cut else self.builder.take_calls()
        allowed = self._calls[: self._num_calls_left]
        self.has_run_tools = self.has_run_tools or bool(allowed)
        self._box.start(allowed)
        for call in allowed:
            async with aclosing(self._tools[call.name].run(call, self.builder)) as events:
                async for event in events:
                    yield event
        self._num_calls_left = max(0, self._num_calls_left - len(self._calls))

    @property
    def _waits_for_client(self) -> bool:
        """Whether the client has something to do first: to run a tool, or to approve a call."""
        output = self.builder.document["output"]
        if any(item["type"] == "mcp_approval_request" for item in output):
            return True
        given = {item["call_id"] for item in output if item["type"] in CALL_OF}
        return any(item["type"] in CALLS and item["call_id"] not in given for item in output)

    def _later_choice(self, choice: ToolChoice, tools: Sequence[Tool]) -> ToolChoice:
        """What was demanded has been done; what is not allowed stays so."""
        asked = self._turn.fields.get("tool_choice")
        if choice.names is None or not isinstance(asked, dict) or asked["type"] != "allowed_tools":
            return ToolChoice()
        names = choice.names & {tool.name for tool in tools}
        return ToolChoice("auto", names) if names else ToolChoice("none")

    def _next(self, turn: Turn) -> Turn | None:
        """The pass after the one that called tools: free to answer, without hosted tools when no call is left."""
        if not self._calls or self._waits_for_client:
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
        use = replace(use, tools=tools, params=params, choice=self._later_choice(use.choice, tools))
        return replace(turn, tool_use=use, sampling=replace(turn.sampling, max_tokens=left))
