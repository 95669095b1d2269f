"""Stored chat completions on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.chat import ChatCompletionRequest
from owngpt.server.schemas.messages import ChatMessage, ContentPart
from owngpt.server.schemas.metadata import Metadata
from owngpt.store.chat_completions import StoredCompletion

_ECHOED = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


class UpdateChatCompletion(WireModel):
    """All of its metadata anew."""

    metadata: Metadata | None


def stored_completion(
    project_id: str, request: ChatCompletionRequest, document: Mapping[str, Any], request_id: str
) -> StoredCompletion:
    """What is kept of a request and its answer."""
    echoed = {
        "request_id": request_id,
        "tools": [tool.model_dump(exclude_none=True) for tool in request.tools or ()] or None,
        "tool_choice": request.tool_choice.model_dump(exclude_none=True) if request.tool_choice else None,
        "response_format": request.response_format.model_dump(by_alias=True) if request.response_format else None,
        "input_user": request.user,
        **{name: getattr(request, name) for name in _ECHOED},
    }
    messages = [_message(message, f"{document['id']}-{i}") for i, message in enumerate(request.messages)]
    return StoredCompletion(
        document["id"],
        project_id,
        document["created"],
        document["model"],
        {**document, **echoed},
        messages,
        request.metadata or {},
    )


def completion_document(completion: StoredCompletion) -> dict[str, Any]:
    """`chat.completion`, as it was answered with, and what it was asked with."""
    return {**completion.body, "metadata": dict(completion.metadata)}


def _message(message: ChatMessage, message_id: str) -> dict[str, Any]:
    """A message of the request, as the list of messages has it."""
    calls = [call.model_dump(exclude_none=True) for call in message.tool_calls or ()]
    named = {"name": message.name} if message.name is not None else {}
    called = {"tool_calls": calls} if calls else {}
    answered = {"tool_call_id": message.tool_call_id} if message.tool_call_id is not None else {}
    return {
        "id": message_id,
        "role": message.role,
        "content": "".join(part.text or part.refusal or "" for part in message.content or ()),
        "refusal": message.refusal,
        "content_parts": _parts(message.content),
        **named,
        **called,
        **answered,
    }


def _parts(content: Sequence[ContentPart] | None) -> list[dict[str, Any]] | None:
    return None if content is None else [part.model_dump(exclude_none=True) for part in content]
