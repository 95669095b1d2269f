"""What is counted becomes a row exactly once, at its price: whoever leaves, whatever fails, and whatever is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from owngpt.config import ModelPrice, Prices
from owngpt.errors import ServiceUnavailable
from owngpt.service.app import Caller
from owngpt.service.metering import Meter
from owngpt.service.usage_writer import UsageWriter
from owngpt.store.db import SQLite
from owngpt.store.journal import Journal
from owngpt.store.spend import Triggered
from owngpt.store.usage import UsageEvent, UsageEvents
from owngpt.types import Tier, Usage

CALLER = Caller("proj_a", "a", "org-1", "key_a", is_admin=False, user_id="user-1")
PRICES = Prices(
    {
        "garlic": ModelPrice(Decimal("2"), Decimal("0.5"), Decimal("10")),
        "gpt-5.2": ModelPrice(Decimal("0.0125"), Decimal("0.0125"), Decimal("1")),
    },
    file_search_call=Decimal("0.0025"),
)


@pytest.fixture
def database(tmp_path: Path) -> SQLite:
    return SQLite(tmp_path / "owngpt.db")


def meter_of(database: SQLite, tmp_path: Path, prices: Prices = PRICES) -> Meter:
    return Meter(database, tmp_path / "metering", prices)


def rows(database: SQLite) -> list[dict[str, Any]]:
    return [dict(row) for row in database.read("SELECT * FROM usage_events ORDER BY created_at, id")]


def only_row(database: SQLite) -> dict[str, Any]:
    [row] = rows(database)
    return row


def kill(meter: Meter) -> None:
    """What remains of it when its process is killed: a file that nobody locks."""
    meter._journal.close()


def test_a_request_becomes_a_row(tmp_path: Path, database: SQLite) -> None:
    meter = meter_of(database, tmp_path)
    tally = meter.open(CALLER, "completions", "gpt-5.2", names=("garlic",), tier=Tier.FLEX, request_id="req_1")
    tally.count(Usage(100, 1))
    tally.count(Usage(100, 7, cached_tokens=60, cache_write_tokens=32, reasoning_tokens=5))
    tally.settle("stop")
    meter.flush().result()
    row = only_row(database)
    del row["created_at"]
    assert row == {
        "id": tally.id,
        "request_id": "req_1",
        "organization_id": "org-1",
        "project_id": "proj_a",
        "key_id": "key_a",
        "user_id": "user-1",
        "kind": "completions",
        "model": "gpt-5.2",
        "tier": "flex",
        "vector_store_id": None,
        "outcome": "stop",
        "num_requests": 1,
        "input_tokens": 100,
        "cached_tokens": 60,
        "cache_write_tokens": 32,
        "output_tokens": 7,
        "reasoning_tokens": 5,
        "bytes": 0,
        "input_cost": 500,  # 40 x 12.5 nano-dollars
        "cached_cost": 750,
        "output_cost": 7000,
    }
    meter.close()
    assert list((tmp_path / "metering").iterdir()) == []


def test_an_alias_without_a_price_costs_what_its_model_costs(tmp_path: Path, database: SQLite) -> None:
    meter = meter_of(database, tmp_path)
    tally = meter.open(CALLER, "completions", "gpt-4o", names=("garlic",))
    tally.count(Usage(10, 10, cached_tokens=4))
    tally.settle("stop")
    meter.close()
    row = only_row(database)
    assert (row["input_cost"], row["cached_cost"], row["output_cost"]) == (12_000, 2_000, 100_000)


def test_calls_and_bytes_are_recorded(tmp_path: Path, database: SQLite) -> None:
    meter = meter_of(database, tmp_path)
    meter.record(CALLER, kind="file_search_calls", num_requests=3, vector_store_id="vs_1")
    meter.record(CALLER, kind="vector_stores", bytes=-1024, num_requests=0)
    meter.close()
    assert {(row["kind"], row["num_requests"], row["bytes"], row["input_cost"]) for row in rows(database)} == {
        ("file_search_calls", 3, 0, 7_500_000),
        ("vector_stores", 0, -1024, 0),
    }


def test_what_a_killed_process_had_counted_is_found_once(tmp_path: Path, database: SQLite) -> None:
    """With the prices of its time; also if it is found, and the next process is killed before the file is deleted."""
    killed = meter_of(database, tmp_path)
    tally = killed.open(CALLER, "completions", "garlic")
    tally.count(Usage(20, 3, cached_tokens=10, cache_write_tokens=5, reasoning_tokens=2))
    killed.open(CALLER, "completions", "garlic")
    kill(killed)
    [file] = (tmp_path / "metering").iterdir()
    left = file.read_bytes()
    for _ in range(2):
        file.write_bytes(left)
        meter = meter_of(database, tmp_path, Prices())
        assert meter.num_recovered == 2
        meter.close()
    found = {row["id"]: row for row in rows(database)}
    assert len(found) == 2
    row = found[tally.id]
    assert (row["outcome"], row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == ("crash", 20, 10, 3)
    assert (row["cache_write_tokens"], row["reasoning_tokens"]) == (5, 2)
    assert (row["input_cost"], row["cached_cost"], row["output_cost"]) == (20_000, 5_000, 30_000)
    assert database.read("SELECT SUM(cost) AS cost FROM monthly_costs")[0]["cost"] == 55_000
    assert list((tmp_path / "metering").iterdir()) == []


def test_a_second_process_leaves_the_first_ones_requests_alone(tmp_path: Path, database: SQLite) -> None:
    first, second = meter_of(database, tmp_path), meter_of(database, tmp_path)
    tally = first.open(CALLER, "completions", "garlic")
    tally.count(Usage(1, 1))
    assert second.recover() == 0
    tally.settle("stop")
    for meter in (first, second):
        meter.close()
    assert only_row(database)["outcome"] == "stop"


class Flaky(UsageEvents):
    """Loses its database for a while, and cannot write some events at all."""

    num_failures = 3
    poison: str | None = None

    def add(self, events: Iterable[UsageEvent]) -> list[Triggered]:
        events = list(events)
        if self.num_failures:
            self.num_failures -= 1
            raise OSError("the database is away")
        if any(event.id == self.poison for event in events):
            raise ValueError("this one never works")
        return super().add(events)


def test_what_cannot_be_written_is_tried_again_and_takes_no_other_with_it(
    tmp_path: Path, database: SQLite, caplog: pytest.LogCaptureFixture
) -> None:
    meter = meter_of(database, tmp_path)
    store = Flaky(database)
    meter._writer = UsageWriter(store, meter._journal, retry_seconds=0.01)
    tallies = [meter.open(CALLER, "completions", "garlic") for _ in range(4)]
    store.poison = tallies[1].id
    for tally in tallies:
        tally.count(Usage(1, 1))
        tally.settle("stop")
    while meter.writer.num_written < 3:
        meter.flush().result()
    meter.close()
    assert {row["id"] for row in rows(database)} == {tally.id for tally in tallies} - {store.poison}
    assert "is tried again" in caplog.text
    again = meter_of(database, tmp_path)
    assert (again.num_recovered, len(rows(database))) == (1, 4)
    again.close()


def test_what_cannot_be_metered_is_not_served(
    tmp_path: Path, database: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    meter = meter_of(database, tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ServiceUnavailable):
        meter.open(CALLER, "completions", "garlic")
    assert list((tmp_path / "metering").iterdir()) == []
    meter.close()


def test_more_requests_than_a_file_has_slots(tmp_path: Path, database: SQLite) -> None:
    meter = meter_of(database, tmp_path)
    tallies = [meter.open(CALLER, "completions", "日本" * 150) for _ in range(600)]
    for number, tally in enumerate(tallies):
        tally.count(Usage(number, 1))
        tally.settle("stop")
    meter.close()
    assert sorted(row["input_tokens"] for row in rows(database)) == list(range(600))
    assert list((tmp_path / "metering").iterdir()) == []


def test_a_journal_that_nobody_can_read_is_left_where_it_is(
    tmp_path: Path, database: SQLite, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path / "metering")
    journal.begin(b"not json")
    journal.close()
    meter = meter_of(database, tmp_path)
    assert meter.num_recovered == 0
    assert "tried again at the next start" in caplog.text
    meter.close()
    assert len(list((tmp_path / "metering").iterdir())) == 1
