"""`file_search`: what may be quoted is looked for once in each response, before the model begins.

A large model decides by itself when to search, and for what. A small one does not do that reliably, so here the newest
message of the user is searched for: the answer is then tied to what was found (`service/grounding.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from owngpt.errors import InvalidRequest, PermissionDenied
from owngpt.service.app import App, Caller
from owngpt.service.privacy import Guard
from owngpt.service.responses.items import Item, is_user_message, item_id, text_of
from owngpt.service.responses.unseen import NOTE
from owngpt.service.search import Weights, search
from owngpt.store.filters import Filter
from owngpt.types import Passage

MAX_QUERY = 8_000  # characters


@dataclass(frozen=True, slots=True)
class FileSearch:
    """Where to look, and which results are good enough."""

    vector_store_ids: tuple[str, ...]
    filters: Filter | None = None
    max_num_results: int = 10
    score_threshold: float = 0.0
    ranker: str = "auto"
    weights: Weights | None = None


class Found(NamedTuple):
    """A search that was made: its passages, and the item that tells of it, with its results."""

    passages: Sequence[Passage]
    item: Item


async def find(
    app: App, caller: Caller, wanted: FileSearch, items: Sequence[Item], guard: Guard | None = None
) -> Found:
    """Search for the newest message of the user. Raises `NotFound`, `InvalidRequest` and `PermissionDenied`."""
    if "file_search" in caller.disabled_tools:
        raise PermissionDenied("The tool 'file_search' is switched off for this project.")
    queries = [guard.unmask(query) if guard else query for query in queries_of(items)]
    if not queries:
        return Found((), _call((), (), guard))
    found = await search(
        app,
        caller,
        wanted.vector_store_ids,
        queries,
        filters=wanted.filters,
        max_num_results=wanted.max_num_results,
        score_threshold=wanted.score_threshold,
        ranker=wanted.ranker,
        rewrite_query=True,
        weights=wanted.weights,
    )
    return Found(found.passages, _call(found.queries, found.passages, guard))


def queries_of(items: Sequence[Item]) -> list[str]:
    """The newest question; where it follows another one, also both together, because it may mean nothing alone. Empty
    where nothing was sent but images, which no model here sees.
    """
    sent = [text_of(item["content"]) for item in items if is_user_message(item)]
    said = [text for text in (each.replace(NOTE, "").strip() for each in sent) if text][-2:]
    if said:
        return list(dict.fromkeys([said[-1][:MAX_QUERY], " ".join(said)[-MAX_QUERY:]]))
    if not any(NOTE in each for each in sent):
        raise InvalidRequest("'file_search' needs a message of the user to search for.", param="input")
    return []


def _call(queries: Sequence[str], passages: Sequence[Passage], guard: Guard | None) -> Item:
    return {
        "type": "file_search_call",
        "id": item_id("file_search_call"),
        "status": "completed",
        "queries": list(queries),
        "results": [_result(passage, guard) for passage in passages],
    }


def _result(passage: Passage, guard: Guard | None) -> dict[str, Any]:
    return {
        "attributes": dict(passage.attributes),
        "file_id": passage.file_id,
        "filename": guard.blank(passage.filename) if guard else passage.filename,
        "score": round(passage.score, 6),
        "text": guard.blank(passage.text) if guard else passage.text,
        "passage_id": passage.id,
        "start": passage.start,
        "page": passage.page_at(passage.start),
    }
