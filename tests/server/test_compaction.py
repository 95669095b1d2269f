"""Conversations in short: what is summed up, what stays, and what the model reads afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from owngpt.service.app import App
from tests.fakes.engine import Submission, client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
SUMMARY = "Ann wants a red boat."


def app_that_sums_up(**options: Any) -> App:
    app = make_app(**options)
    engine = engine_of(app)

    def script(submission: Submission) -> str:
        prompt = engine.tokenizer.decode(submission.prompt, skip_special=False)
        return SUMMARY if "Sum up the conversation" in prompt else "Hello!"

    engine.script = script
    return app


def prompts(app: App) -> list[str]:
    engine = engine_of(app)
    return [engine.tokenizer.decode(each.prompt, skip_special=False) for each in engine.submissions]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def test_keeps_what_people_said_and_one_summary() -> None:
    app = app_that_sums_up()
    items = [user("I am Ann."), {"role": "assistant", "content": "Hi Ann."}, user("I want a red boat.")]
    async with client_of(app) as client:
        body = {"model": "fake", "input": items, "instructions": "Keep colours."}
        short = (await client.post("/v1/responses/compact", json=body)).json()
        assert [item["type"] for item in short["output"]] == ["message", "message", "compaction"]
        assert SUMMARY not in json.dumps(short)
        assert "Keep colours." in prompts(app)[0]
        assert "assistant: Hi Ann." in prompts(app)[0]
        assert short["usage"]["output_tokens"] == len(SUMMARY)
        await client.post("/v1/responses", json={"input": [*short["output"], user("Which colour?")]})
    last = prompts(app)[-1]
    assert SUMMARY in last
    assert "I want a red boat." in last
    assert "Hi Ann." not in last


async def test_a_conversation_that_is_longer_than_the_context_is_summed_up_in_pieces() -> None:
    app = app_that_sums_up(max_model_len=1200)
    items = [user(f"{number} " + "x" * 400) for number in range(8)]
    async with client_of(app) as client:
        short = (await client.post("/v1/responses/compact", json={"model": "fake", "input": items})).json()
    read = prompts(app)
    assert len(read) > 2
    assert all(f"Summary of what came before:\n{SUMMARY}" in prompt for prompt in read[1:])
    kept = [item["content"][0]["text"][:1] for item in short["output"][:-1]]
    assert kept == ["7"][: len(kept)], "the newest, as far as there is room"


async def test_a_model_that_sums_nothing_up_is_an_error() -> None:
    async with client_of(make_app(" ")) as client:
        answer = await client.post("/v1/responses/compact", json={"model": "fake", "input": "Hi"})
        assert (answer.status_code, "no summary" in answer.text) == (500, True)


async def test_a_conversation_can_be_compacted_by_itself() -> None:
    app = app_that_sums_up()
    managed = {"context_management": [{"type": "compaction", "compact_threshold": 1000}]}
    async with client_of(app) as client:
        first = (await client.post("/v1/responses", json={"input": "x" * 1200, **managed})).json()
        assert [item["type"] for item in first["output"]] == ["message"], "there is nothing before the question"
        body = {"input": "And now?", "previous_response_id": first["id"], **managed}
        streamed = await client.post("/v1/responses", json={**body, "stream": True})
        events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
        second = events[-1]["response"]
        assert [item["type"] for item in second["output"]] == ["compaction", "message"]
        assert set(second["output"][0]) == {"type", "id", "encrypted_content"}
        assert [event["type"] for event in events[2:4]] == ["response.output_item.added", "response.output_item.done"]
        shown = prompts(app)[-1]
        assert SUMMARY in shown
        assert shown.index(SUMMARY) < shown.index("And now?")
        assert "xxx" not in shown
        third = await client.post("/v1/responses", json={"input": "So?", "previous_response_id": second["id"]})
        assert third.status_code == 200
    last = prompts(app)[-1]
    assert "xxx" not in last
    assert last.index(SUMMARY) < last.index("Hello!") < last.index("So?")
