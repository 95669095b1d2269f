"""How much each project may use in a minute and in a day, of each model and of all together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from owngpt.store.db import Database, Transaction
from owngpt.store.reading import Read

ALL_MODELS = "*"


class _Rates(Protocol):
    """Where the operator's own limits stand (`ProjectConfig`)."""

    @property
    def requests_per_minute(self) -> int | None: ...
    @property
    def tokens_per_minute(self) -> int | None: ...
    @property
    def requests_per_day(self) -> int | None: ...
    @property
    def batch_tokens_per_day(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limits of one model in one project, or of ALL_MODELS together. None is no limit."""

    project_id: str
    model: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    batch_tokens_per_day: int | None = None  # input tokens of batches

    @classmethod
    def of_config(cls, project_id: str, rates: _Rates) -> RateLimit:
        """What the config file says of a project: of all models together."""
        return cls(
            project_id,
            ALL_MODELS,
            rates.requests_per_minute,
            rates.tokens_per_minute,
            rates.requests_per_day,
            rates.batch_tokens_per_day,
        )


_NAMES = [field.name for field in fields(RateLimit)]


class ProjectRateLimits:
    """The limits that were set through the API."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of_project(self, project_id: str) -> dict[str, RateLimit]:
        """By model."""
        return rate_limits_of(self._db.read, project_id)

    def set(self, limit: RateLimit) -> None:
        """Set or replace all of a model's."""
        with self._db.write() as transaction:
            set_rate_limit(transaction, limit)


def set_rate_limit(transaction: Transaction, limit: RateLimit) -> None:
    """Likewise, in a transaction of the caller's."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[2:])
    transaction.execute(
        f"INSERT INTO project_rate_limits ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"
        f" ON CONFLICT (project_id, model) DO UPDATE SET {changes}",
        [getattr(limit, name) for name in _NAMES],
    )


def rate_limits_of(read: Read, project_id: str) -> dict[str, RateLimit]:
    """Likewise, inside a transaction or outside."""
    rows = read(f"SELECT {', '.join(_NAMES)} FROM project_rate_limits WHERE project_id = ?", (project_id,))
    return {row["model"]: RateLimit(**row) for row in rows}
