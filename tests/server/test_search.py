"""POST /v1/vector_stores/{id}/search."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from owngpt.service.app import App
from tests.fakes.engine import client_of, make_app
from tests.retrieval.library import Library

pytestmark = pytest.mark.anyio


class Shop(NamedTuple):
    """An app, and the id of a store with three files."""

    app: App
    store: str


def open_shop(*, embedder: bool = False) -> Shop:
    app = make_app(embedder=embedder)
    library = Library(app.database)
    store = app.vector_stores.add(library.project_id, "policies", "", {}, None).id
    leave = ["Annual leave is 20 days.", "Sick leave needs a note."]
    library.put("file-leave", leave, store=store, attributes={"year": 2026.0})
    library.put("file-travel", ["Book travel, also during leave, in Concur."], store=store, attributes={"year": 2020.0})
    library.put("file-board", ["Leave of the board."], store=store, readers=frozenset({"user:chair"}))
    return Shop(app, store)


@pytest.fixture
def shop() -> Shop:
    return open_shop()


async def post(shop: Shop, **body: Any) -> tuple[int, dict[str, Any]]:
    async with client_of(shop.app) as client:
        response = await client.post(f"/v1/vector_stores/{shop.store}/search", json=body)
    return response.status_code, response.json()


async def test_results_are_as_openai_sends_them(shop: Shop) -> None:
    status, page = await post(shop, query="What about sick leave?", rewrite_query=True, max_num_results=1)
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


async def test_what_the_caller_may_not_read_is_not_there(shop: Shop) -> None:
    _, page = await post(shop, query=["leave", "board"])
    assert {result["file_id"] for result in page["data"]} == {"file-leave", "file-travel"}


async def test_filters_and_thresholds(shop: Shop) -> None:
    old = {
        "type": "and",
        "filters": [{"type": "lt", "key": "year", "value": 2025}, {"key": "x", "type": "ne", "value": 1}],
    }
    _, page = await post(shop, query="leave", filters=old)
    assert [result["file_id"] for result in page["data"]] == ["file-travel"]
    _, page = await post(shop, query="leave", ranking_options={"score_threshold": 1.0, "ranker": "none"})
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
async def test_a_mistake_is_named(shop: Shop, body: dict[str, Any], param: str) -> None:
    status, answer = await post(shop, **({"query": "leave"} | body if body else {}))
    assert status == 400
    assert answer["error"]["param"] == param


async def test_a_filter_that_is_nested_too_deep_is_refused(shop: Shop) -> None:
    nested: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(9):
        nested = {"type": "and", "filters": [nested]}
    status, answer = await post(shop, query="leave", filters=nested)
    assert status == 400
    assert "8 deep" in answer["error"]["message"]


async def test_a_store_of_another_project_does_not_exist(shop: Shop) -> None:
    other = Library(shop.app.database, "other")
    store = shop.app.vector_stores.add(other.project_id, "theirs", "", {}, None).id
    other.put("file-1", ["leave"], store=store)
    status, answer = await post(shop._replace(store=store), query="leave")
    assert (status, answer["error"]["message"]) == (404, f"No such VectorStore object: {store}")
    assert await post(shop._replace(store="vs_none"), query="leave") == (
        404,
        {"error": answer["error"] | {"message": "No such VectorStore object: vs_none"}},
    )


async def test_the_embedder_takes_part_where_there_is_one() -> None:
    """Its weight is asked for; a query that is longer than it takes is embedded in pieces."""
    shop = open_shop(embedder=True)
    only_meaning = {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}
    status, page = await post(shop, query="leave " * 50, ranking_options=only_meaning)
    assert status == 200
    assert {result["file_id"] for result in page["data"]} == {"file-leave", "file-travel"}
    embedder = shop.app.models.embedders[0].embedder
    assert [len(ids) for ids in embedder.inputs] == [64] * 4 + [44]  # type: ignore[attr-defined]


async def test_filters_that_compare_with_too_much_are_refused(shop: Shop) -> None:
    """Each value is compared with each file."""
    one = {"type": "in", "key": "year", "value": [2026] * 501}
    status, answer = await post(shop, query="leave", filters={"type": "or", "filters": [one, one]})
    assert (status, answer["error"]["param"]) == (400, "filters")
    assert "1002 values, and 1000 are taken" in answer["error"]["message"]
