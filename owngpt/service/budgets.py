"""Hard limits on what a month may cost, of a project and of its organization.

They are checked at admission against what is in the database, read again after two seconds; what runs already goes on,
and is paid for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from owngpt.errors import InsufficientQuota
from owngpt.service.caller import Caller
from owngpt.store.cache import TimedCache
from owngpt.store.db import Database
from owngpt.store.spend import ORGANIZATION, Standing, standing_of
from owngpt.store.usage import month_of

CACHE_SECONDS = 2.0


class _Standings(NamedTuple):
    project: Standing
    organization: Standing


class Budgets:
    """The budgets of all projects. Used by one event loop; `load` by any thread."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._cache: TimedCache[str, _Standings] = TimedCache(CACHE_SECONDS, max_size=4096, clock=clock)

    def is_fresh(self, project_id: str) -> bool:
        """Whether `check` need not read the database."""
        return self._cache.get(project_id) is not None

    def load(self, organization_id: str, project_id: str) -> _Standings:
        """Read where a project and its organization stand this month."""

        def read() -> _Standings:
            month = month_of(time.time())
            owners = (project_id, ORGANIZATION)
            return _Standings(*(standing_of(self._db.read, organization_id, owner, month) for owner in owners))

        found = self._cache.fill(project_id, read)
        assert found is not None
        return found

    def forget(self) -> None:
        """A limit has changed."""
        self._cache.clear()

    def check(self, caller: Caller) -> None:
        """Raise `InsufficientQuota` where a budget is spent."""
        standings = self._cache.get(caller.project_id) or self.load(caller.organization_id, caller.project_id)
        for name, standing in standings._asdict().items():
            if standing.is_exhausted:
                raise InsufficientQuota(
                    f"You exceeded your current quota: the {name}'s spend limit of this month is reached. An "
                    f"administrator can raise it (spend_limit), or it ends with the month (UTC)."
                )
