"""`truncation: auto`: the oldest items are left out, whole, until the conversation fits. What is left out is told.

System and developer messages stay, and so do lists of tools, and everything from the last user message on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from owngpt.service.responses.items import CALL_OF, Item, is_user_message
from owngpt.service.responses.seal import Seal
from owngpt.service.responses.turn import Context, Turn

ANSWER_SHARE = 8  # one part in so many of the context is kept free for an answer of unknown length


def fit(turn: Turn, context: Context, seal: Seal) -> Context:
    """The context without as many of its oldest items as have to go, for a turn with all its tools. Renders it a few
    times: not for the event loop.
    """
    items = context.items
    if _fits(turn, items, seal):
        return context
    candidates = _droppable(items)
    needed = bisect_left(
        range(1, len(candidates)), True, key=lambda n: _fits(turn, _without(items, candidates[:n]), seal)
    )
    kept = _without(items, candidates[: needed + 1])
    ids = {item["id"] for item in kept}
    return replace(context, items=kept, dropped=[item["id"] for item in items if item["id"] not in ids])


def _fits(turn: Turn, items: Sequence[Item], seal: Seal) -> bool:
    limit = turn.model.engine.max_model_len
    room = min(turn.sampling.max_tokens or limit // ANSWER_SHARE, limit // 2)
    return turn.prompt(items, seal).count(turn.model) + room <= limit


def _droppable(items: Sequence[Item]) -> list[int]:
    """Places of items that may go, oldest first."""
    last = next((i for i in reversed(range(len(items))) if is_user_message(items[i])), len(items) - 1)
    return [i for i in range(last) if items[i].get("role") not in ("system", "developer") and not _is_list(items[i])]


def _is_list(item: Item) -> bool:
    """Whether it is a list of tools: it takes no room, and would only be made again."""
    return bool(item["type"] == "mcp_list_tools")


def _without(items: Sequence[Item], places: Sequence[int]) -> list[Item]:
    """What stays; the output of a call that goes has to go, too."""
    gone = frozenset(places)
    lost = {(items[i]["type"], items[i]["call_id"]) for i in gone if "call_id" in items[i]}
    return [
        item
        for i, item in enumerate(items)
        if i not in gone and (CALL_OF.get(item["type"]), item.get("call_id")) not in lost
    ]
