"""Responses, what went into them and what came out. Only the service reads the JSON in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from owngpt.store.db import Database, Row, Transaction
from owngpt.store.paging import Page, PageRequest, page_of

Item = dict[str, Any]
OPEN = ("queued", "in_progress")  # a background response that has not ended


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One response without its items."""

    id: str
    project_id: str
    created_at: int  # Unix seconds
    status: str
    previous_id: str | None
    conversation_id: str | None
    body: str  # JSON of the response, with an empty output


class OwnedItem(NamedTuple):
    """An item, and the response or conversation that it belongs to."""

    owner_id: str
    item: Item


_COLUMNS = "id, project_id, created_at, status, previous_id, conversation_id, body"


class Responses:
    """The stored responses of all projects; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self, transaction: Transaction, response: StoredResponse, inputs: Sequence[Item], outputs: Sequence[Item]
    ) -> None:
        """A new response with its items."""
        transaction.execute(
            f"INSERT INTO responses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                response.id,
                response.project_id,
                response.created_at,
                response.status,
                response.previous_id,
                response.conversation_id,
                response.body,
            ),
        )
        _add_items(transaction, response, 0, inputs, is_output=False)
        _add_items(transaction, response, len(inputs), outputs, is_output=True)

    def advance(self, transaction: Transaction, response: StoredResponse, outputs: Sequence[Item] = ()) -> bool:
        """Write the news of a response that has not ended. False: it has ended, or is gone, so nothing was written."""
        changed = transaction.execute(
            f"UPDATE responses SET status = ?, body = ? WHERE id = ? AND project_id = ? AND status IN {OPEN} "
            "RETURNING id",
            (response.status, response.body, response.id, response.project_id),
        )
        if not changed:
            return False
        last = "SELECT COALESCE(MAX(position), -1) AS last FROM response_items WHERE response_id = ?"
        place = int(transaction.execute(last, (response.id,))[0]["last"]) + 1
        _add_items(transaction, response, place, outputs, is_output=True)
        return True

    def find(self, project_id: str, response_id: str) -> StoredResponse | None:
        """The project's response of that id."""
        rows = self._db.read(
            f"SELECT {_COLUMNS} FROM responses WHERE id = ? AND project_id = ?", (response_id, project_id)
        )
        return _response(rows[0]) if rows else None

    def delete(self, transaction: Transaction, project_id: str, response_id: str) -> bool:
        """Delete it with all that belongs to it; whether there was one."""
        where = "id = ? AND project_id = ?"
        return bool(transaction.execute(f"DELETE FROM responses WHERE {where} RETURNING id", (response_id, project_id)))

    def outputs(self, project_id: str, response_id: str) -> list[Item]:
        """What came out of a response, in order."""
        rows = self._db.read(
            "SELECT item FROM response_items WHERE response_id = ? AND project_id = ? AND is_output = 1 "
            "ORDER BY position",
            (response_id, project_id),
        )
        return _items(rows)

    def items(self, project_id: str, response_id: str) -> list[Item]:
        """What went into a response, then what came out."""
        rows = self._db.read(
            "SELECT item FROM response_items WHERE response_id = ? AND project_id = ? ORDER BY position",
            (response_id, project_id),
        )
        return _items(rows)

    def input_page(self, project_id: str, response_id: str, page: PageRequest) -> Page:
        """Rows with a column `item`: JSON of what went in."""
        where = "response_id = ? AND project_id = ? AND is_output = 0"
        return page_of(self._db, "response_items", "id, item", where, (response_id, project_id), page, sort="position")

    def find_item(self, project_id: str, item_id: str) -> OwnedItem | None:
        """An item of any of the project's responses; what came out of one goes before copies that went in again."""
        rows = self._db.read(
            "SELECT response_id, item FROM response_items WHERE id = ? AND project_id = ?"
            " ORDER BY is_output DESC LIMIT 1",
            (item_id, project_id),
        )
        return OwnedItem(rows[0]["response_id"], _items(rows)[0]) if rows else None


def _add_items(
    transaction: Transaction, response: StoredResponse, place: int, items: Iterable[Item], *, is_output: bool
) -> None:
    for position, item in enumerate(items, start=place):
        transaction.execute(
            "INSERT INTO response_items (response_id, position, id, project_id, is_output, item) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (response.id, position, item["id"], response.project_id, int(is_output), dump(item)),
        )


def dump(document: Any) -> str:
    """Compact JSON, as it is stored. Half a surrogate pair stays escaped: no database takes it as text."""
    return json.dumps(document, separators=(",", ":"))


def _items(rows: Iterable[Row]) -> list[Item]:
    return [json.loads(row["item"]) for row in rows]


def _response(row: Row) -> StoredResponse:
    return StoredResponse(**row)
