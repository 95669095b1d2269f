"""docs/api.md names every route and every field."""

from __future__ import annotations

from pathlib import Path

import pytest

from owngpt.server.asgi import ROUTES
from owngpt.server.schemas.chat import ChatCompletionRequest
from owngpt.server.schemas.completions import CompletionRequest
from owngpt.server.schemas.fim import FimRequest
from owngpt.service.chat import THINKING_BUDGETS

TEXT = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
UNREMARKABLE = {
    "model",
    "stream",
    "user",
    "safety_identifier",
}  # as at OpenAI, or without meaning to a server of one's own


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_is_described(route: object) -> None:
    assert f"{route.path.replace(':path', '')}`" in TEXT  # type: ignore[attr-defined]


@pytest.mark.parametrize("shape", [ChatCompletionRequest, CompletionRequest, FimRequest])
def test_every_field_is_described(shape: type) -> None:
    fields = set(shape.model_fields) - UNREMARKABLE  # type: ignore[attr-defined]
    assert {field for field in fields if f"`{field}`" not in TEXT} == set()


def test_the_budgets_of_thinking_are_those_that_are_enforced() -> None:
    for effort, budget in THINKING_BUDGETS.items():
        assert f"{effort} {'no limit' if budget is None else f'{budget:,}'}" in TEXT
