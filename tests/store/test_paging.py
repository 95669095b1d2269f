import random

import pytest

from owngpt.errors import InvalidRequest
from owngpt.store.db import Database
from owngpt.store.paging import PageRequest, page_of


@pytest.fixture
def names(database: Database) -> list[str]:
    """Nine rows, oldest first; several have the same time."""
    rows = sorted((i // 3, f"org-{name}") for i, name in enumerate(random.Random(0).sample("abcdefghi", 9)))
    with database.write() as transaction:
        for created_at, name in rows:
            transaction.execute(
                "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)", (name, name, created_at)
            )
    return [name for _, name in rows]


def ids(database: Database, page: PageRequest) -> tuple[list[str], bool]:
    found = page_of(database, "organizations", "id, name", "name LIKE ?", ("org-%",), page)
    return [row["id"] for row in found.rows], found.has_more


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 4, 9, 20])
def test_pages_follow_one_another_without_gap_or_repetition(
    database: Database, names: list[str], order: str, limit: int
) -> None:
    seen: list[str] = []
    has_more = True
    while has_more:
        after = seen[-1] if seen else None
        page, has_more = ids(database, PageRequest(after=after, limit=limit, order="asc" if order == "asc" else "desc"))
        seen += page
    assert seen == (names if order == "asc" else names[::-1])


def test_before_takes_the_nearest_in_the_same_order(database: Database, names: list[str]) -> None:
    assert ids(database, PageRequest(before=names[5], limit=2, order="asc")) == (names[3:5], True)
    assert ids(database, PageRequest(before=names[2], limit=2, order="asc")) == (names[0:2], False)
    assert ids(database, PageRequest(before=names[5], limit=2)) == ([names[7], names[6]], True)


def test_both_cursors_bound_the_list(database: Database, names: list[str]) -> None:
    assert ids(database, PageRequest(after=names[1], before=names[5], order="asc")) == (names[2:5], False)
    assert ids(database, PageRequest(after=names[1], before=names[5], limit=2, order="asc")) == (names[2:4], True)


def test_a_cursor_of_another_list_is_refused(database: Database, names: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="'after': 'org-nobody' is not in this list") as refused:
        ids(database, PageRequest(after="org-nobody"))
    assert refused.value.param == "after"
