"""Input items on the wire, and their way into the service's items. What cannot be read is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationError

from owngpt.errors import InvalidRequest
from owngpt.server.schemas.base import WireModel, invalid, shown, translate, unknown_fields
from owngpt.server.schemas.responses.mcp_items import MCP_JSON, MCP_SHAPES
from owngpt.server.schemas.responses.parts import Content, Part, content_json, note_images, output_json
from owngpt.service.responses.items import Item, item_id

MAX_ITEMS = 16_384
Id = Annotated[str, Field(min_length=1, max_length=256)]
CallId = Annotated[str, Field(min_length=1, max_length=128)]
Status = Literal["in_progress", "completed", "incomplete"]


class MessageItem(WireModel):
    """A message of any role; `type` may be missing."""

    type: Literal["message"] = "message"
    id: Id | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class CallItem(WireModel):
    """A call that an answer made, of a tool that the client runs."""

    id: Id | None = None
    call_id: CallId
    name: str = Field(min_length=1, max_length=256)
    status: Status | None = None
    namespace: str | None = None
    caller: Any = None


class FunctionCallItem(CallItem):
    """A call of a function."""

    type: Literal["function_call"]
    arguments: str


class CustomCallItem(CallItem):
    """A call of a custom tool."""

    type: Literal["custom_tool_call"]
    input: str


class CallOutputItem(WireModel):
    """What a tool of the client gave."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    id: Id | None = None
    call_id: CallId
    output: Content
    status: Status | None = None
    name: str | None = None
    namespace: str | None = None
    caller: Any = None


class ReasoningItem(WireModel):
    """Thinking that an answer gave."""

    type: Literal["reasoning"]
    id: Id | None = None
    summary: list[Part] | None = None
    content: list[Part] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class FileSearchItem(WireModel):
    """A search that an answer made."""

    type: Literal["file_search_call"]
    id: Id | None = None
    queries: list[str] | None = None
    results: list[dict[str, Any]] | None = None
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None


class CompactionItem(WireModel):
    """A part of a conversation that /responses/compact has summed up."""

    type: Literal["compaction"]
    id: Id | None = None
    encrypted_content: str = Field(max_length=20_971_520)
    created_by: str | None = None


class ReferenceItem(WireModel):
    """An item that is stored here."""

    type: Literal["item_reference"] = "item_reference"
    id: Id


class ReadItems(NamedTuple):
    """Items in their stored form (references still to be looked up), and the paths of what has no effect."""

    items: list[Item]
    unknown: list[str]
    images: Sequence[str] = ()  # paths of those that the model is only told of


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list) or value is None:
        return value
    raise invalid("invalid_type", "expected a string or an array of input items.")


Input = Annotated[list[dict[str, Any]], Field(max_length=MAX_ITEMS, fail_fast=True), BeforeValidator(_listed)]


def read_items(raw: Sequence[Mapping[str, Any]], where: str = "input", *, notes_images: bool = False) -> ReadItems:
    """Wire -> items. Raises `InvalidRequest` that names the path. With `notes_images` they are replaced by a note."""
    items: list[Item] = []
    unknown: list[str] = []
    images: list[str] = []
    for i, value in enumerate(raw):
        place = f"{where}[{i}]"
        for name in ("content", "output") if notes_images else ():
            if name in value:
                value = {**value, name: note_images(value[name], f"{place}.{name}", images)}
        wire = _parse(value, (where, i), place)
        unknown += [f"{place}.{name}" for name in unknown_fields(wire)]
        items.append(_JSON[type(wire)](wire, place))
    _check_ids(items, where)
    return ReadItems(items, [*unknown, *(f"{path}.input_image" for path in images)], images)


def _parse(value: Mapping[str, Any], location: tuple[str | int, ...], place: str) -> WireModel:
    shape = _SHAPES.get(kind) if isinstance(kind := _kind(value), str) else None
    if shape is None:
        raise InvalidRequest(
            f"Invalid value for '{place}.type': {shown(kind)}. This server reads items of the types: "
            f"{', '.join(_SHAPES)}.",
            param=f"{place}.type",
            code="invalid_value",
        )
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise translate({**first, "loc": (*location, *first["loc"])}) from None


def _kind(value: Mapping[str, Any]) -> Any:
    """The type; where it is missing or null, a message or a reference by what else is there."""
    return value.get("type") or ("item_reference" if "id" in value and "role" not in value else "message")


def _check_ids(items: Sequence[Item], where: str) -> None:
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item["id"] in seen:
            raise InvalidRequest(
                f"Duplicate item found with id {item['id'][:80]}. Remove one of the two from your input.",
                param=f"{where}[{i}].id",
            )
        seen.add(item["id"])


def _message(wire: MessageItem, where: str) -> Item:
    phase = {} if wire.phase is None else {"phase": wire.phase}
    return {
        "type": "message",
        "id": wire.id or item_id("message"),
        "status": wire.status or "completed",
        "role": wire.role,
        "content": content_json(wire.content, wire.role, f"{where}.content"),
        **phase,
    }


def _function_call(wire: FunctionCallItem, where: str) -> Item:
    return {**_called(wire), "arguments": wire.arguments}


def _custom_call(wire: CustomCallItem, where: str) -> Item:
    return {**_called(wire), "input": wire.input}


def _called(wire: FunctionCallItem | CustomCallItem) -> Item:
    return {
        "type": wire.type,
        "id": wire.id or item_id(wire.type),
        "call_id": wire.call_id,
        "name": wire.name,
        "status": wire.status or "completed",
    }


def _call_output(wire: CallOutputItem, where: str) -> Item:
    return {
        "type": wire.type,
        "id": wire.id or item_id(wire.type),
        "call_id": wire.call_id,
        "output": output_json(wire.output, f"{where}.output"),
        "status": wire.status or "completed",
    }


def _reasoning(wire: ReasoningItem, where: str) -> Item:
    item: Item = {
        "type": "reasoning",
        "id": wire.id or item_id("reasoning"),
        "summary": [{"type": "summary_text", "text": part.text or ""} for part in wire.summary or ()],
        "status": wire.status or "completed",
    }
    if wire.content:
        item["content"] = [{"type": "reasoning_text", "text": part.text or ""} for part in wire.content]
    if wire.encrypted_content:
        item["encrypted_content"] = wire.encrypted_content
    return item


def _file_search(wire: FileSearchItem, where: str) -> Item:
    return {
        "type": "file_search_call",
        "id": wire.id or item_id("file_search_call"),
        "status": wire.status or "completed",
        "queries": wire.queries or [],
        "results": wire.results,
    }


def _compaction(wire: CompactionItem, where: str) -> Item:
    return {
        "type": "compaction",
        "id": wire.id or item_id("compaction"),
        "encrypted_content": wire.encrypted_content,
    }


def _reference(wire: ReferenceItem, where: str) -> Item:
    return {"type": "item_reference", "id": wire.id}


_SHAPES: Mapping[str, type[WireModel]] = {
    "message": MessageItem,
    "function_call": FunctionCallItem,
    "function_call_output": CallOutputItem,
    "custom_tool_call": CustomCallItem,
    "custom_tool_call_output": CallOutputItem,
    "reasoning": ReasoningItem,
    "file_search_call": FileSearchItem,
    "compaction": CompactionItem,
    "item_reference": ReferenceItem,
    **MCP_SHAPES,
}
_JSON: Mapping[type[WireModel], Callable[[Any, str], Item]] = {
    MessageItem: _message,
    FunctionCallItem: _function_call,
    CustomCallItem: _custom_call,
    CallOutputItem: _call_output,
    ReasoningItem: _reasoning,
    FileSearchItem: _file_search,
    CompactionItem: _compaction,
    ReferenceItem: _reference,
    **MCP_JSON,
}
