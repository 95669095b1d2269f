"""Files on the wire."""

from __future__ import annotations

from typing import Any, Literal

from owngpt.server.schemas.base import WireModel
from owngpt.service.files import check_lifetime
from owngpt.store.files import File


class ExpiresAfter(WireModel):
    """When a file expires; the only anchor is its creation."""

    anchor: Literal["created_at"]
    seconds: int

    def check(self) -> int:
        """The seconds. Raises `InvalidRequest` if they are too few or too many."""
        seconds = check_lifetime(self.anchor, self.seconds)
        assert seconds is not None
        return seconds


def file_document(file: File) -> dict[str, Any]:
    """A `file`, and `readers` where it is not for the whole project."""
    document = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }
    return document | ({"readers": sorted(file.readers)} if file.readers else {})
