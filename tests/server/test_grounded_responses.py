"""Responses from documents: where citations stand among the items, what is kept and what it costs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from owngpt.service.app import App
from owngpt.service.chat import ChatEvent
from owngpt.service.grounding import GroundedVerdict
from owngpt.service.responses.builder import ResponseBuilder
from owngpt.text.output import ContentDelta, ToolCallStart
from owngpt.types import Verdict
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
TEXT = "Paris is the capital of France. The Eiffel Tower was built in 1889 by Gustave Eiffel. It is made of iron."
CALL = '<tool_call>\n{"name": "look_up", "arguments": {"word": "tower"}}\n</tool_call>'
TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}


def body(**fields: Any) -> dict[str, Any]:
    options = {"threshold": 0.2, **fields.pop("citation_options", {})}
    question = "When was the Eiffel Tower built?"
    return {"input": question, "documents": [{"id": "paris", "text": TEXT}], "citation_options": options, **fields}


async def post(app: App, path: str = "/v1/responses", **fields: Any) -> Any:
    async with client_of(app) as client:
        return await client.post(path, json=body(**fields))


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]


@pytest.mark.parametrize("said", ['It is "[1] The Eiffel Tower was built in 1889". ', ""])
async def test_citations_stand_in_the_message_before_a_call(said: str) -> None:
    fields: dict[str, Any] = {"tools": [TOOL], "citation_options": {"abstain": False}}
    output = (await post(make_app(said + CALL), **fields)).json()["output"]
    assert [item["type"] for item in output] == (["message"] if said else []) + ["function_call"]
    events = events_of((await post(make_app(said + CALL), **fields, stream=True)).text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    streamed = events[-1]["response"]["output"]
    for one, other in zip(output, streamed, strict=True):
        assert one.get("content") == other.get("content")
    for item in output[:-1]:
        (part,) = item["content"]
        (annotation,) = part["annotations"]
        assert TEXT[annotation["start"] : annotation["end"]] == annotation["quote"]
        assert part["text"][: annotation["index"]].endswith(f'{annotation["quote"]}"')


@pytest.mark.parametrize(
    ("options", "has_receipt"), [({"abstain": False}, True), ({"abstain": True}, False), ({"mode": "extract"}, False)]
)
async def test_a_receipt_is_promised_only_for_what_is_surely_generated(
    options: dict[str, Any], has_receipt: bool
) -> None:
    response = await post(
        make_app('In 1889: "[1] The Eiffel Tower was built in 1889".'), store=True, citation_options=options
    )
    assert response.status_code == 200
    assert ("x-owngpt-receipt" in response.headers) == has_receipt


@pytest.mark.parametrize("options", [{"mode": "extract"}, {"threshold": 1.0}])
async def test_what_is_not_generated_is_a_request_without_tokens(options: dict[str, Any]) -> None:
    """It is counted, and takes of the limit of requests, because it takes time; no model reads anything."""
    app = make_app("Never said.")
    response = await post(app, citation_options=options)
    usage = response.json()["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (0, 0, 0)
    assert not engine_of(app).submissions
    app.meter.flush().result()
    [row] = app.database.read("SELECT * FROM usage_events")
    assert (row["kind"], row["num_requests"], row["input_tokens"], row["output_tokens"]) == ("completions", 1, 0, 0)
    app.close()


def test_an_abstention_without_words_is_a_refusal_though_an_earlier_pass_said_something() -> None:
    builder = ResponseBuilder({"output": []}, hosted=frozenset({"look_up"}))
    for delta in (ContentDelta("I look it up."), ToolCallStart(0, "call_1", "look_up", "function")):
        list(builder.add(ChatEvent(0, (delta,), None, None)))
    builder.take_calls()
    list(builder.conclude(GroundedVerdict(Verdict.ABSTAINED, 0.0, message="I cannot find it.")))
    list(builder.close())
    first, second = builder.document["output"]
    assert second["content"] == [{"type": "refusal", "refusal": "I cannot find it."}]
    assert "grounding" not in first


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
@pytest.mark.parametrize("is_full", [False, True])
async def test_what_is_refused_has_been_looked_for_nowhere(path: str, is_full: bool) -> None:
    """A file is looked up once there is room for its answer: a crowd that is turned away reads and searches nothing."""
    app = make_app("Never said.")
    app.limits.is_draining = is_full
    wanted: dict[str, Any] = {"documents": [{"file_id": "file-gone"}], "store": False}
    if path.endswith("completions"):
        wanted["messages"] = [{"role": "user", "content": "When?"}]
    response = await post(app, path, **wanted)
    assert response.status_code == (503 if is_full else 404)


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_search_for_a_refused_response_is_not_made_and_not_billed(is_full: bool) -> None:
    app = make_app('In 1889: "[1] The Eiffel Tower was built in 1889".')
    async with client_of(app) as client:
        store = (await client.post("/v1/vector_stores", json={})).json()["id"]
        app.limits.is_draining = is_full
        tool = {"type": "file_search", "vector_store_ids": [store]}
        response = await client.post("/v1/responses", json={"input": "When?", "tools": [tool]})
    assert response.status_code == (503 if is_full else 200)
    app.meter.flush().result()
    rows = app.database.read("SELECT kind FROM usage_events WHERE kind = 'file_search_calls'")
    assert len(rows) == (0 if is_full else 1)
    app.close()


@pytest.mark.parametrize("abstain", [False, True])
async def test_what_is_said_after_a_call_counts_the_characters_of_its_own_message(abstain: bool) -> None:
    """A model may say something, call a tool and go on: two messages, each with its own citations and sentences."""
    quote = "The Eiffel Tower was built in 1889"
    app = make_app(f'First: "[1] {quote}". {CALL}\nAnd then: "[1] It is made of iron". Of that, all.')
    fields: dict[str, Any] = {"tools": [TOOL], "citation_options": {"abstain": abstain, "threshold": 0.05}}
    output = (await post(app, **fields)).json()["output"]
    messages = [item for item in output if item["type"] == "message"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]
    for message, quoted in zip(messages, (quote, "It is made of iron"), strict=True):
        (part,) = message["content"]
        (annotation,) = part["annotations"]
        assert (annotation["quote"], part["text"][: annotation["index"]][-len(quoted) - 1 :]) == (quoted, f'{quoted}"')
        for sentence in message["grounding"]["sentences"]:
            assert 0 <= sentence["start_index"] < sentence["end_index"] <= len(part["text"])
        assert [index for one in message["grounding"]["sentences"] for index in one["citations"]] == [
            annotation["index"]
        ]
