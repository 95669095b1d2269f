"""Caller: who sends a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from owngpt.store.project_settings import ModelRule
from owngpt.store.scopes import API
from owngpt.types import Tier


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from: the owner of its API key."""

    project_id: str
    project_name: str
    organization_id: str
    key_id: str
    is_admin: bool
    user_id: str | None = None  # the user or service account that the key belongs to
    groups: frozenset[str] = frozenset()  # ids of the groups that this user is in
    keeps_nothing: bool = False  # zero retention: nothing of the content is ever written
    scopes: frozenset[str] = API  # all that the key may do, by the names of `store/scopes.py`
    models: ModelRule | None = None  # the models that the project may use; None: all
    disabled_tools: frozenset[str] = frozenset()  # hosted tools that the project may not use
    tier: Tier | None = None  # of work that nobody waits for, whatever its requests say; None: as they say

    @property
    def principals(self) -> frozenset[str]:
        """What a document's `readers` may name, to let this caller read it."""
        user = {f"user:{self.user_id}"} if self.user_id else set()
        return frozenset({f"key:{self.key_id}", *user, *(f"group:{group}" for group in self.groups)})
