"""Background responses that have not ended, and the events of all that were made so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from owngpt.store.db import Database, Transaction
from owngpt.store.responses import OPEN, dump

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A background response that has to be made."""

    response_id: str
    project_id: str
    key_id: str  # of the API key that asked for it
    created_at: int  # Unix seconds
    beat_at: int  # when the server that makes it was last seen; 0: nobody makes it
    request: str  # as it was sent


_COLUMNS = "response_id, project_id, key_id, created_at, beat_at, request"


class ResponseJobs:
    """The jobs of all projects: they are for the server, not for callers. Events are asked for by project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, transaction: Transaction, job: Job) -> None:
        """Something to do."""
        transaction.execute(
            f"INSERT INTO response_jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            (job.response_id, job.project_id, job.key_id, job.created_at, job.beat_at, job.request),
        )

    def num_open(self, transaction: Transaction, project_id: str) -> int:
        """How many of the project's have not ended."""
        sql = "SELECT COUNT(*) AS number FROM response_jobs WHERE project_id = ?"
        return int(transaction.execute(sql, (project_id,))[0]["number"])

    def waiting(self, limit: int = 1_000) -> list[Job]:
        """Those that nobody makes, oldest first; but the projects take turns, so nobody's queue delays another's."""
        rows = self._db.read(
            f"SELECT {_COLUMNS} FROM (SELECT response_id AS id, ROW_NUMBER() OVER (PARTITION BY project_id"
            " ORDER BY created_at, response_id) AS turn FROM response_jobs WHERE beat_at = 0) AS queue"
            " JOIN response_jobs ON response_id = id ORDER BY turn, created_at, response_id LIMIT ?",
            (limit,),
        )
        return [Job(**row) for row in rows]

    def lost(self, before: int) -> list[Job]:
        """Those whose server was not seen since `before` (Unix seconds)."""
        rows = self._db.read(f"SELECT {_COLUMNS} FROM response_jobs WHERE beat_at > 0 AND beat_at < ?", (before,))
        return [Job(**row) for row in rows]

    def take(self, response_id: str, now: int) -> bool:
        """Take a job up; False if another server was faster, or it is gone."""
        with self._db.write() as transaction:
            return bool(
                transaction.execute(
                    "UPDATE response_jobs SET beat_at = ? WHERE response_id = ? AND beat_at = 0 RETURNING response_id",
                    (now, response_id),
                )
            )

    def beat(self, response_ids: Iterable[str], now: int) -> None:
        """This server is still at them; what nobody has taken yet stays for all to take."""
        with self._db.write() as transaction:
            for response_id in response_ids:
                transaction.execute(
                    "UPDATE response_jobs SET beat_at = ? WHERE response_id = ? AND beat_at > 0", (now, response_id)
                )

    def end(self, transaction: Transaction, response_id: str) -> None:
        """Nothing to do any more."""
        transaction.execute("DELETE FROM response_jobs WHERE response_id = ?", (response_id,))

    def log(self, transaction: Transaction, response_id: str, events: Sequence[Event], now: int) -> bool:
        """Add events; False, and nothing is added, if the response has ended or is gone."""
        alive = f"SELECT id FROM responses WHERE id = ? AND status IN {OPEN}"
        if not transaction.execute(alive, (response_id,)):
            return False
        for event in events:
            transaction.execute(
                "INSERT INTO response_events (response_id, sequence_number, created_at, event) VALUES (?, ?, ?, ?)",
                (response_id, event["sequence_number"], now, dump(event)),
            )
        return True

    def num_events(self, response_id: str) -> int:
        """How many have been logged; the next one has this number."""
        last = "SELECT COALESCE(MAX(sequence_number), -1) AS last FROM response_events WHERE response_id = ?"
        return int(self._db.read(last, (response_id,))[0]["last"]) + 1

    def events(self, project_id: str, response_id: str, after: int, limit: int) -> list[Event]:
        """The next events of a response of the project."""
        rows = self._db.read(
            "SELECT event FROM response_events WHERE response_id = ? AND sequence_number > ? AND EXISTS "
            "(SELECT 1 FROM responses WHERE id = response_id AND project_id = ?) ORDER BY sequence_number LIMIT ?",
            (response_id, after, project_id, limit),
        )
        return [json.loads(row["event"]) for row in rows]

    def prune_events(self, before: int) -> None:
        """Delete events of responses that ended before `before` (Unix seconds)."""
        with self._db.write() as transaction:
            transaction.execute(
                "DELETE FROM response_events WHERE created_at < ? AND response_id NOT IN "
                "(SELECT response_id FROM response_jobs)",
                (before,),
            )
