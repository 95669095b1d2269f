"""Every operation that works, once: its answer fits the spec; an unknown id is a 404, a wrong field a 400 naming it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import ModuleType

import httpx
import pytest

from owngpt.service.app import App
from owngpt.store.db import Database
from tests.conformance import organization_steps, project_steps
from tests.conformance.table import documented
from tests.conformance.walk import Ids, Step, walk
from tests.fakes.engine import client_of, make_app
from tests.fakes.spec import misfit, operations
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
OTHERWISE = {  # where the spec's schema contradicts its own example
    "GET /chat/completions/{completion_id}/messages": "the messages that were sent are not all an assistant's",
}
WRONG: list[list[list[str]]] = [[[]]]  # fits no field


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    app = make_app(database=database)
    yield app
    await app.ingest.rest()
    app.ingest.close()


@pytest.mark.parametrize("part", [project_steps, organization_steps], ids=["project", "organization"])
async def test_every_answer_fits_the_spec(app: App, part: ModuleType) -> None:
    known, problems, ids = operations(), [], dict(part.IDS)
    async with client_of(app) as client:
        async for step, response in walk(client, part.STEPS, ids):
            assert step.is_right(response), f"{step.operation}: {response.text}"
            if response.status_code != 200:
                check_error(response)
            elif step.operation in known and step.operation not in OTHERWISE and not step.is_download:
                problems.append(misfit(response.json(), step.operation))
    assert [problem for problem in problems if problem] == []


@pytest.mark.parametrize("part", [project_steps, organization_steps], ids=["project", "organization"])
async def test_an_unknown_id_is_a_404_and_a_wrong_field_a_400(app: App, part: ModuleType) -> None:
    problems: list[str] = []
    ids: Ids = dict(part.IDS)
    async with client_of(app) as client:
        for step in part.STEPS:
            if step.status == 200:
                problems += [text async for text in _unknown_ids(client, step, ids)]
                problems += [text async for text in _wrong_fields(client, step, ids)]
            async for _ in walk(client, [step], ids):
                pass
    assert not problems, "\n".join(problems)


async def _unknown_ids(client: httpx.AsyncClient, step: Step, ids: Ids) -> AsyncIterator[str]:
    for name in step.path_names:
        response = await client.request(step.method, step.url({**ids, name: "no-such"}), **step.arguments(ids))
        if response.status_code != 404:
            yield f"{step.operation} with an unknown {name}: {response.status_code} {response.text[:200]}"
        else:
            check_error(response)


async def _wrong_fields(client: httpx.AsyncClient, step: Step, ids: Ids) -> AsyncIterator[str]:
    for name in step.json or ():
        wrong = replace(step, json={**step.json, name: WRONG})
        response = await client.request(step.method, step.url(ids), **wrong.arguments(ids))
        if response.status_code != 400 or (check_error(response)["param"] or "").split(".")[0].split("[")[0] != name:
            yield f"{step.operation} with a wrong {name}: {response.status_code} {response.text[:200]}"


def test_every_operation_that_works_is_tried() -> None:
    steps = {step.operation for part in (project_steps, organization_steps) for step in part.STEPS}
    assert {operation for operation, row in documented().items() if row.is_served} <= steps
