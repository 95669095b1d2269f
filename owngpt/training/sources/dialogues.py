"""Conversations: an assistant that books and looks things up with tools, and a Japanese travel desk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from owngpt.text.prompts import reply
from owngpt.training.documents import Document
from owngpt.training.sources.archives import members_of
from owngpt.training.sources.talk import any_variant, with_system
from owngpt.types import Message, Tool, ToolCall

MAX_TURNS = 12
DESK = "宿泊予約"
SHOWN_RESULT_FIELDS = 4


def read_sgd(path: Path) -> Iterator[Document]:
    """Schema-Guided Dialogue: every service call becomes a tool call, its first result the tool's answer."""
    for member in members_of(path, r"^train/.*\.json$"):
        for dialogue in json.loads(member.data):
            messages = tuple(_sgd_messages(dialogue["turns"][:MAX_TURNS]))
            document = Document("sgd", dialogue["dialogue_id"], messages=messages, tools=_sgd_tools(messages))
            if messages and messages[-1].role == "assistant":
                yield document


def _sgd_messages(turns: Sequence[Any]) -> Iterator[Message]:
    for turn in turns:
        frame = turn["frames"][0]
        if call := frame.get("service_call"):
            arguments = json.dumps(call["parameters"], ensure_ascii=False)
            yield Message("assistant", tool_calls=(ToolCall("call_0", call["method"], arguments),))
            yield Message("tool", _shown(frame.get("service_results", [])))
        yield Message("user" if turn["speaker"] == "USER" else "assistant", turn["utterance"])


def _shown(results: Sequence[dict[str, str]]) -> str:
    first = dict(list(results[0].items())[:SHOWN_RESULT_FIELDS]) if results else {}
    return json.dumps(first, ensure_ascii=False)


def _sgd_tools(messages: Sequence[Message]) -> tuple[Tool, ...]:
    calls = {call.name: json.loads(call.arguments) for message in messages for call in message.tool_calls}
    return tuple(
        Tool(
            name,
            parameters={"type": "object", "properties": {key: {"type": "string"} for key in arguments}},
        )
        for name, arguments in calls.items()
    )


def read_asdc(path: Path) -> Iterator[Document]:
    """Japanese travel-desk talks: the long ones, and the short ones marked for training."""
    for member in members_of(path, r"^data/(main/dialog/text/.*\.tsv|(vanilla|supplemental/utterances)/.*\.jsonl)$"):
        if member.path.endswith(".tsv"):
            lines = [line.split("\t") for line in member.text.splitlines()]
            turns = [("agent" if who.startswith("operator") else "user", _plain(said)) for who, said in lines]
            yield from _talk(f"main/{Path(member.path).stem}", turns)
        else:
            for record in map(json.loads, member.text.splitlines()):
                if record["purpose"] == "train":
                    turns = [(turn["name"], turn["text"]) for turn in record["utterances"]]
                    yield from _talk(record["docid"]["id"], turns)


def _plain(said: str) -> str:
    return said.replace("│", "").replace("▁", "")


def _talk(group: str, turns: Sequence[tuple[str, str]]) -> Iterator[Document]:
    """A conversation that the user opens and the agent closes; nothing where too little is left."""
    joined = [(who, "".join(said for _, said in part)) for who, part in groupby(turns, key=lambda turn: turn[0])]
    if joined and joined[0][0] == "agent":
        joined = joined[1:]
    if joined and joined[-1][0] == "user":
        joined = joined[:-1]
    if joined:
        messages = [Message("user" if who == "user" else "assistant", said) for who, said in joined[:MAX_TURNS]]
        yield Document("asdc", group, messages=_at_the_desk(messages, Random(group)))


def _at_the_desk(messages: Sequence[Message], rng: Random) -> tuple[Message, ...]:
    """Half of the talks are set up as those of a support desk."""
    if rng.random() < 0.5:
        return (*reply(messages[:-1], DESK, "ja", variant=any_variant(rng)), messages[-1])
    return with_system(messages, rng)
