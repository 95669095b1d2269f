"""POST /v1/vector_stores/{id}/search."""

from __future__ import annotations

from typing import Any

import pytest

from owngpt.service.app import App
from tests.fakes.engine import client_of, make_app
from tests.retrieval.library import Library

pytestmark = pytest.mark.anyio


@pytest.fixture
def app() -> App:
    """With one store of three files."""
    app = make_app(embedder=False)
    library = Library(app.database)
    library.put("file-leave", ["Annual leave is 20 days.", "Sick leave needs a note."], attributes={"year": 2026.0})
    library.put("file-travel", ["Book travel, also during leave, in Concur."], attributes={"year": 2020.0})
    library.put("file-board", ["Leave of the board."], readers=frozenset({"user:chair"}))
    return app


async def post(app: App, **body: Any) -> tuple[int, dict[str, Any]]:
    async with client_of(app) as client:
        response = await client.post("/v1/vector_stores/vs_1/search", json=body)
    return response.status_code, response.json()


async def test_results_are_as_openai_sends_them(app: App) -> None:
    status, page = await post(app, query="What about sick leave?", rewrite_query=True, max_num_results=1)
    assert status == 200
    assert (page["object"], page["has_more"], page["next_page"]) == ("vector_store.search_results.page", False, None)
    assert page["search_query"] == ["What about sick leave"]
    [result] = page["data"]
    assert (result["file_id"], result["filename"]) == ("file-leave", "file-leave.txt")
    assert result["attributes"] == {"year": 2026.0}
    assert 0 < result["score"] <= 1
    assert result["content"] == [
        {"type": "text", "text": "Sick leave needs a note.", "start": 100, "end": 124, "page": None}
    ]


async def test_what_the_caller_may_not_read_is_not_there(app: App) -> None:
    _, page = await post(app, query=["leave", "board"])
    assert {result["file_id"] for result in page["data"]} == {"file-leave", "file-travel"}


async def test_filters_and_thresholds(app: App) -> None:
    old = {
        "type": "and",
        "filters": [{"type": "lt", "key": "year", "value": 2025}, {"key": "x", "type": "ne", "value": 1}],
    }
    _, page = await post(app, query="leave", filters=old)
    assert [result["file_id"] for result in page["data"]] == ["file-travel"]
    _, page = await post(app, query="leave", ranking_options={"score_threshold": 1.0, "ranker": "none"})
    assert page["data"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": []}, "query"),
        ({"query": ["a"] * 17}, "query"),
        ({"query": "a" * 20_000}, "query"),
        ({"query": 3}, "query"),
        ({"max_num_results": 51}, "max_num_results"),
        ({"max_num_results": 0}, "max_num_results"),
        ({"ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        ({"ranking_options": {"score_threshold": 1.5}}, "ranking_options.score_threshold"),
        (
            {"ranking_options": {"hybrid_search": {"embedding_weight": 0, "text_weight": 0}}},
            "ranking_options.hybrid_search",
        ),
        ({"filters": {"type": "eq", "key": "year"}}, "filters.value"),
        ({"filters": {"type": "like", "key": "year", "value": "x"}}, "filters.type"),
        ({"filters": {"type": "eq", "key": "year", "value": None}}, "filters.value"),
        ({"filters": {"type": "eq", "key": "year", "value": 10**400}}, "filters.value"),
        ({"filters": {"type": "in", "key": "year", "value": 1}}, "filters.value"),
        ({"filters": {"type": "in", "key": "year", "value": [[]]}}, "filters.value[0]"),
        ({"filters": {"type": "or", "filters": []}}, "filters.filters"),
        ({"filters": {"type": "or", "filters": ["x"]}}, "filters.filters[0]"),
        ({"filters": {"type": "eq", "key": "a", "value": 1, "valeu": 2}}, "filters.valeu"),
        ({"filters": "year > 3"}, "filters"),
    ],
)
async def test_a_mistake_is_named(app: App, body: dict[str, Any], param: str) -> None:
    status, answer = await post(app, **({"query": "leave"} | body if body else {}))
    assert status == 400
    assert answer["error"]["param"] == param


async def test_a_filter_that_is_nested_too_deep_is_refused(app: App) -> None:
    nested: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(9):
        nested = {"type": "and", "filters": [nested]}
    status, answer = await post(app, query="leave", filters=nested)
    assert status == 400
    assert "8 deep" in answer["error"]["message"]
