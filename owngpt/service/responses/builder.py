"""A response while it is made: items open and close in order, and each step is an event of the wire.

The one builder of both the stream and the whole answer, so they cannot differ: the whole answer is `document` when all
events have been made and thrown away. Event types: OpenAI's OpenAPI description.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

from owngpt.errors import RequestError
from owngpt.service.chat import ChatEvent
from owngpt.service.citations import file_citation, grounding_json
from owngpt.service.grounded import GroundedVerdict
from owngpt.service.logprobs import logprob_json
from owngpt.service.responses.items import Item
from owngpt.service.responses.mcp.rendering import new_pass
from owngpt.service.responses.open_items import (
    Emit,
    Event,
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenReasoning,
    OpenRefusal,
    OpenSummary,
    OpenWhole,
    Status,
    copy,
)
from owngpt.service.responses.seal import Seal
from owngpt.service.responses.spoken import Spoken
from owngpt.service.responses.usage import response_usage
from owngpt.text.output import ContentDelta, OutputDelta, ReasoningDelta, ToolCallArguments, ToolCallStart
from owngpt.types import Citation, ToolCall, Usage, Verdict

MAX_MESSAGE = 1_000  # characters of an error's message


class ResponseBuilder:
    """One response. Its methods yield the events of what they do; `document` is the response as of now."""

    def __init__(
        self,
        document: dict[str, Any],
        *,
        has_summary: bool = False,
        has_logprobs: bool = False,
        seal: Seal | None = None,
        hosted: frozenset[str] = frozenset(),
        num_events: int = 0,
    ) -> None:
        """`hosted` names the tools that run here: calls of them are kept for `take_calls`.

        `num_events` are known already: the response is made on, not from its first event.
        """
        self.document = document
        self._output: list[Item] = document["output"]
        self._has_summary, self._has_logprobs, self._seal, self.hosted = has_summary, has_logprobs, seal, hosted
        self.pass_id = new_pass()  # of what the model has called at once
        self._sequence_number = num_events - 1
        self._open: OpenItem | None = None
        self._logprobs: list[Item] = []  # of text that has not come yet
        self._spoken = Spoken()  # in this pass
        self._hosted_calls: dict[int, tuple[ToolCallStart, list[str]]] = {}

    def begin(self, status: str = "in_progress") -> Iterator[Event]:
        """It is created, if it was not, and `queued` or `in_progress` now."""
        self.document["status"] = status
        if self._sequence_number < 0:
            yield self._whole("response.created")
        yield self._whole(f"response.{status}")

    def add(self, news: ChatEvent) -> Iterator[Event]:
        """What the model has said, thought or called."""
        if self._has_logprobs:
            self._logprobs += map(logprob_json, news.logprobs or ())
        for delta in news.deltas:
            yield from self._add(delta)

    def say(self, text: str) -> Iterator[Event]:
        """A message of the server's own."""
        message = OpenMessage(len(self._output), self._event)
        yield from self.open(message)
        yield from message.add(text)
        yield from self.close()

    def open(self, item: OpenItem) -> Iterator[Event]:
        """A new item; what is open is closed first."""
        yield from self.close()
        self._open = item
        self._output.append(item.item)
        yield from item.open()

    def close(self, status: Status = "completed") -> Iterator[Event]:
        """End the item that is open, if one is."""
        item, self._open = self._open, None
        if isinstance(item, OpenMessage):
            item.expect(self._take_logprobs())
        if item is not None:
            yield from item.close(status)

    def open_whole(self, item: Item) -> OpenWhole:
        """For an item that a tool makes: pass it to `open`, then `close`."""
        return OpenWhole(len(self._output), self._event, item)

    def place(self) -> tuple[int, Emit]:
        """Where the next item stands, and what makes its events: for items that tools make."""
        return len(self._output), self._event

    def cite(self, citation: Citation) -> Iterator[Event]:
        """A citation in the message that it belongs to."""
        message, placed = self._spoken.place(citation)
        yield from message.annotate(file_citation(placed))

    def conclude(self, verdict: GroundedVerdict) -> Iterator[Event]:
        """What the answer is worth. An abstention that could not be said in the answer's format is a refusal."""
        if verdict.verdict is Verdict.ABSTAINED and not self._spoken:
            refusal = OpenRefusal(len(self._output), self._event)
            yield from self.open(refusal)
            yield from refusal.add(verdict.message)
            refusal.item["grounding"] = grounding_json(verdict)
        for message, own in self._spoken.verdicts(verdict):
            message.item["grounding"] = grounding_json(own)

    def take_calls(self) -> list[ToolCall]:
        """The calls of hosted tools since this was asked last."""
        calls, self._hosted_calls = self._hosted_calls, {}
        self.pass_id, self._spoken = new_pass(), Spoken()
        return [ToolCall(start.id, start.name, "".join(parts), start.type) for start, parts in calls.values()]

    def finish(self, usage: Usage, incomplete: str | None = None) -> Iterator[Event]:
        """All but the last event; `incomplete` is the reason why the answer is cut."""
        yield from self.close("incomplete" if incomplete else "completed")
        if incomplete is None and all(item["type"] in _SILENT for item in self._output):
            yield from self.open(OpenMessage(len(self._output), self._event))
            yield from self.close()
        self.document["usage"] = response_usage(usage)
        if incomplete is None:
            self.document |= {"status": "completed", "completed_at": int(time.time())}
        else:
            self.document |= {"status": "incomplete", "incomplete_details": {"reason": incomplete}}

    def fail(self, error: RequestError, usage: Usage) -> Event:
        """The `error` event; from now on the response has failed."""
        if self._open is not None:
            self._open.item["status"] = "incomplete"
        code = _FAILURES.get(error.status, "invalid_prompt" if error.status < 500 else "server_error")
        message = error.message[:MAX_MESSAGE]
        self.document |= {
            "status": "failed",
            "error": {"code": code, "message": message},
            "usage": response_usage(usage),
        }
        return self._event("error", code=error.code or code, message=message, param=error.param)

    def ending(self) -> Event:
        """The last event: the response as it has ended."""
        return self._whole(f"response.{self.document['status']}")

    def _event(self, type_: str, **fields: Any) -> Event:
        self._sequence_number += 1
        return {"type": type_, "sequence_number": self._sequence_number, **fields}

    def _whole(self, type_: str) -> Event:
        return self._event(type_, response=copy(self.document))

    def _add(self, delta: OutputDelta) -> Iterator[Event]:
        match delta:
            case ContentDelta():
                message = yield from self._message()
                message.expect(self._take_logprobs())
                self._spoken.add(delta.text)
                yield from message.add(delta.text)
            case ReasoningDelta():
                thought = yield from self._thought()
                yield from thought.add(delta.text)
            case ToolCallStart():
                yield from self._call(delta)
            case ToolCallArguments() if delta.index in self._hosted_calls:
                self._hosted_calls[delta.index][1].append(delta.text)
            case ToolCallArguments():
                assert isinstance(self._open, OpenCall), "arguments follow the call that they are of"
                yield from self._open.add(delta.text)

    def _message(self) -> Generator[Event, None, OpenMessage]:
        """The message that is open, or a new one."""
        if not isinstance(self._open, OpenMessage):
            message = OpenMessage(len(self._output), self._event)
            yield from self.open(message)
            self._spoken.begin(message)
            return message
        return self._open

    def _thought(self) -> Generator[Event, None, OpenReasoning]:
        """The thought that is open, or a new one."""
        if not isinstance(self._open, OpenReasoning):
            kind = OpenSummary if self._has_summary else OpenReasoning
            thought = kind(len(self._output), self._event, self._seal)
            yield from self.open(thought)
            return thought
        return self._open

    def _take_logprobs(self) -> list[Item]:
        logprobs, self._logprobs = self._logprobs, []
        return logprobs

    def _call(self, start: ToolCallStart) -> Iterator[Event]:
        self._take_logprobs()
        if start.name in self.hosted:
            yield from self.close()
            self._hosted_calls[start.index] = (start, [])
        else:
            kind = "custom_tool_call" if start.type == "custom" else "function_call"
            yield from self.open(OpenCall(len(self._output), self._event, kind, start.id, start.name))


_SILENT = frozenset(
    {"reasoning", "file_search_call", "compaction", "mcp_list_tools", "mcp_call"}
)  # a reader wants a message beside these
_FAILURES = {429: "rate_limit_exceeded"}  # HTTP status -> code of a response's error
