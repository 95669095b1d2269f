"""Conversations and their items. Only the service reads the JSON in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from owngpt.errors import NotFound
from owngpt.store.db import Database, Row, Transaction
from owngpt.store.paging import Page, PageRequest, page_of
from owngpt.store.responses import Item, OwnedItem, dump


@dataclass(frozen=True, slots=True)
class Conversation:
    """A list of items that grows."""

    id: str
    project_id: str
    created_at: int  # Unix seconds
    metadata: Mapping[str, Any]


class Conversations:
    """The conversations of all projects; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, conversation: Conversation, items: Sequence[Item]) -> None:
        """A new conversation with its first items."""
        with self._db.write() as transaction:
            transaction.execute(
                "INSERT INTO conversations (id, project_id, created_at, metadata) VALUES (?, ?, ?, ?)",
                (
                    conversation.id,
                    conversation.project_id,
                    conversation.created_at,
                    dump(conversation.metadata),
                ),
            )
            self.append(transaction, conversation.project_id, conversation.id, items)

    def find(self, project_id: str, conversation_id: str) -> Conversation | None:
        """The project's conversation of that id."""
        rows = self._db.read(
            "SELECT * FROM conversations WHERE id = ? AND project_id = ?", (conversation_id, project_id)
        )
        return _conversation(rows[0]) if rows else None

    def update(self, project_id: str, conversation_id: str, metadata: Mapping[str, Any]) -> Conversation | None:
        """Set its metadata; None if there is no such conversation."""
        with self._db.write() as transaction:
            rows = transaction.execute(
                "UPDATE conversations SET metadata = ? WHERE id = ? AND project_id = ? RETURNING *",
                (dump(metadata), conversation_id, project_id),
            )
        return _conversation(rows[0]) if rows else None

    def delete(self, transaction: Transaction, project_id: str, conversation_id: str) -> bool:
        """Delete it; whether there was one. Responses keep what went into them."""
        where = "id = ? AND project_id = ?"
        return bool(
            transaction.execute(f"DELETE FROM conversations WHERE {where} RETURNING id", (conversation_id, project_id))
        )

    def append(self, transaction: Transaction, project_id: str, conversation_id: str, items: Sequence[Item]) -> None:
        """Add items at the end; one that is there already stays where it is. Raises `NotFound`."""
        where = (conversation_id, project_id)
        touch = "UPDATE conversations SET created_at = created_at WHERE id = ? AND project_id = ? RETURNING id"
        if not transaction.execute(touch, where):  # also keeps other writers of this conversation out
            raise no_conversation(conversation_id)
        last = "SELECT COALESCE(MAX(position), -1) AS last FROM conversation_items WHERE conversation_id = ?"
        place = int(transaction.execute(last, (conversation_id,))[0]["last"]) + 1
        for position, item in enumerate(items, start=place):
            transaction.execute(
                "INSERT INTO conversation_items (conversation_id, position, id, project_id, item) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (conversation_id, id) DO NOTHING",
                (conversation_id, position, item["id"], project_id, dump(item)),
            )

    def items(self, project_id: str, conversation_id: str) -> list[Item]:
        """All of them, in order."""
        rows = self._db.read(
            "SELECT item FROM conversation_items WHERE conversation_id = ? AND project_id = ? ORDER BY position",
            (conversation_id, project_id),
        )
        return [json.loads(row["item"]) for row in rows]

    def item_page(self, project_id: str, conversation_id: str, page: PageRequest) -> Page:
        """Rows with a column `item`."""
        where = "conversation_id = ? AND project_id = ?"
        return page_of(
            self._db, "conversation_items", "id, item", where, (conversation_id, project_id), page, sort="position"
        )

    def item(self, project_id: str, conversation_id: str, item_id: str) -> Item | None:
        """One item of a conversation."""
        rows = self._db.read(
            "SELECT item FROM conversation_items WHERE conversation_id = ? AND project_id = ? AND id = ?",
            (conversation_id, project_id, item_id),
        )
        return json.loads(rows[0]["item"]) if rows else None

    def find_item(self, project_id: str, item_id: str) -> OwnedItem | None:
        """An item of any of the project's conversations."""
        rows = self._db.read(
            "SELECT conversation_id, item FROM conversation_items WHERE id = ? AND project_id = ? LIMIT 1",
            (item_id, project_id),
        )
        return OwnedItem(rows[0]["conversation_id"], json.loads(rows[0]["item"])) if rows else None

    def delete_item(self, project_id: str, conversation_id: str, item_id: str) -> bool:
        """Delete one item; whether there was one."""
        with self._db.write() as transaction:
            return bool(
                transaction.execute(
                    "DELETE FROM conversation_items WHERE conversation_id = ? AND project_id = ? AND id = ? "
                    "RETURNING id",
                    (conversation_id, project_id, item_id),
                )
            )


def no_conversation(conversation_id: str) -> NotFound:
    """In OpenAI's words."""
    return NotFound(f"Conversation with id '{conversation_id[:80]}' not found.", param="conversation")


def _conversation(row: Row) -> Conversation:
    return Conversation(row["id"], row["project_id"], row["created_at"], json.loads(row["metadata"]))
