"""Encrypted content: what clients carry for us and must neither read nor change: thinking, compacted conversations.

AES-256-GCM with a key from the data folder. The project and the kind of content are authenticated with it, so what one
project was given is worth nothing to another.
"""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from owngpt.errors import ConfigError, InvalidRequest

FILE = "content.key"
KEY_BYTES, NONCE_BYTES = 32, 12
_VERSION = b"\x01"


@lru_cache(maxsize=8)
def content_key(data_dir: Path) -> bytes:
    """The key of this data folder, made when first asked for. Raises `ConfigError` for a file that holds none.

    It appears under its name when it is whole, and the first one stays: several processes may ask at once.
    """
    file = data_dir / FILE
    if not file.exists():
        with tempfile.NamedTemporaryFile(dir=data_dir, prefix=FILE) as fresh:  # mode 0600
            fresh.write(secrets.token_bytes(KEY_BYTES))
            fresh.flush()
            os.fsync(fresh.fileno())
            with suppress(FileExistsError):
                os.link(fresh.name, file)
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{file} has {len(key)} bytes instead of {KEY_BYTES}; delete it to make a new key")
    return key


class Seal:
    """Closes and opens texts for one project. The key is read, or made, when it is needed first."""

    def __init__(self, data_dir: Path, project_id: str, hide: Callable[[str], str] = str) -> None:
        """`hide` is what a text passes before it is closed."""
        self._data_dir, self._project, self._hide = data_dir, project_id.encode(), hide

    def close(self, text: str, kind: str) -> str:
        """Text -> base64."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        hidden = self._hide(text).encode("utf-8", "surrogatepass")
        sealed = self._cipher().encrypt(nonce, hidden, self._context(kind))
        return base64.urlsafe_b64encode(_VERSION + nonce + sealed).decode()

    def open(self, sealed: str, kind: str) -> str:
        """Base64 -> text. Raises `InvalidRequest` for what was not closed here, for this project, as this kind."""
        try:
            data = base64.urlsafe_b64decode(sealed)
            if data[:1] != _VERSION:
                raise ValueError
            nonce, body = data[1 : 1 + NONCE_BYTES], data[1 + NONCE_BYTES :]
            return self._cipher().decrypt(nonce, body, self._context(kind)).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise InvalidRequest(
                f"The encrypted content of a {kind} item could not be verified: it was not made by this server for "
                "this project. Leave that item out.",
                param="input",
                code="invalid_encrypted_content",
            ) from None

    def _cipher(self) -> AESGCM:
        return AESGCM(content_key(self._data_dir))

    def _context(self, kind: str) -> bytes:
        return b"owngpt\0" + kind.encode() + b"\0" + self._project
