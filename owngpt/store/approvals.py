"""Approved calls of tools that have begun, so that no approval runs its call twice."""

from __future__ import annotations

import time
from collections.abc import Sequence

from owngpt.errors import InvalidRequest
from owngpt.store.db import Database


class Approvals:
    """Those of all projects; every question names the project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, project_id: str, request_ids: Sequence[str]) -> None:
        """All of these calls begin now. Raises `InvalidRequest` if one has begun before; then none of them does."""
        with self._db.write() as transaction:
            for request_id in request_ids:
                begun = transaction.execute(
                    "INSERT INTO approved_calls (project_id, request_id, begun_at) VALUES (?, ?, ?)"
                    " ON CONFLICT (project_id, request_id) DO NOTHING RETURNING request_id",
                    (project_id, request_id, int(time.time())),
                )
                if not begun:
                    raise has_been_answered(request_id)


def has_been_answered(request_id: str) -> InvalidRequest:
    """For a decision that was made before."""
    return InvalidRequest(f"The approval request '{request_id[:80]}' has been answered before.", param="input")
