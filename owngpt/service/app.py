"""App: the collaborators that a request needs, and Caller: who sends it. No HTTP types here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from: the owner of its API key."""

    project_id: str
    project_name: str
    organization_id: str
    key_id: str
    is_admin: bool
