"""Receipts are kept per project, found by the answer's id, and forgotten when they are old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from owngpt.store.db import Database
from owngpt.store.projects import Projects
from owngpt.store.receipts import Receipt, Receipts


@pytest.fixture
def receipts(database: Database) -> Receipts:
    return Receipts(database)


@pytest.fixture
def one(database: Database) -> Receipt:
    project = Projects(database).ensure("research")
    return Receipt("chatcmpl-1", project.id, 100, "chat", "garlic", "d", "{}", '{"prompts":[[1]]}', "[]")


def test_a_receipt_comes_back_as_it_was_put_in(receipts: Receipts, one: Receipt) -> None:
    receipts.add([one])
    assert receipts.find("chatcmpl-1") == one
    assert receipts.find("chatcmpl-1", one.project_id) == one
    assert receipts.find("chatcmpl-2") is None


def test_another_project_neither_sees_nor_deletes_it(receipts: Receipts, one: Receipt) -> None:
    receipts.add([one])
    assert receipts.find(one.id, "proj_other") is None
    assert receipts.list("proj_other") == []
    assert receipts.delete(one.id, "proj_other") is False
    assert receipts.delete(one.id, one.project_id) is True
    assert receipts.find(one.id) is None


def test_the_newest_come_first(receipts: Receipts, one: Receipt) -> None:
    receipts.add(replace(one, id=f"chatcmpl-{age}", created_at=age) for age in (1, 3, 2))
    assert [receipt.created_at for receipt in receipts.list(one.project_id)] == [3, 2, 1]
    assert [receipt.created_at for receipt in receipts.list(limit=1)] == [3]


def test_old_ones_are_forgotten(receipts: Receipts, one: Receipt) -> None:
    receipts.add([one, replace(one, id="chatcmpl-2", created_at=200)])
    assert receipts.prune(before=200) == 1
    assert [receipt.id for receipt in receipts.list()] == ["chatcmpl-2"]


def test_all_of_a_commit_or_none(receipts: Receipts, one: Receipt) -> None:
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        receipts.add([one, one])
    assert receipts.list() == []
