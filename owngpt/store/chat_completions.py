"""Chat completions that were asked to be kept, with the messages that they answer. Only the service reads the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from owngpt.store.db import Database, Row, Transaction
from owngpt.store.paging import Page, PageRequest, page_of
from owngpt.store.responses import dump


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """One of them."""

    id: str
    project_id: str
    created_at: int  # Unix seconds
    model: str
    body: Mapping[str, Any]  # `chat.completion`, without metadata
    messages: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, str]


class ChatCompletions:
    """Those of all projects; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, completion: StoredCompletion) -> None:
        with self._db.write() as transaction:
            transaction.execute(
                "INSERT INTO chat_completions (id, project_id, created_at, model, body, messages) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    completion.id,
                    completion.project_id,
                    completion.created_at,
                    completion.model,
                    dump(completion.body),
                    dump(completion.messages),
                ),
            )
            _set_metadata(transaction, completion.id, completion.metadata)

    def find(self, project_id: str, completion_id: str) -> StoredCompletion | None:
        """The project's completion of that id."""
        rows = self._db.read(
            "SELECT * FROM chat_completions WHERE id = ? AND project_id = ?", (completion_id, project_id)
        )
        return self._completion(rows[0]) if rows else None

    def page(
        self, project_id: str, page: PageRequest, model: str | None, metadata: Mapping[str, str]
    ) -> tuple[list[StoredCompletion], bool]:
        """Those of that model (if one is named) that have all of this metadata; whether there are more."""
        where, values = ["project_id = ?"], [project_id]
        if model is not None:
            where.append("model = ?")
            values.append(model)
        for name, content in metadata.items():
            where.append(
                "EXISTS (SELECT 1 FROM chat_completion_metadata WHERE completion_id = chat_completions.id "
                "AND name = ? AND content = ?)"
            )
            values += [name, content]
        found: Page = page_of(self._db, "chat_completions", "*", " AND ".join(where), values, page)
        return [self._completion(row) for row in found.rows], found.has_more

    def update(self, project_id: str, completion_id: str, metadata: Mapping[str, str]) -> StoredCompletion | None:
        """Set its metadata; None if there is no such completion."""
        with self._db.write() as transaction:
            mine = "SELECT id FROM chat_completions WHERE id = ? AND project_id = ?"
            if not transaction.execute(mine, (completion_id, project_id)):
                return None
            transaction.execute("DELETE FROM chat_completion_metadata WHERE completion_id = ?", (completion_id,))
            _set_metadata(transaction, completion_id, metadata)
        return self.find(project_id, completion_id)

    def delete(self, project_id: str, completion_id: str) -> bool:
        """Delete it; whether there was one."""
        with self._db.write() as transaction:
            return bool(
                transaction.execute(
                    "DELETE FROM chat_completions WHERE id = ? AND project_id = ? RETURNING id",
                    (completion_id, project_id),
                )
            )

    def _completion(self, row: Row) -> StoredCompletion:
        rows = self._db.read(
            "SELECT name, content FROM chat_completion_metadata WHERE completion_id = ? ORDER BY name", (row["id"],)
        )
        return StoredCompletion(
            row["id"],
            row["project_id"],
            row["created_at"],
            row["model"],
            json.loads(row["body"]),
            json.loads(row["messages"]),
            {each["name"]: each["content"] for each in rows},
        )


def _set_metadata(transaction: Transaction, completion_id: str, metadata: Mapping[str, str]) -> None:
    for name, content in metadata.items():
        transaction.execute(
            "INSERT INTO chat_completion_metadata (completion_id, name, content) VALUES (?, ?, ?)",
            (completion_id, name, content),
        )
