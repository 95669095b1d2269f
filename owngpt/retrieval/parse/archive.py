"""What all office files share: a ZIP archive of XML parts, which is checked before anything is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from owngpt.retrieval.document import DocumentError

MAX_PARTS = 20_000
MAX_UNPACKED = 600_000_000  # bytes of all parts
MAX_RATIO = 200  # times as large as packed, of parts over 10 MB


def check_archive(data: bytes) -> None:
    """Raise `DocumentError` for an archive that unpacks to far more than its size, or that is locked."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = archive.infolist()
    if any(part.flag_bits & 1 for part in parts):
        raise DocumentError("the file is encrypted; remove the password and send it again")
    total = sum(part.file_size for part in parts)
    swollen = any(part.file_size > max(10_000_000, part.compress_size * MAX_RATIO) for part in parts)
    if len(parts) > MAX_PARTS or total > MAX_UNPACKED or swollen:
        raise DocumentError(
            f"the file unpacks to {total:,} bytes in {len(parts):,} parts, which is too much to be read"
        )


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Say in a `DocumentError` what a library could not read, whatever it raised."""
    try:
        yield
    except (DocumentError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DocumentError(
            f"it is broken and cannot be read as {what} ({reason}); save it anew and send it"
        ) from error
