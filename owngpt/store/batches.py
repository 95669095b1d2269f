"""Batches: what is asked, how far each line is, and what came of it.

A line is `pending`, then `started`, which is on disk before its request runs, then `completed` or `failed`, together
with its result. `stopped`: its request was ended in order, by a server that was about to stop.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from owngpt.errors import InvalidRequest, NotFound
from owngpt.store.db import Database, Row, Transaction, Value
from owngpt.store.files import File
from owngpt.store.paging import PageRequest, page_of
from owngpt.store.usage import void_events

WINDOW_SECONDS = 24 * 3600
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
UNDONE = ("pending", "started", "stopped")  # lines that have no result
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class BatchUsage:
    """Tokens of all lines together."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is now. Times are Unix seconds."""

    id: str
    project_id: str
    key_id: str  # in whose name its requests run
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None
    input_file_id: str
    input_sha256: str | None  # its bytes, for as long as they are needed
    readers: str  # of the files that come of it: those of its input
    output_seconds: int | None  # how long these files live
    status: str
    created_at: int
    expires_at: int
    model: str | None = None
    errors: Sequence[Mapping[str, Any]] | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    usage: BatchUsage = field(default_factory=BatchUsage)


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch, and where its text stands in the input."""

    line: int  # from 0
    custom_id: str
    place: int
    bytes: int


@dataclass(frozen=True, slots=True)
class NewBatch:
    """What a caller asks for."""

    project_id: str
    key_id: str
    endpoint: str
    input_file: File
    metadata: Mapping[str, str] | None = None
    output_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a line: the text of its line in the output or error file."""

    is_success: bool
    text: str
    usage: BatchUsage = BatchUsage()


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of a list of batches."""

    batches: list[Batch]
    has_more: bool


_STORED = tuple(f.name for f in fields(Batch) if f.name != "usage") + tuple(f.name for f in fields(BatchUsage))
_COLUMNS = ", ".join(_STORED)


class Batches:
    """The batches of all projects. Where no project is asked for, it is the server's own work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(self, new: NewBatch) -> Batch:
        """A batch that waits to be validated."""
        now, batch_id = int(time.time()), f"batch_{secrets.token_hex(16)}"
        values: dict[str, Value] = {
            "id": batch_id,
            "project_id": new.project_id,
            "key_id": new.key_id,
            "endpoint": new.endpoint,
            "completion_window": "24h",
            "metadata": None if new.metadata is None else json.dumps(dict(new.metadata)),
            "input_file_id": new.input_file.id,
            "input_sha256": new.input_file.sha256,
            "readers": ",".join(sorted(new.input_file.readers)),
            "output_seconds": new.output_seconds,
            "status": "validating",
            "created_at": now,
            "expires_at": now + WINDOW_SECONDS,
        }
        marks = ", ".join("?" for _ in values)
        with self._db.write() as transaction:
            alive = transaction.execute("SELECT 1 AS found FROM files WHERE id = ?", (new.input_file.id,))
            if not alive:  # deleted a moment ago, and its bytes with it
                raise NotFound(f"No such File object: {new.input_file.id}", param="input_file_id")
            transaction.execute(f"INSERT INTO batches ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
            return _get(transaction, batch_id)

    def find(self, project_id: str, batch_id: str, principals: Collection[str]) -> Batch:
        """A batch whose files these principals may read. Raises `NotFound`."""
        where, values = _visible(project_id, principals)
        sql = f"SELECT {_COLUMNS} FROM batches WHERE id = ? AND {where}"
        return _only(self._db.read(sql, (batch_id, *values)), batch_id)

    def page(self, project_id: str, page: PageRequest, principals: Collection[str]) -> BatchPage:
        """A part of the project's list, of what they may read."""
        found = page_of(self._db, "batches", _COLUMNS, *_visible(project_id, principals), page)
        return BatchPage([_batch(row) for row in found.rows], found.has_more)

    def cancel(self, project_id: str, batch_id: str, principals: Collection[str]) -> Batch:
        """Have it end soon. Raises `NotFound`, and `InvalidRequest` if it has ended or is about to."""
        where, values = _visible(project_id, principals)
        with self._db.write() as transaction:
            sql = f"SELECT {_COLUMNS} FROM batches WHERE id = ? AND {where}"
            batch = _only(transaction.execute(sql, (batch_id, *values)), batch_id)
            if batch.status in ("cancelling", "cancelled"):
                return batch
            if batch.status not in ("validating", "in_progress"):
                raise InvalidRequest(f"Cannot cancel a batch with status '{batch.status}'.", param="batch_id")
            _set(transaction, batch_id, status="cancelling", cancelling_at=int(time.time()))
            return _get(transaction, batch_id)

    def unfinished(self) -> list[Batch]:
        """All that there is to do, oldest first."""
        marks = ", ".join("?" for _ in UNFINISHED)
        sql = f"SELECT {_COLUMNS} FROM batches WHERE status IN ({marks}) ORDER BY created_at, id"
        return [_batch(row) for row in self._db.read(sql, UNFINISHED)]

    def get(self, batch_id: str) -> Batch:
        """As it is now, whoever's it is."""
        return _only(self._db.read(f"SELECT {_COLUMNS} FROM batches WHERE id = ?", (batch_id,)), batch_id)

    def fail(self, batch_id: str, errors: Sequence[Mapping[str, Any]]) -> None:
        """Its input cannot be used."""
        with self._db.write() as transaction:
            transaction.execute("DELETE FROM batch_lines WHERE batch_id = ?", (batch_id,))
            if _get(transaction, batch_id).status == "validating":
                now, text = int(time.time()), json.dumps(list(errors))
                _set(transaction, batch_id, status="failed", failed_at=now, errors=text, input_sha256=None)

    def begin(self, batch_id: str, lines: Sequence[Line], model: str | None) -> None:
        """Its input is as it must be, and these are its lines. They come in several commits, the last one counts."""
        with self._db.write() as transaction:
            transaction.execute("DELETE FROM batch_lines WHERE batch_id = ?", (batch_id,))
        for start in range(0, len(lines), _ROWS_AT_ONCE):
            with self._db.write() as transaction:
                _insert_lines(transaction, batch_id, lines[start : start + _ROWS_AT_ONCE])
        with self._db.write() as transaction:
            if _get(transaction, batch_id).status == "validating":
                now = int(time.time())
                _set(transaction, batch_id, status="in_progress", in_progress_at=now, total=len(lines), model=model)

    def take_line(self, batch_id: str) -> Line | None:
        """The next one, which is `started` from now on; None where none is pending, or the batch runs no more."""
        with self._db.write() as transaction:
            rows = transaction.execute(
                "SELECT line, custom_id, place, bytes FROM batch_lines WHERE batch_id = ? AND status = 'pending'"
                " AND (SELECT status FROM batches WHERE id = ?) = 'in_progress' ORDER BY line LIMIT 1",
                (batch_id, batch_id),
            )
            if not rows:
                return None
            line = Line(**rows[0])
            _mark(transaction, batch_id, line.line, "started")
            return line

    def put_back(self, batch_id: str, line: int) -> None:
        """A line whose request was refused for now, and did nothing."""
        with self._db.write() as transaction:
            _mark(transaction, batch_id, line, "pending")

    def stop_lines(self, batch_id: str) -> None:
        """Those that were started, and whose requests have been ended in order."""
        with self._db.write() as transaction:
            transaction.execute(
                "UPDATE batch_lines SET status = 'stopped' WHERE batch_id = ? AND status = 'started'", (batch_id,)
            )

    def end_line(self, batch_id: str, line: int, result: Result) -> None:
        """Keep what came of a started line, and count it. On disk when this returns."""
        status, usage = "completed" if result.is_success else "failed", result.usage
        with self._db.write() as transaction:
            ended = transaction.execute(
                "UPDATE batch_lines SET status = ?, result = ? WHERE batch_id = ? AND line = ?"
                " AND status IN ('started', 'stopped') RETURNING line",
                (status, result.text, batch_id, line),
            )
            if ended:
                transaction.execute(
                    f"UPDATE batches SET {status} = {status} + 1, input_tokens = input_tokens + ?,"
                    " cached_tokens = cached_tokens + ?, output_tokens = output_tokens + ?,"
                    " reasoning_tokens = reasoning_tokens + ? WHERE id = ?",
                    (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens, batch_id),
                )

    def interrupted(self, batch_id: str) -> list[tuple[Line, bool]]:
        """Lines that an earlier process has left, each with whether it was ended in order."""
        sql = "SELECT * FROM batch_lines WHERE batch_id = ? AND status IN ('started', 'stopped') ORDER BY line"
        return [
            (Line(row["line"], row["custom_id"], row["place"], row["bytes"]), row["status"] == "stopped")
            for row in self._db.read(sql, (batch_id,))
        ]

    def retry(self, batch: Batch, line: int, request_id: str) -> None:
        """Have a line run again whose answer is lost, at no cost: what the lost one had used is taken back."""
        with self._db.write() as transaction:
            void_events(transaction, batch.project_id, request_id)
            _mark(transaction, batch.id, line, "pending")

    def finalize(self, batch_id: str) -> Batch:
        """No line runs any more; -> the batch, `finalizing` unless it is `cancelling`."""
        with self._db.write() as transaction:
            if _get(transaction, batch_id).status == "in_progress":
                _set(transaction, batch_id, status="finalizing", finalizing_at=int(time.time()))
            return _get(transaction, batch_id)

    def lines(self, batch_id: str, *statuses: str) -> Iterator[Row]:
        """`line`, `custom_id` and `result` of the lines in these states, in order."""
        last, marks = -1, ", ".join("?" for _ in statuses)
        sql = (
            f"SELECT line, custom_id, result FROM batch_lines WHERE batch_id = ? AND status IN ({marks})"
            " AND line > ? ORDER BY line LIMIT ?"
        )
        while rows := self._db.read(sql, (batch_id, *statuses, last, _ROWS_AT_ONCE)):
            yield from rows
            last = rows[-1]["line"]

    def end_in(
        self, transaction: Transaction, batch_id: str, status: str, output: File | None, errors: File | None
    ) -> None:
        """It has ended, with these files; what is in them needs no rows any more."""
        _set(
            transaction,
            batch_id,
            status=status,
            input_sha256=None,
            output_file_id=None if output is None else output.id,
            error_file_id=None if errors is None else errors.id,
            **{f"{status}_at": int(time.time())},
        )
        transaction.execute("DELETE FROM batch_lines WHERE batch_id = ?", (batch_id,))


def _visible(project_id: str, principals: Collection[str]) -> tuple[str, list[Value]]:
    """A condition on `batches`, and its parameters: who may not read the input does not learn of the batch.

    (`readers` has commas between its principals, and no LIKE, for which upper and lower case are alike.)
    """
    named = [f",{principal}," for principal in sorted(principals)]
    all_readers = "(',' || readers || ',')"
    tests = ["readers = ''", *(f"REPLACE({all_readers}, ?, '') <> {all_readers}" for _ in named)]
    return f"project_id = ? AND ({' OR '.join(tests)})", [project_id, *named]


def _insert_lines(transaction: Transaction, batch_id: str, lines: Sequence[Line]) -> None:
    marks = ", ".join("(?, ?, ?, ?, ?, 'pending')" for _ in lines)
    values = [value for line in lines for value in (batch_id, line.line, line.custom_id, line.place, line.bytes)]
    sql = f"INSERT INTO batch_lines (batch_id, line, custom_id, place, bytes, status) VALUES {marks}"
    transaction.execute(sql, values)


def _mark(transaction: Transaction, batch_id: str, line: int, status: str) -> None:
    transaction.execute("UPDATE batch_lines SET status = ? WHERE batch_id = ? AND line = ?", (status, batch_id, line))


def _set(transaction: Transaction, batch_id: str, **values: Value) -> None:
    changes = ", ".join(f"{name} = ?" for name in values)
    transaction.execute(f"UPDATE batches SET {changes} WHERE id = ?", (*values.values(), batch_id))


def _get(transaction: Transaction, batch_id: str) -> Batch:
    return _only(transaction.execute(f"SELECT {_COLUMNS} FROM batches WHERE id = ?", (batch_id,)), batch_id)


def _only(rows: Sequence[Row], batch_id: str) -> Batch:
    if not rows:
        raise NotFound(f"No such Batch object: {batch_id}", param="batch_id")
    return _batch(rows[0])


def _batch(row: Row) -> Batch:
    usage = BatchUsage(**{f.name: row[f.name] for f in fields(BatchUsage)})
    values = {f.name: row[f.name] for f in fields(Batch) if f.name != "usage"}
    for name in ("metadata", "errors"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return Batch(**values, usage=usage)
