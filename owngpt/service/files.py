"""What a file may be: its name, purpose, readers and lifetime, checked before any byte is kept."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from owngpt.errors import InvalidRequest
from owngpt.store.files import Files, NewFile
from owngpt.store.uploads import Uploads

if TYPE_CHECKING:
    from owngpt.service.app import Caller

PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
HOUR, MONTH = 3600, 30 * 24 * 3600  # seconds: the shortest and the longest life that a request may ask for
MAX_NAME = 255
MAX_READERS = 256
_PRINCIPAL = re.compile(r"(?:user|group|key):[A-Za-z0-9_.@-]{1,128}")


def new_file(
    caller: Caller, filename: str, purpose: str, readers: str = "", seconds: int | None = None, param: str = "file"
) -> NewFile:
    """A file of the caller's project. `param` is to blame for the name. Raises `InvalidRequest`.

    Without `seconds`, what is for a batch lives for 30 days and the rest until it is deleted, as at OpenAI.
    """
    refuse_without_storage(caller)
    if purpose not in PURPOSES:
        raise InvalidRequest(
            f"Invalid value for 'purpose': {purpose[:60]!r}. Supported values are: {', '.join(map(repr, PURPOSES))}.",
            param="purpose",
            code="invalid_value",
        )
    if seconds is None and purpose == "batch":
        seconds = MONTH
    return NewFile(caller.project_id, check_filename(filename, param), purpose, parse_readers(readers), seconds)


def refuse_without_storage(caller: Caller, what: str = "files") -> None:
    """Raises `InvalidRequest` where the project keeps nothing."""
    if caller.keeps_nothing:
        raise InvalidRequest(
            f"This project keeps nothing (zero data retention), so it cannot have {what}; use another project.",
            code="zero_data_retention",
        )


def check_filename(name: str, param: str) -> str:
    """The last part of a path. Raises `InvalidRequest` if nothing is left, or what cannot be shown on one line."""
    last = re.split(r"[/\\]", name)[-1].strip()
    if not 0 < len(last) <= MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in last):
        raise InvalidRequest(
            f"Invalid filename {name[:60]!r}: it must have 1 to {MAX_NAME} characters, and no control characters.",
            param=param,
            code="invalid_value",
        )
    return last


def parse_readers(text: str) -> frozenset[str]:
    """`user:ID, group:ID, key:ID` -> a set; empty is everybody in the project. Raises `InvalidRequest`."""
    readers = frozenset(part.strip() for part in text.split(",") if part.strip())
    bad = next((reader for reader in sorted(readers) if not _PRINCIPAL.fullmatch(reader)), None)
    if bad is not None or len(readers) > MAX_READERS or (text.strip() and not readers):
        raise InvalidRequest(
            f"Invalid 'readers': {(bad or text)[:60]!r}. Expected up to {MAX_READERS} of user:ID, group:ID and key:ID,"
            " separated by commas.",
            param="readers",
            code="invalid_value",
        )
    return readers


def check_lifetime(anchor: str | None, seconds: str | int | None) -> int | None:
    """`expires_after` -> seconds from the file's creation; None where it is not given. Raises `InvalidRequest`."""
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise InvalidRequest(
            f"Invalid value for 'expires_after[anchor]': {anchor!r}. Supported values are: 'created_at'.",
            param="expires_after[anchor]",
            code="invalid_value",
        )
    if not re.fullmatch(r"[0-9]{1,9}", str(seconds)) or not HOUR <= int(str(seconds)) <= MONTH:
        raise InvalidRequest(
            f"Invalid 'expires_after[seconds]': expected an integer from {HOUR} to {MONTH}, but got"
            f" {str(seconds)[:60]!r} instead.",
            param="expires_after[seconds]",
            code="invalid_value",
        )
    return int(str(seconds))


def prune(files: Files, uploads: Uploads) -> None:
    """Delete what has expired."""
    while files.prune():
        pass
    uploads.prune()
