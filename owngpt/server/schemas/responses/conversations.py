"""Bodies of the /v1/conversations operations."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.metadata import Metadata
from owngpt.store.conversations import Conversation

MAX_ITEMS = 20  # that are added at once


class CreateConversation(WireModel):
    """A new conversation, perhaps with its first items."""

    metadata: Metadata | None = None
    items: list[dict[str, Any]] | None = Field(None, max_length=MAX_ITEMS, fail_fast=True)


class UpdateConversation(WireModel):
    """All of its metadata anew."""

    metadata: Metadata | None


class CreateItems(WireModel):
    """Items for the end of a conversation."""

    items: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True)


def conversation_document(conversation: Conversation) -> dict[str, Any]:
    """`conversation` on the wire."""
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created_at,
        "metadata": dict(conversation.metadata),
    }
