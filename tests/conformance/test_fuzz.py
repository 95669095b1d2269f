"""Every operation, a little wrong: odd values in bodies, query strings and paths. Nothing of it is a 5xx.

Each step of the walk is taken rightly, so that what it names is there, and wrongly many times. In CI a few of the wrong
ones are drawn, always the same; `HOSTILE_EXAMPLES=100000` tries all of them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import httpx
import pytest

from owngpt.service.app import App
from owngpt.store.db import Database
from tests.conformance import organization_steps, project_steps
from tests.conformance.walk import Ids, Step, walk
from tests.fakes.engine import client_of, make_app
from tests.fakes.spec import operations
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "8"))
TEXTS = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "日本👩‍👧",
    "\u202e",
    "a" * 3_000,
    "%00",
    "../..",
    "{}",
    "NaN",
    "null",
    "-1",
    "1e999",
]
NUMBERS = [0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 1e-320, float("nan"), float("inf"), 0.5]
NESTED: list[Any] = [
    None,
    True,
    [],
    {},
    [None],
    [[]],
    {"": ""},
    {"\0": "\ud800"},
    {"type": []},
    [{"type": "x"}],
    [1] * 99,
]
ODD: list[Any] = [*TEXTS, *NUMBERS, *NESTED]
QUERY = [text for text in TEXTS if "\ud800" not in text] + ["99999999999999999999", "0", "٣", "desc", "2.5"]


@dataclass(frozen=True)
class Request:
    """One wrong request."""

    method: str
    url: str
    content: bytes | None
    arguments: dict[str, Any]


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    app = make_app(database=database)
    yield app
    await app.ingest.rest()
    app.ingest.close()


@pytest.mark.parametrize("part", [project_steps, organization_steps], ids=["project", "organization"])
async def test_no_operation_fails_of_what_it_is_asked(app: App, part: ModuleType) -> None:
    drawn = random.Random(1)
    ids: Ids = dict(part.IDS)
    problems: list[str] = []
    async with client_of(app) as client:
        for step in part.STEPS:
            if step.is_final:
                problems += await _try_wrongly(client, step, ids, drawn)
            async for _, response in walk(client, [step], ids):
                assert step.is_right(response), f"{step.operation}: {response.text}"
            if not step.is_final:
                problems += await _try_wrongly(client, step, ids, drawn)
    assert not problems, "\n".join(problems)


async def _try_wrongly(client: httpx.AsyncClient, step: Step, ids: Ids, drawn: random.Random) -> list[str]:
    wrong = list(wrong_requests(step, ids))
    chosen = drawn.sample(wrong, min(EXAMPLES, len(wrong)))
    return [problem for request in chosen for problem in await _problems(client, request)]


async def _problems(client: httpx.AsyncClient, request: Request) -> list[str]:
    response = await client.request(request.method, request.url, content=request.content, **request.arguments)
    try:
        if response.status_code >= 400:
            check_error(response)
    except AssertionError:
        sent = (request.content or str(request.arguments).encode())[:300]
        return [f"{request.method} {request.url} {sent!r}: {response.status_code} {response.text[:200]}"]
    return []


def wrong_requests(step: Step, ids: Ids) -> Iterator[Request]:
    """The step with one thing replaced."""
    arguments = step.arguments(ids)
    body = arguments.pop("json", None)
    content = None if body is None else json.dumps(body).encode()
    for text in TEXTS:
        for name in step.path_names:
            try:
                url = step.url({**ids, name: text or " "})
            except UnicodeEncodeError:
                continue
            yield Request(step.method, url, content, arguments)
    if step.is_final:
        return  # nothing else of it can be wrong
    for name in _query_names(step):
        for text in QUERY:
            params = {**arguments["params"], name: text}
            yield Request(step.method, step.url(ids), content, {**arguments, "params": params})
    if "data" in arguments:
        for name in {*arguments["data"], "readers", "expires_after[seconds]"}:
            for text in QUERY:
                yield Request(step.method, step.url(ids), None, {**arguments, "data": arguments["data"] | {name: text}})
        return
    for odd in () if body is None else (*_bodies(body), *ODD):
        yield Request(step.method, step.url(ids), json.dumps(odd).encode(), arguments)


def _query_names(step: Step) -> list[str]:
    described = operations().get(step.operation, {}).get("parameters", ())
    return sorted({*(each["name"] for each in described if each.get("in") == "query"), *step.params})


def _bodies(value: Any) -> Iterator[Any]:
    """The body with each of its parts replaced by each odd value."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from ({**value, name: odd} for odd in ODD)
            yield from ({**value, name: inner} for inner in _bodies(part))
    if isinstance(value, list):
        for i, part in enumerate(value):
            yield from ([*value[:i], odd, *value[i + 1 :]] for odd in ODD)
            yield from ([*value[:i], inner, *value[i + 1 :]] for inner in _bodies(part))
