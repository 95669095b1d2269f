"""Responses and their items, in both databases."""

from __future__ import annotations

import pytest

from owngpt.errors import NotFound
from owngpt.store.conversations import Conversation, Conversations
from owngpt.store.db import Database
from owngpt.store.paging import PageRequest
from owngpt.store.projects import Projects
from owngpt.store.responses import OwnedItem, Responses, StoredResponse


@pytest.fixture
def projects(database: Database) -> tuple[str, str]:
    return Projects(database).ensure("one").id, Projects(database).ensure("two").id


def response(project_id: str, response_id: str = "resp_1", status: str = "completed") -> StoredResponse:
    return StoredResponse(response_id, project_id, 1, status, None, None, "{}")


def item(item_id: str) -> dict[str, str]:
    return {"type": "message", "id": item_id}


def test_items_come_back_in_order_and_only_to_their_project(database: Database, projects: tuple[str, str]) -> None:
    mine, other = projects
    responses = Responses(database)
    with database.write() as transaction:
        responses.add(transaction, response(mine), [item("b"), item("a")], [item("c")])
    assert [found["id"] for found in responses.items(mine, "resp_1")] == ["b", "a", "c"]
    assert [found["id"] for found in responses.outputs(mine, "resp_1")] == ["c"]
    page = responses.input_page(mine, "resp_1", PageRequest(after="b", order="asc"))
    assert [row["id"] for row in page.rows] == ["a"]
    assert responses.find_item(mine, "a") == OwnedItem("resp_1", item("a"))
    assert responses.find(other, "resp_1") is None
    assert responses.items(other, "resp_1") == []
    assert responses.find_item(other, "a") is None
    with database.write() as transaction:
        assert not responses.delete(transaction, other, "resp_1")
        assert responses.delete(transaction, mine, "resp_1")
    assert responses.items(mine, "resp_1") == []


def test_a_response_that_has_ended_does_not_go_on(database: Database, projects: tuple[str, str]) -> None:
    responses, mine = Responses(database), projects[0]
    with database.write() as transaction:
        responses.add(transaction, response(mine, status="queued"), [item("a")], [])
    with database.write() as transaction:
        assert responses.advance(transaction, response(mine, status="cancelled"), [item("b")])
    with database.write() as transaction:
        assert not responses.advance(transaction, response(mine, status="completed"), [item("c")])
    found = responses.find(mine, "resp_1")
    assert found is not None
    assert found.status == "cancelled"
    assert [each["id"] for each in responses.items(mine, "resp_1")] == ["a", "b"]


def test_conversations_grow_and_keep_each_item_once(database: Database, projects: tuple[str, str]) -> None:
    mine, other = projects
    conversations = Conversations(database)
    conversations.add(Conversation("conv_1", mine, 1, {"topic": "日本"}), [item("a")])
    with database.write() as transaction:
        conversations.append(transaction, mine, "conv_1", [item("a"), item("b")])
    assert [found["id"] for found in conversations.items(mine, "conv_1")] == ["a", "b"]
    with pytest.raises(NotFound), database.write() as transaction:
        conversations.append(transaction, other, "conv_1", [item("c")])
    assert conversations.find(other, "conv_1") is None
    assert conversations.items(other, "conv_1") == []
    assert not conversations.delete_item(other, "conv_1", "a")
    assert conversations.delete_item(mine, "conv_1", "a")
    updated = conversations.update(mine, "conv_1", {})
    assert updated is not None
    assert updated.metadata == {}
    with database.write() as transaction:
        assert conversations.delete(transaction, mine, "conv_1")
    assert conversations.items(mine, "conv_1") == []
