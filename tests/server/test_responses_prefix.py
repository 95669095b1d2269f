"""A follow-up renders to the tokens of what it follows, so that the prefix cache knows all of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.scripted import call
from tests.fakes.engine import client_of, engine_of, make_app

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "follow_up"),
    [
        ("It is tall.", {"input": "How tall?"}),
        (call("get_weather", city="東京"), {"input": [{"type": "function_call_output", "output": "sunny"}]}),
        (f"I look.{call('get_weather')}", {"input": [{"type": "function_call_output", "output": "sunny"}]}),
    ],
    ids=["text", "call", "text and call"],
)
async def test_a_follow_up_begins_with_all_that_was_said(said: str, follow_up: dict[str, Any]) -> None:
    app = make_app(said)
    engine = engine_of(app)
    tools = {"tools": [{**WEATHER, "strict": False}], "instructions": "Be kind."} if "call" in said else {}
    async with client_of(app) as client:
        first = (await client.post("/v1/responses", json={"input": "Hi", **tools})).json()
        for item in follow_up["input"] if isinstance(follow_up["input"], list) else ():
            item["call_id"] = first["output"][-1]["call_id"]
        body = {**follow_up, "previous_response_id": first["id"], **tools}
        second = await client.post("/v1/responses", json=body)
        assert second.status_code == 200, second.text
    before, after = (engine.tokenizer.decode(each.prompt, skip_special=False) for each in engine.submissions)
    head = before.removesuffix("<|im_start|>assistant\n").split("[{")[0]  # this template writes tools at its end
    assert after.startswith(f"{head}<|im_start|>assistant\n{said}<|im_end|>\n")
