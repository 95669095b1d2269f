"""What vector stores cost by the day: one usage event for each project and each day that is over.

An event's id names project and day, so each is written once, whoever writes it; they are caught up with whenever costs
are asked for and when the server starts. A day's storage is exact: bytes times seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from owngpt.service.prices import NANO, whole
from owngpt.store.db import Database
from owngpt.store.spend import Triggered
from owngpt.store.usage import UsageEvent, UsageEvents
from owngpt.store.usage_totals import byte_seconds

DAY = 86_400
GIB = 2**30


def charge_storage(db: Database, organization_id: str, price: Decimal, now: int) -> list[Triggered]:
    """Write the events of all days that are over and have none; -> the alerts that they trigger.

    `price` is that of a GiB for a day, in currency units.
    """
    first = _first_day(db, organization_id)
    if first is None or first >= now - now % DAY:
        return []
    days = range(first, now - now % DAY, DAY)
    return UsageEvents(db).add(event for day in days for event in _events_of(db, organization_id, day, price))


def _first_day(db: Database, organization_id: str) -> int | None:
    """The day after the last one that was charged, or that of the first byte; None where nothing was ever stored."""
    [charged] = db.read(
        "SELECT MAX(created_at) AS day FROM usage_events WHERE organization_id = ? AND kind = 'vector_store_storage'",
        (organization_id,),
    )
    if charged["day"] is not None:
        return int(charged["day"]) + DAY
    [stored] = db.read(
        "SELECT MIN(created_at) AS time FROM usage_events WHERE organization_id = ? AND kind = 'vector_stores'",
        (organization_id,),
    )
    return None if stored["time"] is None else int(stored["time"]) // DAY * DAY


def _events_of(db: Database, organization_id: str, day: int, price: Decimal) -> Iterator[UsageEvent]:
    for project_id, amount in byte_seconds(db, organization_id, day, day + DAY).items():
        if amount > 0:
            yield UsageEvent(
                f"use_storage_{project_id}_{day // DAY}",
                request_id="",
                organization_id=organization_id,
                project_id=project_id,
                key_id="",
                user_id=None,
                kind="vector_store_storage",
                model=None,
                tier="default",
                vector_store_id=None,
                created_at=day,
                outcome="stop",
                num_requests=0,
                bytes=amount // DAY,
                input_cost=whole(price * NANO * amount / (GIB * DAY)),
            )
