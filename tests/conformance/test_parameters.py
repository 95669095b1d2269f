"""Every query parameter and body field that the spec gives to an operation that works means something here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import owngpt
from owngpt.service.app import App
from tests.conformance import organization_steps, project_steps
from tests.conformance.table import documented
from tests.conformance.walk import Ids, Step, walk
from tests.fakes.engine import client_of, make_app
from tests.fakes.spec import component, operations
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
CODE = "\n".join(path.read_text(encoding="utf-8") for path in Path(owngpt.__file__).parent.rglob("*.py"))
PARTS = pytest.mark.parametrize("part", [project_steps, organization_steps], ids=["project", "organization"])


@pytest.fixture
async def app() -> AsyncIterator[App]:
    app = make_app()
    yield app
    await app.ingest.rest()
    app.ingest.close()


def test_every_query_parameter_is_read_or_said_to_be_ignored() -> None:
    missing = [
        f"{operation}: {name}"
        for operation, row in documented().items()
        for name in (query_parameters(operation) if row.is_served and not row.status.startswith("differs: 400") else ())
        if f'"{name.removesuffix("[]")}"' not in CODE and f"`{name}`" not in row.status
    ]
    assert missing == []


@PARTS
async def test_limit_and_order_count_wherever_the_spec_has_them(app: App, part: ModuleType) -> None:
    ids: Ids = dict(part.IDS)
    async with client_of(app) as client:
        for step in part.STEPS:
            async for _ in walk(client, [step], ids):
                pass
            for name in {"limit", "order"} & query_parameters(step.operation) if step.status == 200 else ():
                response = await client.get(step.url(ids), params={**step.params, name: "sideways"})
                assert check_error(response, 400)["param"] == name, step.operation


@PARTS
async def test_no_field_of_a_body_is_unknown(app: App, part: ModuleType) -> None:
    """Null, each of them: what the server does not know it names in the header."""
    ignored: list[str] = []
    ids: Ids = dict(part.IDS)
    async with client_of(app) as client:
        for step in part.STEPS:
            async for _ in walk(client, [step], ids):
                pass
            if step.json is not None and step.operation in operations() and step.status == 200:
                whole = replace(step, json={**dict.fromkeys(body_fields(step)), **step.json})
                response = await client.request(step.method, step.url(ids), **whole.arguments(ids))
                if names := response.headers.get("x-owngpt-ignored"):
                    ignored.append(f"{step.operation}: {names}")
    assert ignored == []


def query_parameters(operation: str) -> set[str]:
    """Of the spec; none for operations that are ours."""
    described = operations().get(operation, {}).get("parameters", ())
    return {parameter["name"] for parameter in described if parameter.get("in") == "query"}


def body_fields(step: Step) -> set[str]:
    """The fields that the spec gives to an operation's JSON body."""
    return _fields(operations()[step.operation]["requestBody"]["content"]["application/json"]["schema"])


def _fields(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return _fields(component(schema["$ref"]))
    parts = [part for union in ("allOf", "anyOf", "oneOf") for part in schema.get(union, ())]
    return set(schema.get("properties", ())).union(*map(_fields, parts))
