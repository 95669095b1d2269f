"""Usage events, their sums, and what a month has cost: on both databases."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from owngpt.errors import NotFound
from owngpt.store.db import Database
from owngpt.store.paging import PageRequest
from owngpt.store.projects import Projects
from owngpt.store.rate_limits import ALL_MODELS, ProjectRateLimits, RateLimit
from owngpt.store.spend import (
    CENT,
    ORGANIZATION,
    add_alert,
    alerts_of,
    delete_alert,
    delete_limit,
    find_alert,
    limit_of,
    set_limit,
    standing_of,
)
from owngpt.store.usage import UsageEvent, UsageEvents, add_stored_bytes, month_of
from owngpt.store.usage_totals import UsageFilter, byte_seconds, stored_bytes, totals

NOON = 1_760_000_400 // 86_400 * 86_400 + 43_200
HOUR = 3600


def event(name: str, **values: Any) -> UsageEvent:
    known = {"project_id": "proj_a", "key_id": "key_a", "user_id": None, "kind": "completions", "model": "m"}
    filled = {**known, "tier": "default", "vector_store_id": None, "created_at": NOON, **values}
    return UsageEvent(id=name, request_id="req", organization_id=filled.pop("organization_id", "org"), **filled)


def test_an_event_counts_once_however_often_it_is_written(database: Database) -> None:
    store = UsageEvents(database)
    events = [event("a", input_cost=1, cached_cost=20, output_cost=300), event("b", input_cost=5000)]
    for _ in range(3):
        assert store.add(events) == []
    store.add([event("c", input_cost=7, project_id="proj_b"), event("a", input_cost=9)])
    assert len(database.read("SELECT id FROM usage_events")) == 3
    month = month_of(NOON)
    assert standing_of(database.read, "org", "proj_a", month) == (5321, None)
    assert standing_of(database.read, "org", "proj_b", month) == (7, None)
    assert standing_of(database.read, "org", ORGANIZATION, month) == (5328, None)
    assert standing_of(database.read, "org", "proj_a", month_of(NOON + 40 * 86_400)) == (0, None)
    assert standing_of(database.read, "other", ORGANIZATION, month) == (0, None)


def test_writers_at_the_same_time_lose_nothing(database: Database) -> None:
    """Each event is written by two of them."""
    store = UsageEvents(database)

    def write(start: int) -> None:
        for number in range(start, start + 40, 4):
            store.add([event(f"e{i % 60}", input_cost=1) for i in range(number, number + 4)])

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert standing_of(database.read, "org", "proj_a", month_of(NOON)).cost == 60


def test_sums_by_bucket_and_group(database: Database) -> None:
    UsageEvents(database).add(
        [
            event("a", input_tokens=1, output_tokens=2**40),
            event("b", input_tokens=10, output_tokens=2**40, created_at=NOON + HOUR - 1, tier="batch"),
            event("c", input_tokens=100, created_at=NOON + HOUR, user_id="user-b"),
            event("d", input_tokens=1000, created_at=NOON + 2 * HOUR),
            event("e", input_tokens=1000, organization_id="other"),
            event("f", input_tokens=1000, kind="embeddings"),
        ]
    )
    asked = UsageFilter("org", ["completions"], NOON, NOON + 2 * HOUR, HOUR)
    found = totals(database, asked)
    assert [(total.bucket - NOON, total.group, total.sums["input_tokens"]) for total in found] == [
        (0, (), 11),
        (HOUR, (), 100),
    ]
    assert found[0].sums["output_tokens"] == 2**41
    assert all(type(value) is int for value in found[0].sums.values()), "PostgreSQL adds up to decimals"
    by_user = totals(database, UsageFilter("org", ["completions"], NOON, NOON + 86_400, 86_400), ["user_id", "tier"])
    assert {total.group: total.sums["input_tokens"] for total in by_user} == {
        (None, "default"): 1001,
        (None, "batch"): 10,
        ("user-b", "default"): 100,
    }
    batches = UsageFilter(
        "org", ["completions"], NOON, NOON + 86_400, 86_400, {"project_id": ["proj_a", "x"]}, is_batch=True
    )
    assert [total.sums["input_tokens"] for total in totals(database, batches)] == [10]
    assert totals(database, UsageFilter("org", ["completions"], NOON, NOON + 86_400, 86_400, {"project_id": []})) == []


def test_bytes_times_seconds(database: Database) -> None:
    changes = ((0, 100), (HOUR, 50), (2 * HOUR, -150))
    UsageEvents(database).add(
        event(f"v{at}", kind="vector_stores", bytes=size, created_at=NOON + at) for at, size in changes
    )
    assert byte_seconds(database, "org", NOON - HOUR, NOON) == {}
    assert byte_seconds(database, "org", NOON - HOUR, NOON + HOUR) == {"proj_a": 100 * HOUR}
    assert byte_seconds(database, "org", NOON + HOUR // 2, NOON + 9 * HOUR) == {"proj_a": 50 * HOUR + 150 * HOUR}
    asked = UsageFilter("org", ["vector_stores"], NOON, NOON + 3 * HOUR, HOUR)
    levels = stored_bytes(database, asked, [NOON, NOON + HOUR, NOON + 2 * HOUR], ["project_id"])
    assert [(level.group, level.sums["bytes"]) for level in levels] == [(("proj_a",), 100), (("proj_a",), 150)]


def test_alerts_are_triggered_in_the_transaction_of_what_triggers_them(database: Database) -> None:
    with database.write() as transaction:
        mine = add_alert(transaction, "org", "proj_a", 100, ["a@example.com"], None)
        ours = add_alert(transaction, "org", ORGANIZATION, 150, [], "Oh")
        add_alert(transaction, "org", "proj_b", 100, [], None)
        add_alert(transaction, "other", "proj_a", 0, [], None)
    store = UsageEvents(database)
    assert store.add([event("a", input_cost=100 * CENT - 1)]) == []
    [first] = store.add([event("b", input_cost=1)])
    assert (first.alert_id, first.project_id, first.cost) == (mine.id, "proj_a", 100 * CENT)
    [second] = store.add([event("c", input_cost=60 * CENT, project_id="proj_c")])
    assert (second.alert_id, second.project_id, second.cost) == (ours.id, ORGANIZATION, 160 * CENT)
    assert store.add([event("d", input_cost=100 * CENT)]) == []
    again = store.add([event("e", input_cost=200 * CENT, created_at=NOON + 40 * 86_400)])
    assert {triggered.alert_id for triggered in again} == {mine.id, ours.id}
    found = find_alert(database.read, "org", "proj_a", mine.id)
    assert found.recipients == ("a@example.com",)
    assert found.triggered_at is not None
    with database.write() as transaction:
        delete_alert(transaction, found)
    with pytest.raises(NotFound, match="No such SpendAlert object"):
        find_alert(database.read, "org", "proj_a", mine.id)
    assert alerts_of(database, "org", ORGANIZATION, PageRequest())[0][0].id == ours.id
    assert alerts_of(database, "org", "proj_a", PageRequest()) == ([], False)


def test_spend_limits(database: Database) -> None:
    assert limit_of(database.read, "org", "proj_a") is None
    with database.write() as transaction:
        for cents in (5, 7):
            set_limit(transaction, "org", "proj_a", cents)
    assert (limit_of(database.read, "org", "proj_a"), limit_of(database.read, "org", ORGANIZATION)) == (7, None)
    UsageEvents(database).add([event("a", input_cost=7 * CENT)])
    assert standing_of(database.read, "org", "proj_a", month_of(NOON)).is_exhausted
    for error in (None, NotFound):
        with database.write() as transaction:
            if error is None:
                delete_limit(transaction, "org", "proj_a")
                continue
            with pytest.raises(error):
                delete_limit(transaction, "org", "proj_a")


def test_rate_limits(database: Database) -> None:
    store = ProjectRateLimits(database)
    for limit in (1, 2):
        store.set(RateLimit("proj_a", ALL_MODELS, requests_per_minute=limit))
    store.set(RateLimit("proj_a", "m", tokens_per_minute=2**53 - 2))
    assert store.of_project("proj_b") == {}
    assert store.of_project("proj_a") == {
        ALL_MODELS: RateLimit("proj_a", ALL_MODELS, requests_per_minute=2),
        "m": RateLimit("proj_a", "m", tokens_per_minute=2**53 - 2),
    }


def test_what_is_stored_is_noted_where_it_is_stored(database: Database) -> None:
    project = Projects(database).ensure("research")

    def fail() -> None:
        with database.write() as transaction:
            add_stored_bytes(transaction, project.id, "vs_1", 100)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    for change in (7, 0, -2):
        with database.write() as transaction:
            add_stored_bytes(transaction, project.id, "vs_1", change)
    found = database.read("SELECT organization_id, bytes, num_requests FROM usage_events ORDER BY bytes")
    assert [tuple(row.values()) for row in found] == [(project.organization_id, n, 0) for n in (-2, 7)]
