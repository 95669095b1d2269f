"""Items of an answer while they are open: a message, a thought, a call. Each knows the events of its own life.

added, (parts added), deltas ..., (done, parts done), done
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from owngpt.service.responses.items import Item, item_id
from owngpt.service.responses.seal import Seal

Event = dict[str, Any]
Emit = Callable[..., Event]  # (type, **fields) -> the next event of the response
Status = Literal["completed", "incomplete"]


class OpenItem(ABC):
    """An item that is being made. `item` is in the response from the beginning, and changes until it is closed."""

    def __init__(self, type_: str, index: int, emit: Emit, **fields: Any) -> None:
        self.item: Item = {"type": type_, "id": item_id(type_), "status": "in_progress", **fields}
        self._index, self._emit = index, emit
        self._texts: list[str] = []

    def open(self) -> Iterator[Event]:
        """Its first events."""
        yield self._emit("response.output_item.added", output_index=self._index, item=copy(self.item))

    def close(self, status: Status) -> Iterator[Event]:
        """Its last events."""
        yield from self._end("".join(self._texts))
        if self.item["type"] != "compaction":  # which has none
            self.item["status"] = status
        yield self._emit("response.output_item.done", output_index=self._index, item=copy(self.item))

    @abstractmethod
    def add(self, text: str) -> Iterator[Event]:
        """More of its text."""

    @abstractmethod
    def _end(self, text: str) -> Iterator[Event]:
        """Take the whole text; say that its parts are done."""

    def _at(self, **indices: int) -> dict[str, Any]:
        return {"item_id": self.item["id"], "output_index": self._index, **indices}


class OpenMessage(OpenItem):
    """Words. Their logprobs are handed over before the text that they belong to."""

    def __init__(self, index: int, emit: Emit) -> None:
        super().__init__("message", index, emit, role="assistant", content=[])
        self._part: Item = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._logprobs: list[Item] = []  # of text that has not come yet

    def open(self) -> Iterator[Event]:
        yield from super().open()
        self.item["content"].append(self._part)
        yield self._emit("response.content_part.added", **self._at(content_index=0), part=copy(self._part))

    def expect(self, logprobs: Iterable[Item]) -> None:
        """Logprobs of the text that comes next."""
        self._logprobs += logprobs

    def add(self, text: str) -> Iterator[Event]:
        self._texts.append(text)
        logprobs, self._logprobs = self._logprobs, []
        self._part["logprobs"] += logprobs
        yield self._emit("response.output_text.delta", **self._at(content_index=0), delta=text, logprobs=logprobs)

    def annotate(self, annotation: Mapping[str, Any]) -> Iterator[Event]:
        """A citation."""
        self._part["annotations"].append(dict(annotation))
        number = len(self._part["annotations"]) - 1
        yield self._emit(
            "response.output_text.annotation.added",
            **self._at(content_index=0),
            annotation_index=number,
            annotation=dict(annotation),
        )

    def _end(self, text: str) -> Iterator[Event]:
        self._part["text"] = text
        self._part["logprobs"] += self._logprobs
        place = self._at(content_index=0)
        yield self._emit("response.output_text.done", **place, text=text, logprobs=list(self._part["logprobs"]))
        yield self._emit("response.content_part.done", **place, part=copy(self._part))


class OpenRefusal(OpenItem):
    """A message that says why there is no answer."""

    def __init__(self, index: int, emit: Emit) -> None:
        super().__init__("message", index, emit, role="assistant", content=[])
        self._part: Item = {"type": "refusal", "refusal": ""}

    def open(self) -> Iterator[Event]:
        yield from super().open()
        self.item["content"].append(self._part)
        yield self._emit("response.content_part.added", **self._at(content_index=0), part=copy(self._part))

    def add(self, text: str) -> Iterator[Event]:
        self._texts.append(text)
        yield self._emit("response.refusal.delta", **self._at(content_index=0), delta=text)

    def _end(self, text: str) -> Iterator[Event]:
        self._part["refusal"] = text
        place = self._at(content_index=0)
        yield self._emit("response.refusal.done", **place, refusal=text)
        yield self._emit("response.content_part.done", **place, part=copy(self._part))


class OpenReasoning(OpenItem):
    """Thinking, in the open. With a `seal` the item also carries it encrypted."""

    kind, part_type, index_name = "reasoning_text", "content_part", "content_index"
    field = "content"

    def __init__(self, index: int, emit: Emit, seal: Seal | None) -> None:
        super().__init__("reasoning", index, emit, summary=[])
        self._seal = seal

    def open(self) -> Iterator[Event]:
        yield from super().open()
        yield self._emit(f"response.{self.part_type}.added", **self._place(), part=self._part(""))

    def add(self, text: str) -> Iterator[Event]:
        self._texts.append(text)
        yield self._emit(f"response.{self._text}.delta", **self._place(), delta=text)

    def _end(self, text: str) -> Iterator[Event]:
        self.item[self.field] = [self._part(text)]
        if self._seal is not None:
            self.item["encrypted_content"] = self._seal.close(text, "reasoning")
        yield self._emit(f"response.{self._text}.done", **self._place(), text=text)
        yield self._emit(f"response.{self.part_type}.done", **self._place(), part=self._part(text))

    @property
    def _text(self) -> str:
        return "reasoning_summary_text" if self.field == "summary" else "reasoning_text"

    def _part(self, text: str) -> Item:
        return {"type": self.kind, "text": text}

    def _place(self) -> dict[str, Any]:
        return self._at(**{self.index_name: 0})


class OpenSummary(OpenReasoning):
    """Thinking, for clients that asked for a summary of it: nobody sums up here, so it is the thinking itself."""

    kind, part_type, index_name = "summary_text", "reasoning_summary_part", "summary_index"
    field = "summary"


class OpenCall(OpenItem):
    """A call of a tool that the client runs: `function_call` or `custom_tool_call`."""

    def __init__(self, index: int, emit: Emit, type_: str, call_id: str, name: str) -> None:
        self._key = "input" if type_ == "custom_tool_call" else "arguments"
        self._kind = "custom_tool_call_input" if type_ == "custom_tool_call" else "function_call_arguments"
        super().__init__(type_, index, emit, call_id=call_id, name=name, **{self._key: ""})

    def add(self, text: str) -> Iterator[Event]:
        self._texts.append(text)
        yield self._emit(f"response.{self._kind}.delta", **self._at(), delta=text)

    def _end(self, text: str) -> Iterator[Event]:
        self.item[self._key] = text
        name = {"name": self.item["name"]} if self._key == "arguments" else {}
        yield self._emit(f"response.{self._kind}.done", **self._at(), **name, **{self._key: text})


class OpenWhole(OpenItem):
    """An item without a text of its own, made by a tool that runs here."""

    def __init__(self, index: int, emit: Emit, item: Item) -> None:
        super().__init__(item["type"], index, emit)
        self.item = item

    def add(self, text: str) -> Iterator[Event]:
        raise AssertionError("it has no text")

    def _end(self, text: str) -> Iterator[Event]:
        yield from ()

    def event(self, type_: str) -> Event:
        """News of it, such as `response.file_search_call.searching`."""
        return self._emit(type_, **self._at())


def copy(document: Any) -> Any:
    """As of now: events outlive the moment."""
    return json.loads(json.dumps(document))
