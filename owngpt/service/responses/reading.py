"""Stored responses, for those who ask for them later."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from owngpt.errors import NotFound
from owngpt.service.app import App, Caller
from owngpt.service.responses.items import Item
from owngpt.service.responses.private import restored
from owngpt.service.responses.sources import may_read
from owngpt.store.paging import PageRequest
from owngpt.store.responses import Responses, StoredResponse
from owngpt.store.sources import Sources


def find(app: App, caller: Caller, response_id: str) -> StoredResponse:
    """The project's response, for whoever may read what it was made from. Raises `NotFound`."""
    response = Responses(app.database).find(caller.project_id, response_id)
    if response is None or not may_read(app, caller, response_id):
        raise no_response(response_id)
    return response


def read(app: App, caller: Caller, response_id: str, include: Collection[str] = ()) -> dict[str, Any]:
    """The response as it is answered."""
    response = find(app, caller, response_id)
    outputs = Responses(app.database).outputs(caller.project_id, response_id)
    document = {**json.loads(response.body), "output": [shown(item, include) for item in outputs]}
    whole: dict[str, Any] = restored(app, caller, response_id, document)
    return whole


def delete(app: App, caller: Caller, response_id: str) -> None:
    """Delete it with all that belongs to it. Raises `NotFound`."""
    find(app, caller, response_id)
    with app.database.write() as transaction:
        if not Responses(app.database).delete(transaction, caller.project_id, response_id):
            raise no_response(response_id)
        Sources(app.database).drop(transaction, caller.project_id, response_id)
        app.privacy.drop(transaction, caller, response_id)


def input_items(
    app: App, caller: Caller, response_id: str, page: PageRequest, include: Collection[str] = ()
) -> tuple[list[Item], bool]:
    """A page of what went into a response, and whether there is more. Raises `NotFound`."""
    find(app, caller, response_id)
    found = Responses(app.database).input_page(caller.project_id, response_id, page)
    items = [shown(json.loads(row["item"]), include) for row in found.rows]
    return restored(app, caller, response_id, items), found.has_more


def shown(item: Item, include: Collection[str]) -> Item:
    """An item without what has to be asked for."""
    if item["type"] == "file_search_call" and "file_search_call.results" not in include:
        return {**item, "results": None}
    return item


def no_response(response_id: str) -> NotFound:
    """In OpenAI's words."""
    return NotFound(f"Response with id '{response_id[:80]}' not found.")
