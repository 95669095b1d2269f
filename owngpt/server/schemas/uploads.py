"""Uploads on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.files import ExpiresAfter, file_document
from owngpt.store.uploads import Part, Upload

MAX_UPLOAD_BYTES = 8 * 1024**3
MAX_PARTS = 16_384


class CreateUploadRequest(WireModel):
    """What is going to come. `readers` is ours: who may read the file."""

    filename: str
    purpose: str
    bytes: Annotated[int, Field(ge=0, le=MAX_UPLOAD_BYTES)]
    mime_type: Annotated[str, Field(max_length=255)]
    expires_after: ExpiresAfter | None = None
    readers: str = ""


class CompleteUploadRequest(WireModel):
    """The parts in their order."""

    part_ids: Annotated[list[str], Field(max_length=MAX_PARTS)]
    md5: str | None = None


def upload_document(upload: Upload) -> dict[str, Any]:
    """An `upload`; its file is there once it is completed."""
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": upload.created_at,
        "expires_at": upload.expires_at,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "file": None if upload.file is None else file_document(upload.file),
    }


def part_document(part: Part) -> dict[str, Any]:
    """An `upload.part`."""
    return {"id": part.id, "object": "upload.part", "created_at": part.created_at, "upload_id": part.upload_id}
