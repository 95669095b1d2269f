"""Chat answers on the wire: chunks while they come, and the whole message at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from owngpt.server.schemas.answer import ChunkFrame, Identity
from owngpt.server.schemas.usage import usage_json
from owngpt.service.citations import file_citation, grounding_json
from owngpt.service.grounding import GroundedEvent, GroundedVerdict
from owngpt.service.logprobs import logprob_json
from owngpt.text.output import ContentDelta, OutputDelta, ReasoningDelta, ToolCallArguments, ToolCallStart
from owngpt.types import Citation, Usage, Verdict


def _call(start: ToolCallStart, text: str) -> dict[str, Any]:
    if start.type == "custom":
        return {"id": start.id, "type": "custom", "custom": {"name": start.name, "input": text}}
    return {"id": start.id, "type": "function", "function": {"name": start.name, "arguments": text}}


def _logprobs(entries: Sequence[dict[str, Any]] | None) -> dict[str, Any] | None:
    return None if entries is None else {"content": list(entries), "refusal": None}


def _refusal(verdict: GroundedVerdict | None, *, has_content: bool) -> str | None:
    """An abstention where the answer had to conform to a schema, so that it cannot be said in it."""
    is_refused = verdict is not None and verdict.verdict is Verdict.ABSTAINED and not has_content
    return verdict.message if verdict is not None and is_refused else None


@dataclass(slots=True)
class _Choice:
    """A choice so far."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[tuple[ToolCallStart, list[str]]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    verdict: GroundedVerdict | None = None

    def add(self, delta: OutputDelta) -> None:
        match delta:
            case ContentDelta():
                self.content.append(delta.text)
            case ReasoningDelta():
                self.reasoning.append(delta.text)
            case ToolCallStart():
                self.calls.append((delta, []))
            case ToolCallArguments():
                self.calls[delta.index][1].append(delta.text)

    def message(self) -> dict[str, Any]:
        content, refusal = "".join(self.content), _refusal(self.verdict, has_content=bool(self.content))
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content if content or not (self.calls or refusal) else None,
            "refusal": refusal,
            "annotations": self.annotations,
        }
        if self.verdict is not None:
            message["grounding"] = grounding_json(self.verdict)
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = [_call(start, "".join(parts)) for start, parts in self.calls]
        return message


class WholeChat:
    """Gathers events into one `chat.completion`."""

    def __init__(self, num_choices: int) -> None:
        self._choices = [_Choice() for _ in range(num_choices)]

    def add(self, event: GroundedEvent) -> None:
        """One more event; citations and verdicts are those of the only choice."""
        if isinstance(event, Citation):
            self._choices[0].annotations.append(file_citation(event))
            return
        if isinstance(event, GroundedVerdict):
            self._choices[0].verdict = event
            return
        choice = self._choices[event.index]
        for delta in event.deltas:
            choice.add(delta)
        if event.logprobs is not None:
            choice.logprobs = choice.logprobs or []
            choice.logprobs += map(logprob_json, event.logprobs)
        choice.finish_reason = event.finish_reason or choice.finish_reason

    def document(self, identity: Identity, usage: Usage) -> dict[str, Any]:
        choices = [
            {
                "index": i,
                "message": choice.message(),
                "logprobs": _logprobs(choice.logprobs),
                "finish_reason": choice.finish_reason,
            }
            for i, choice in enumerate(self._choices)
        ]
        fields = identity.fields("chat.completion")
        return {**fields, "choices": choices, "usage": usage_json(usage)}


class ChatStream:
    """Turns events into `chat.completion.chunk`s.

    The first chunk of a choice has the role. Where tools are offered it waits for the first delta, because a tool
    call has `content: null` there.
    """

    def __init__(self, identity: Identity, num_choices: int, *, has_tools: bool, has_usage: bool) -> None:
        self._frame = ChunkFrame(identity, "chat.completion.chunk", has_usage=has_usage)
        self._num_choices = num_choices
        self._has_tools = has_tools
        self._has_role = [False] * num_choices
        self._has_content = False
        self._custom: set[tuple[int, int]] = set()  # (choice, call) of custom tools
        self._logprobs: list[list[dict[str, Any]] | None] = [None] * num_choices  # not sent yet

    def opening(self) -> bytes:
        """What can be said before the first token."""
        return b"" if self._has_tools else b"".join(self._role(i) for i in range(self._num_choices))

    def add(self, event: GroundedEvent) -> bytes:
        """The chunks of one event; may be empty. Citations and verdicts are those of the only choice."""
        if isinstance(event, Citation):
            return self._with_role(0) + self._chunk(0, {"annotations": [file_citation(event)]})
        if isinstance(event, GroundedVerdict):
            return self._verdict(event)
        if event.logprobs is not None:
            waiting = self._logprobs[event.index] = self._logprobs[event.index] or []
            waiting += map(logprob_json, event.logprobs)
        chunks = [self._delta(event.index, delta) for delta in event.deltas]
        if event.finish_reason is not None:
            if not self._has_role[event.index]:
                chunks.append(self._role(event.index))
            chunks.append(self._chunk(event.index, {}, event.finish_reason))
        return b"".join(chunks)

    def usage(self, usage: Usage) -> bytes:
        """The last chunk, where the client asked for it."""
        return self._frame.usage(usage_json(usage))

    def _verdict(self, verdict: GroundedVerdict) -> bytes:
        refusal = _refusal(verdict, has_content=self._has_content)
        refused = {"refusal": refusal} if refusal else {}
        return self._with_role(0) + self._chunk(0, {**refused, "grounding": grounding_json(verdict)})

    def _delta(self, index: int, delta: OutputDelta) -> bytes:
        match delta:
            case ContentDelta():
                self._has_content = True
                return self._with_role(index) + self._chunk(index, {"content": delta.text})
            case ReasoningDelta():
                return self._with_role(index) + self._chunk(index, {"reasoning_content": delta.text})
            case ToolCallStart():
                return self._call_start(index, delta)
            case ToolCallArguments():
                is_custom = (index, delta.index) in self._custom
                text = {"custom": {"input": delta.text}} if is_custom else {"function": {"arguments": delta.text}}
                return self._chunk(index, {"tool_calls": [{"index": delta.index, **text}]})

    def _call_start(self, index: int, delta: ToolCallStart) -> bytes:
        if delta.type == "custom":
            self._custom.add((index, delta.index))
        call = {"tool_calls": [{"index": delta.index, **_call(delta, "")}]}
        return self._chunk(index, call if self._has_role[index] else {**self._first(index, None), **call})

    def _with_role(self, index: int) -> bytes:
        return b"" if self._has_role[index] else self._role(index)

    def _role(self, index: int) -> bytes:
        return self._chunk(index, self._first(index, ""))

    def _first(self, index: int, content: str | None) -> dict[str, Any]:
        self._has_role[index] = True
        return {"role": "assistant", "content": content, "refusal": None}

    def _chunk(self, index: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        logprobs = None
        if self._logprobs[index] is not None and (delta.get("content") or finish_reason):
            logprobs, self._logprobs[index] = _logprobs(self._logprobs[index]), None
        return self._frame.choice(
            {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        )
