"""Receipts: what each stored answer followed from, and what it was. Only the service reads the JSON in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from owngpt.store.db import Database, Row


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer. Its id is unique; who may read it is for its project to say."""

    id: str  # of the answer: chatcmpl-... or cmpl-...
    project_id: str
    created_at: int  # Unix seconds
    operation: str  # chat or text_completion
    model: str  # the name of the loaded model
    digest: str  # SHA-256 of `inputs`
    request: str  # the body as it was sent
    inputs: str  # everything that the tokens follow from, in canonical form: equal inputs are equal texts
    outputs: str  # the tokens of each choice, as far as they were delivered


_NAMES = ", ".join(field.name for field in fields(Receipt))
_MARKS = ", ".join("?" for _ in fields(Receipt))


class Receipts:
    """The receipts of all projects. Without a `project_id` all are looked at: for the operator, never for a caller."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, receipts: Iterable[Receipt]) -> None:
        """All of them, in one commit."""
        with self._db.write() as transaction:
            for receipt in receipts:
                transaction.execute(f"INSERT INTO receipts ({_NAMES}) VALUES ({_MARKS})", astuple(receipt))

    def find(self, receipt_id: str, project_id: str | None = None) -> Receipt | None:
        """The receipt of that answer, if it is the project's."""
        owned, owner = _owned_by(project_id)
        rows = self._db.read(f"SELECT {_NAMES} FROM receipts WHERE id = ? AND {owned}", (receipt_id, *owner))
        return _receipt(rows[0]) if rows else None

    def list(self, project_id: str | None = None, limit: int = 20) -> list[Receipt]:
        """The newest, newest first."""
        owned, owner = _owned_by(project_id)
        newest = "ORDER BY created_at DESC, id DESC LIMIT ?"
        rows = self._db.read(f"SELECT {_NAMES} FROM receipts WHERE {owned} {newest}", (*owner, limit))
        return [_receipt(row) for row in rows]

    def delete(self, receipt_id: str, project_id: str | None = None) -> bool:
        """Whether there was one to delete."""
        owned, owner = _owned_by(project_id)
        return self._delete(f"id = ? AND {owned}", (receipt_id, *owner)) > 0

    def prune(self, before: int) -> int:
        """Delete all that are older than this time (Unix seconds); -> how many they were."""
        return self._delete("created_at < ?", (before,))

    def _delete(self, condition: str, parameters: Sequence[str | int]) -> int:
        with self._db.write() as transaction:
            rows = transaction.execute(f"SELECT COUNT(*) AS number FROM receipts WHERE {condition}", parameters)
            transaction.execute(f"DELETE FROM receipts WHERE {condition}", parameters)
        return int(rows[0]["number"])


def _owned_by(project_id: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition and its parameters."""
    return ("1 = 1", ()) if project_id is None else ("project_id = ?", (project_id,))


def _receipt(row: Row) -> Receipt:
    return Receipt(**row)
