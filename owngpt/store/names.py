"""Texts that people give to what they make. Raises `InvalidRequest` for what would be misread in a list or a log."""

from __future__ import annotations

import re

from owngpt.errors import InvalidRequest

MAX_NAME = 128
MAX_TEXT = 1024
_EMAIL = re.compile(r"[^\s@,<>\"']{1,64}@[^\s@,<>\"']{1,189}")


def check_name(name: str, param: str = "name", max_length: int = MAX_NAME) -> str:
    """A name: trimmed, 1 to 128 printable characters."""
    trimmed = name.strip()
    if not 0 < len(trimmed) <= max_length or not trimmed.isprintable():
        raise InvalidRequest(
            f"{param} is {name[: 2 * max_length]!r}; it takes 1 to {max_length} printable characters", param=param
        )
    return trimmed


def check_text(text: str | None, param: str) -> str | None:
    """A description: up to 1,024 characters, on several lines if need be."""
    if text is not None and (len(text) > MAX_TEXT or not all(each.isprintable() or each in "\n\t" for each in text)):
        raise InvalidRequest(f"{param} takes up to {MAX_TEXT} printable characters and line breaks", param=param)
    return text


def check_email(email: str) -> str:
    """An address, in lower case, as people are recognized by it."""
    trimmed = email.strip().lower()
    if not _EMAIL.fullmatch(trimmed) or not trimmed.isprintable():
        raise InvalidRequest(f"email is {email[:300]!r}; it takes an address such as ana@example.com", param="email")
    return trimmed
