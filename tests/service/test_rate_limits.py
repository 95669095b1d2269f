"""Requests and tokens per minute: never more than the limits, no less than they allow, and the truth in the headers."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from owngpt.config import ProjectConfig
from owngpt.errors import RateLimitReached, RequestLimitReached, TokenLimitReached
from owngpt.service.app import Caller
from owngpt.service.rate_limits import RateLimits, Readings, duration, readings
from owngpt.store.db import SQLite
from owngpt.store.rate_limits import ALL_MODELS, ProjectRateLimits, RateLimit
from owngpt.types import Tier, Usage
from tests.fakes.engine import client_of, make_app

A = Caller("proj_a", "a", "org-1", "key_a", is_admin=False)
B = Caller("proj_b", "b", "org-1", "key_b", is_admin=False)
CHAT = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """Limits of project A, and a clock to turn."""

    def __init__(self, folder: Path, projects: Mapping[str, ProjectConfig] | None = None, **limits: Any) -> None:
        self.clock = Clock()
        self.store = ProjectRateLimits(SQLite(folder / "owngpt.db"))
        self.rates = RateLimits(self.store, projects, self.clock)
        if limits:
            self.store.set(RateLimit("proj_a", **{"model": "garlic", **limits}))

    def admit(self, caller: Caller = A, model: str = "garlic", tier: Tier = Tier.DEFAULT) -> Any:
        return self.rates.admit(caller, model, tier)

    def refused(self, error: type[RateLimitReached], **who: Any) -> RateLimitReached:
        with pytest.raises(error) as refused:
            self.admit(**who)
        return refused.value


def test_without_limits_everything_passes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for _ in range(1000):
        place.admit().expect(10**6, 10**6)


def test_requests_per_minute(tmp_path: Path) -> None:
    place = Place(tmp_path, requests_per_minute=3)
    for _ in range(3):
        place.admit()
    refusal = place.refused(RequestLimitReached)
    assert (refusal.status, refusal.type, refusal.code) == (429, "requests", "rate_limit_exceeded")
    assert "garlic in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1." in refusal.message
    assert "Please try again in 20s." in refusal.message
    assert refusal.headers == {"retry-after": "20", "retry-after-ms": "20000"}
    place.clock.now += 19.9
    place.refused(RequestLimitReached)
    place.clock.now += 0.1
    place.admit()
    place.refused(RequestLimitReached)


def test_other_projects_and_models_have_their_own(tmp_path: Path) -> None:
    place = Place(tmp_path, requests_per_minute=1)
    place.admit()
    place.refused(RequestLimitReached)
    place.admit(B)
    place.admit(model="ginger")


def test_a_limit_of_all_models_counts_them_together(tmp_path: Path) -> None:
    place = Place(tmp_path, model=ALL_MODELS, requests_per_minute=2)
    place.admit()
    place.admit(model="ginger")
    assert "all models of this project" in place.refused(RequestLimitReached).message


def test_tokens_are_taken_before_and_settled_after(tmp_path: Path) -> None:
    place = Place(tmp_path, tokens_per_minute=600)
    first = place.admit()
    first.expect(100, 400)
    with pytest.raises(TokenLimitReached) as refused:
        place.admit().expect(50, 100)
    assert (
        "on tokens per min (TPM): Limit 600, Used 500, Requested 150. Please try again in 5s." in refused.value.message
    )
    assert refused.value.type == "tokens"
    first.settle(Usage(100, 20))
    place.admit().expect(80, 400)
    place.refused(TokenLimitReached)


def test_an_answer_that_is_longer_than_expected_is_paid_back(tmp_path: Path) -> None:
    place = Place(tmp_path, tokens_per_minute=600)
    reservation = place.admit()
    reservation.expect(100, 0)
    reservation.settle(Usage(100, 1000))
    assert place.refused(TokenLimitReached).retry_after == pytest.approx(50.1)


def test_a_request_that_never_fits_is_not_to_be_sent_again(tmp_path: Path) -> None:
    place = Place(tmp_path, tokens_per_minute=600)
    with pytest.raises(TokenLimitReached) as refused:
        place.admit().expect(601, 0)
    assert refused.value.headers == {"x-should-retry": "false"}
    assert "Request too large for garlic" in refused.value.message


def test_requests_per_day(tmp_path: Path) -> None:
    place = Place(tmp_path, requests_per_day=2, requests_per_minute=100)
    place.admit()
    place.admit()
    assert "on requests per day (RPD)" in place.refused(RequestLimitReached).message
    place.clock.now += 43_200
    place.admit()


def test_batches_have_a_limit_of_their_own(tmp_path: Path) -> None:
    place = Place(tmp_path, batch_tokens_per_day=100, requests_per_minute=1, tokens_per_minute=10)
    for _ in range(2):
        place.admit(tier=Tier.BATCH).expect(50, 10_000)
    place.refused(TokenLimitReached, tier=Tier.BATCH)
    place.admit().expect(5, 5)


def test_the_config_file_says_what_holds_where_the_api_has_set_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, {"a": ProjectConfig(requests_per_minute=1)})
    place.admit()
    place.refused(RequestLimitReached)
    place.store.set(RateLimit("proj_a", ALL_MODELS, requests_per_minute=2))
    place.refused(RequestLimitReached)
    place.clock.now += 2.1  # what was read from the database is not believed for longer
    place.admit()
    place.admit(B)


def test_a_new_limit_does_not_forget_what_was_taken(tmp_path: Path) -> None:
    place = Place(tmp_path, requests_per_minute=10)
    for _ in range(5):
        place.admit()
    place.store.set(RateLimit("proj_a", "garlic", requests_per_minute=4))
    place.rates.forget()
    place.refused(RequestLimitReached)


def test_over_any_time_no_more_passes_than_a_burst_and_the_pace(tmp_path: Path) -> None:
    rng, place = random.Random(0), Place(tmp_path, requests_per_minute=30)
    passed: list[float] = []
    waits: list[float] = []
    for _ in range(3000):
        place.clock.now += rng.expovariate(1.0)
        try:
            place.admit()
            passed.append(place.clock.now)
        except RequestLimitReached as refusal:
            waits.append(refusal.retry_after)
    assert 0 < min(waits) < max(waits) <= 2
    for i, start in enumerate(passed):
        seconds = [now - start for now in passed[i : i + 100]]
        assert all(number <= 30 + elapsed / 2 + 1e-6 for number, elapsed in enumerate(seconds))
    assert len(passed) >= 0.95 * (passed[-1] - passed[0]) / 2, "what is allowed is not refused"


def test_the_headers_tell_the_tightest(tmp_path: Path) -> None:
    place = Place(tmp_path, requests_per_minute=10, requests_per_day=5, tokens_per_minute=600)
    shown = Readings()
    token = readings.set(shown)
    try:
        place.admit().expect(100, 200)
    finally:
        readings.reset(token)
    assert shown.requests is not None
    assert shown.requests[:2] == (5, 4)
    assert shown.tokens == (600, 300, 30.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0055, "6ms"), (0.9999, "1s"), (1.2, "1.2s"), (63, "1m3s"), (60, "1m0s"), (7205.5, "2h0m5.5s")],
)
def test_durations_are_said_as_openai_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?", text)
    assert parts is not None
    scale = 0.001 if parts[4] == "ms" else 1.0
    total = int(parts[1] or 0) * 3600 + int(parts[2] or 0) * 60 + float(parts[3] or 0) * scale
    assert seconds <= total <= math.ceil(seconds * 1000) / 1000 + 1e-9


@pytest.mark.anyio
async def test_on_the_wire() -> None:
    app = make_app()
    [project] = app.database.read("SELECT id FROM projects")
    limits = RateLimit(project["id"], "fake", requests_per_minute=2, tokens_per_minute=600)
    ProjectRateLimits(app.database).set(limits)
    async with client_of(app) as client:
        first = await client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 60})
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-limit-tokens"] == "600"
        assert first.headers["x-ratelimit-remaining-tokens"] == str(600 - 21 - 60)
        stream = await client.post("/v1/chat/completions", json={**CHAT, "stream": True})
        assert stream.headers["x-ratelimit-remaining-requests"] == "0"
        assert re.fullmatch(r"1m0s|59\.\d+s", stream.headers["x-ratelimit-reset-requests"])
        refused = await client.post("/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        other = await client.post("/v1/embeddings", json={"input": "Hi"})
        assert other.status_code == 200
        assert "x-ratelimit-limit-tokens" not in other.headers
    app.close()
