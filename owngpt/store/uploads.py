"""Uploads: files that come in parts, which are put together in the order that their sender names at the end."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from owngpt.errors import InvalidRequest, NotFound
from owngpt.store.blobs import Staged, Writer
from owngpt.store.db import Database, Row, Transaction
from owngpt.store.files import File, Files, NewFile

UPLOAD_SECONDS = 3600  # that an upload waits for its parts
_PIECE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it is now; `file` is there once it is completed. Times are Unix seconds."""

    id: str
    project_id: str
    key_id: str  # who began it
    filename: str
    purpose: str
    bytes: int  # that are going to come
    mime_type: str
    readers: frozenset[str]
    file_seconds: int | None  # how long the file is going to live
    status: str  # pending, completed, cancelled or expired
    created_at: int
    expires_at: int
    file_id: str | None = None
    file: File | None = None

    def is_visible_to(self, principals: frozenset[str]) -> bool:
        """As its file is going to be, and to the key that began it."""
        return not self.readers or bool(principals & {*self.readers, f"key:{self.key_id}"})


@dataclass(frozen=True, slots=True)
class Part:
    """One piece."""

    id: str
    upload_id: str
    bytes: int
    sha256: str
    created_at: int


class Uploads:
    """The uploads of all projects; `principals` are who asks."""

    def __init__(self, db: Database, files: Files) -> None:
        self._db, self._files = db, files

    def create(self, new: NewFile, key_id: str, num_bytes: int, mime_type: str) -> Upload:
        """An upload that waits for its parts, for an hour."""
        upload_id, now = f"upload_{secrets.token_hex(16)}", int(time.time())
        with self._db.write() as transaction:
            transaction.execute(
                "INSERT INTO uploads (id, project_id, key_id, filename, purpose, bytes, mime_type, readers,"
                " file_seconds, status, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
                (
                    upload_id,
                    new.project_id,
                    key_id,
                    new.filename,
                    new.purpose,
                    num_bytes,
                    mime_type,
                    ",".join(sorted(new.readers)),
                    new.seconds,
                    now,
                    now + UPLOAD_SECONDS,
                ),
            )
            return _find(transaction, new.project_id, upload_id)

    def find(self, project_id: str, upload_id: str, principals: frozenset[str]) -> Upload:
        """Raises `NotFound`."""
        rows = self._db.read("SELECT * FROM uploads WHERE id = ? AND project_id = ?", (upload_id, project_id))
        return _visible(rows, upload_id, principals)

    def add_part(self, project_id: str, upload_id: str, principals: frozenset[str], staged: Staged) -> Part:
        """Keep a part; on disk when this returns. Raises `NotFound`, and `InvalidRequest` if it has ended."""
        part = Part(f"part_{secrets.token_hex(16)}", upload_id, staged.bytes, staged.sha256, int(time.time()))
        with self._db.write() as transaction:
            check_pending(_find(transaction, project_id, upload_id, principals))
            self._files.blobs.keep(transaction, staged)
            transaction.execute(
                "INSERT INTO upload_parts (id, upload_id, bytes, sha256, created_at) VALUES (?, ?, ?, ?, ?)",
                (part.id, part.upload_id, part.bytes, part.sha256, part.created_at),
            )
        return part

    def complete(
        self,
        project_id: str,
        upload_id: str,
        principals: frozenset[str],
        part_ids: Sequence[str],
        md5: str | None = None,
    ) -> Upload:
        """Make the file of these parts, in this order; done twice, it is done once.

        Raises `NotFound`, and `InvalidRequest` if it has ended otherwise, if a part is unknown or named twice, or if
        the bytes are not as many as announced, or have another MD5.
        """
        upload = self.find(project_id, upload_id, principals)
        if upload.status == "completed":
            return self._with_file(upload)
        check_pending(upload)
        parts = self._parts(upload, part_ids)
        with self._files.blobs.writer(upload.bytes) as writer:
            staged = self._join(parts, writer, md5)
            completed = self._finish(upload, staged)
        self._release(upload)
        return self._with_file(completed)

    def cancel(self, project_id: str, upload_id: str, principals: frozenset[str]) -> Upload:
        """No part can be added any more. Raises `NotFound`, and `InvalidRequest` if it has ended otherwise."""
        with self._db.write() as transaction:
            upload = _find(transaction, project_id, upload_id, principals)
            if upload.status != "cancelled":
                check_pending(upload)
                transaction.execute("UPDATE uploads SET status = 'cancelled' WHERE id = ?", (upload_id,))
            cancelled = _find(transaction, project_id, upload_id, principals)
        self._release(cancelled)
        return cancelled

    def prune(self) -> int:
        """End the uploads whose time is over; -> how many they were."""
        with self._db.write() as transaction:
            rows = transaction.execute(
                "UPDATE uploads SET status = 'expired' WHERE status = 'pending' AND expires_at <= ? RETURNING *",
                (int(time.time()),),
            )
        for row in rows:
            self._release(_upload(row))
        return len(rows)

    def _parts(self, upload: Upload, part_ids: Sequence[str]) -> list[Part]:
        rows = self._db.read("SELECT * FROM upload_parts WHERE upload_id = ?", (upload.id,))
        known = {row["id"]: Part(**row) for row in rows}
        for i, part_id in enumerate(part_ids):
            if part_id not in known or part_id in part_ids[:i]:
                why = "is named twice" if part_id in known else "is no part of this upload"
                raise InvalidRequest(f"Invalid 'part_ids[{i}]': {part_id[:60]!r} {why}.", param=f"part_ids[{i}]")
        parts = [known[part_id] for part_id in part_ids]
        if (total := sum(part.bytes for part in parts)) != upload.bytes:
            raise InvalidRequest(
                f"The parts have {total} bytes, but the upload was announced with {upload.bytes}.", param="part_ids"
            )
        return parts

    def _join(self, parts: Sequence[Part], writer: Writer, md5: str | None) -> Staged:
        digest = hashlib.md5(usedforsecurity=False)
        for part in parts:
            with self._files.blobs.open(part.sha256) as content:
                while piece := content.read(_PIECE_BYTES):
                    digest.update(piece)
                    writer.write(piece)
        if md5 is not None and digest.hexdigest() != md5.lower():
            raise InvalidRequest(f"The MD5 of the parts is {digest.hexdigest()}, not {md5[:60]!r}.", param="md5")
        return writer.end()

    def _finish(self, upload: Upload, staged: Staged) -> Upload:
        """File and new status in one commit, unless another request was faster."""
        with self._db.write() as transaction:
            now = _find(transaction, upload.project_id, upload.id)
            if now.status == "completed":
                return now
            check_pending(now)
            new = NewFile(now.project_id, now.filename, now.purpose, now.readers, now.file_seconds)
            file = self._files.add_in(transaction, new, staged)
            transaction.execute(
                "UPDATE uploads SET status = 'completed', file_id = ? WHERE id = ?", (file.id, upload.id)
            )
            return _find(transaction, upload.project_id, upload.id)

    def _release(self, upload: Upload) -> None:
        """Forget the parts of an upload that has ended."""
        with self._db.write() as transaction:
            rows = transaction.execute("DELETE FROM upload_parts WHERE upload_id = ? RETURNING sha256", (upload.id,))
        self._files.blobs.release(self._db, [row["sha256"] for row in rows])

    def _with_file(self, upload: Upload) -> Upload:
        assert upload.file_id is not None
        return replace(upload, file=self._files.find(upload.project_id, upload.file_id))


def check_pending(upload: Upload) -> None:
    """Raises `InvalidRequest` if it has ended."""
    if upload.status != "pending":
        raise InvalidRequest(f"Upload {upload.id} is {upload.status}; begin a new one.", code="invalid_upload_status")


def _find(
    transaction: Transaction, project_id: str, upload_id: str, principals: frozenset[str] | None = None
) -> Upload:
    rows = transaction.execute("SELECT * FROM uploads WHERE id = ? AND project_id = ?", (upload_id, project_id))
    return _visible(rows, upload_id, principals)


def _visible(rows: Sequence[Row], upload_id: str, principals: frozenset[str] | None) -> Upload:
    upload = _upload(rows[0]) if rows else None
    if upload is None or (principals is not None and not upload.is_visible_to(principals)):
        raise NotFound(f"No such Upload object: {upload_id}", param="upload_id")
    return upload


def _upload(row: Row) -> Upload:
    is_late = row["status"] == "pending" and row["expires_at"] <= time.time()
    readers = frozenset(row["readers"].split(",")) - {""}
    return Upload(**{**row, "readers": readers, "status": "expired" if is_late else row["status"]})
