"""The end of a batch: its results as two files, brought in by the commit that ends it."""

from __future__ import annotations

from owngpt.service.app import App
from owngpt.service.batch_lines import expired
from owngpt.store.batches import UNDONE, Batch
from owngpt.store.blobs import Staged, Writer
from owngpt.store.db import Transaction
from owngpt.store.files import File, NewFile

_NO_LIMIT = 2**62


def finalize(app: App, batch_id: str) -> None:
    """Called when no line runs any more. Killed in the middle, it is done again from the beginning."""
    batch = app.batches.finalize(batch_id)
    status = "cancelled"
    if batch.status == "finalizing":
        status = "completed" if batch.completed + batch.failed == batch.total else "expired"
    blobs = app.files.blobs
    with blobs.writer(_NO_LIMIT) as outputs, blobs.writer(_NO_LIMIT) as errors:
        _end(app, batch, status, _write_outputs(app, batch, outputs), _write_errors(app, batch, status, errors))
    if batch.input_sha256 is not None:
        blobs.release(app.database, [batch.input_sha256])


def _write_outputs(app: App, batch: Batch, writer: Writer) -> Staged | None:
    """Answers, in the order of the input."""
    has_any = False
    for row in app.batches.lines(batch.id, "completed"):
        writer.write(f"{row['result']}\n".encode())
        has_any = True
    return writer.end() if has_any else None


def _write_errors(app: App, batch: Batch, status: str, writer: Writer) -> Staged | None:
    """Errors, and in a batch that has expired the lines that have not been reached."""
    has_any = False
    for row in app.batches.lines(batch.id, "failed", *(UNDONE if status == "expired" else ())):
        text = row["result"] or expired(batch, row["line"], row["custom_id"])
        writer.write(f"{text}\n".encode())
        has_any = True
    return writer.end() if has_any else None


def _end(app: App, batch: Batch, status: str, outputs: Staged | None, errors: Staged | None) -> None:
    with app.database.write() as transaction:
        output = _add(app, transaction, batch, "output", outputs)
        error = _add(app, transaction, batch, "error", errors)
        app.batches.end_in(transaction, batch.id, status, output, error)


def _add(app: App, transaction: Transaction, batch: Batch, name: str, staged: Staged | None) -> File | None:
    """Who may read the input may read what came of it."""
    if staged is None:
        return None
    readers = frozenset(batch.readers.split(",")) - {""}
    filename = f"{batch.id}_{name}.jsonl"
    new = NewFile(batch.project_id, filename, "batch_output", readers, batch.output_seconds)
    return app.files.add_in(transaction, new, staged)
