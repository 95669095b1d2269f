"""Compacting a conversation: what people said stays word for word, the rest becomes a summary that only we can open.

The model sums up itself, piece by piece where the conversation is longer than it can read at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from owngpt.errors import EngineFailed
from owngpt.service.app import App, Caller
from owngpt.service.chat import ChatPrompt, ChatReader
from owngpt.service.generate import GenerationRequest, generate
from owngpt.service.responses.items import Item, is_user_message, item_id, new_id
from owngpt.service.responses.rendering import WHOLE, to_messages
from owngpt.service.responses.seal import Seal
from owngpt.service.responses.turn import Context, Turn, seal_of
from owngpt.service.responses.usage import response_usage
from owngpt.service.workers import INLINE_COST
from owngpt.text.output import ContentDelta
from owngpt.types import Message, SamplingParams, Usage

MAX_SUMMARY = 1_024  # tokens
KEPT_SHARE = 4  # one part in so many of the context is for what people said
TASK = (
    "Sum up the conversation below for somebody who has to carry it on without having read it. Keep facts, names, "
    "numbers, decisions, results of tools and what is still to do. Write the summary only."
)


async def compact(app: App, caller: Caller, turn: Turn, context: Context) -> dict[str, Any]:
    """`response.compaction`: the newest messages of people, and one item that stands for the whole conversation."""
    item, usage = await _compaction(app, caller, turn, context.items, "compaction")
    kept = await app.workers.run(INLINE_COST, _kept, context.items, turn)
    return {
        "id": new_id("resp"),
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*kept, item],
        "usage": response_usage(usage),
    }


class Compacted(NamedTuple):
    """A context in short: the item that stands for all of it, then the turn's own input; and what that cost."""

    context: Context
    item: Item
    usage: Usage


async def compact_if_long(app: App, caller: Caller, turn: Turn, context: Context) -> Compacted | None:
    """Where the turn wants it: once the prompt has more tokens than `compact_threshold`."""
    if turn.compact_threshold is None or len(context.items) == len(context.inputs):
        return None
    prompt = turn.prompt(context.items, seal_of(app, caller))
    if await app.workers.run(INLINE_COST, prompt.count, turn.model) <= turn.compact_threshold:
        return None
    item, usage = await _compaction(app, caller, turn, context.items, WHOLE)
    system = [item for item in context.items if item.get("role") in ("system", "developer")]
    own = {item["id"] for item in context.inputs}
    items = [*(each for each in system if each["id"] not in own), item, *context.inputs]
    return Compacted(replace(context, items=items), item, usage)


async def _compaction(app: App, caller: Caller, turn: Turn, items: Sequence[Item], kind: str) -> tuple[Item, Usage]:
    """A sealed summary of these items."""
    seal = seal_of(app, caller)
    pieces = await app.workers.run(INLINE_COST, _pieces, items, turn, seal)
    summary, usage = "", Usage()
    for piece in pieces:
        summary, cost = await _sum_up(app, caller, turn, summary, piece)
        usage += cost
    item = {"type": "compaction", "id": item_id("compaction"), "encrypted_content": seal.close(summary, kind)}
    return item, usage


async def _sum_up(app: App, caller: Caller, turn: Turn, before: str, piece: str) -> tuple[str, Usage]:
    """The summary of what was summed up before and of one more piece."""
    task = "\n\n".join(text for text in (TASK, turn.instructions) if text)
    known = f"Summary of what came before:\n{before}\n\n" if before else ""
    prompt = ChatPrompt(
        messages=[Message("system", task), Message("user", f"{known}Conversation:\n{piece}")],
        reasoning_effort="none" if turn.model.chat.family.can_think else None,
        param="input",
    )
    sampling = SamplingParams(temperature=0.0, max_tokens=_summary_tokens(turn))
    request = GenerationRequest(
        turn.model,
        prompt,
        sampling,
        turn.request_id,
        caching=turn.caching,
        tier=turn.tier,
        patience=turn.patience,
        guard=turn.guard,
        named=turn.named,
    )
    reader, texts = ChatReader(turn.model, prompt, 1), []
    async with generate(app, caller, request) as generation:
        async for token in generation:
            texts += [delta.text for delta in reader.read(token).deltas if isinstance(delta, ContentDelta)]
        usage = generation.usage
    summary = "".join(texts).strip()
    if not summary:
        raise EngineFailed("the model gave no summary of the conversation; try again, or use another model")
    return summary, usage


def _pieces(items: Sequence[Item], turn: Turn, seal: Seal) -> list[str]:
    """The conversation as text, in pieces that fit beside the task and a summary."""
    lines = "\n".join(_line(message) for message in to_messages(items, seal))
    room = turn.model.engine.max_model_len - 2 * _summary_tokens(turn) - _cost(turn, TASK) - 64
    ids = turn.model.tokenizer.encode(lines)
    size = max(1, room)
    return [turn.model.tokenizer.decode(ids[start : start + size]) for start in range(0, len(ids), size)]


def _line(message: Message) -> str:
    calls = [f"calls {call.name}({call.arguments})" for call in message.tool_calls]
    return f"{message.role}: " + "\n".join(text for text in (message.content, *calls) if text)


def _kept(items: Sequence[Item], turn: Turn) -> list[Item]:
    """The newest messages of people, whole, as far as there is room for them."""
    room = turn.model.engine.max_model_len // KEPT_SHARE
    kept: list[Item] = []
    for item in reversed([item for item in items if is_user_message(item)]):
        room -= _cost(turn, json.dumps(item["content"], ensure_ascii=False))
        if room < 0:
            break
        kept.append(item)
    return kept[::-1]


def _summary_tokens(turn: Turn) -> int:
    return min(MAX_SUMMARY, turn.model.engine.max_model_len // 4)


def _cost(turn: Turn, text: str) -> int:
    return len(turn.model.tokenizer.encode(text))
