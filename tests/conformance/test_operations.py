"""docs/api-operations.md holds every operation of the spec once, and says of each what is so."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from owngpt.server.asgi import ROUTES
from tests.conformance.table import DOCUMENT, beyond, documented
from tests.fakes.engine import client_of, make_app
from tests.fakes.spec import operations
from tests.hostile.shape import check_error

TWINS = "?beta=true"
SERVED = {
    f"{method} {route.path}"
    for route in ROUTES
    if isinstance(route, Route)
    for method in route.methods or ()
    if method != "HEAD"
}


def same(operation: str) -> str:
    """Without the names of the path's parameters, and without the prefix."""
    return re.sub(r"\{[^}]*\}", "{}", operation.replace(" /v1/", " /", 1))


def test_every_operation_of_the_spec_stands_there_once() -> None:
    assert set(documented()) == {operation for operation in operations() if not operation.endswith(TWINS)}


def test_what_works_or_differs_is_served_and_nothing_else() -> None:
    served = {same(operation) for operation in SERVED}
    assert {same(operation) for operation, row in documented().items() if row.is_served} == served - {
        same(operation) for operation in beyond()
    }


def test_what_is_beyond_the_spec_stands_there_too() -> None:
    known = {same(operation) for operation in documented()}
    assert set(beyond()) == {operation for operation in SERVED if same(operation) not in known}


def test_the_numbers_are_right() -> None:
    rows = [row.status.partition(":")[0] for row in documented().values()]
    text = " ".join(str(rows.count(status)) for status in ("works", "differs", "absent"))
    said = re.search(r"(\d+) work, (\d+) differ .* (\d+) are absent", DOCUMENT.read_text(encoding="utf-8"))
    assert said is not None
    assert " ".join(said.groups()) == text


def test_every_row_says_works_differs_how_or_absent() -> None:
    assert {row.status for row in documented().values() if not row.status.startswith("differs: ")} == {
        "works",
        "absent",
    }


@pytest.mark.anyio
async def test_what_is_absent_is_an_unknown_url() -> None:
    async with client_of(make_app()) as client:
        for operation in (name for name, row in documented().items() if not row.is_served):
            method, _, path = operation.partition(" ")
            response = await client.request(method, f"/v1{re.sub('[{}]', '', path)}")
            assert check_error(response, 404)["code"] == "unknown_url", operation
