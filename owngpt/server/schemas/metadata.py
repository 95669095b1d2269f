"""Metadata: up to 16 short texts by name, which clients keep with an object."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from owngpt.server.schemas.base import Few

Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16), Few
]
