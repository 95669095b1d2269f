"""Every document and every event of responses and conversations fits OpenAI's own description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.scripted import WORLD, scripted_app
from tests.fakes.engine import client_of
from tests.fakes.spec import fits_spec

pytestmark = pytest.mark.anyio
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
FORMAT = {"type": "json_schema", "name": "a", "description": "A book.", "schema": {"type": "object"}}
REQUESTS: tuple[dict[str, Any], ...] = (
    {"input": "Hi", "metadata": {"a": "b"}, "user": "ann", "instructions": "Be kind."},
    {"input": "weather of both", "tools": [WEATHER], "tool_choice": "required"},
    {"input": "list the files", "tools": [{"type": "custom", "name": "shell", "format": {"type": "text"}}]},
    {"input": "think", "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
    {"input": "think", "reasoning": {"effort": "low", "summary": "detailed"}, "store": False},
    {"input": "Hi", "top_logprobs": 2, "include": ["message.output_text.logprobs"]},
    {"input": "long", "max_output_tokens": 7, "truncation": "auto"},
    {
        "input": "Who wrote it?",
        "text": {"format": FORMAT, "verbosity": "low"},
    },
)


@pytest.mark.parametrize("body", REQUESTS, ids=lambda body: body["input"])
async def test_a_response_and_its_events(body: dict[str, Any]) -> None:
    async with client_of(scripted_app(*WORLD, otherwise="Hello!")) as client:
        whole = await client.post("/v1/responses", json=body)
        assert whole.status_code == 200, whole.text
        fits_spec(_told(whole.json()), "Response")
        streamed = (await client.post("/v1/responses", json={**body, "stream": True})).text
        events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
        for event in events:
            if "response" in event:
                event["response"] = _told(event["response"])
            fits_spec(event, _event_schema(event["type"]))
        if body.get("store", True):
            path = f"/v1/responses/{whole.json()['id']}"
            fits_spec(_told((await client.get(path)).json()), "Response")
            fits_spec((await client.get(f"{path}/input_items")).json(), "ResponseItemList")


def _told(response: dict[str, Any]) -> dict[str, Any]:
    """Without two fields that are null in the description's examples, and may not be by its words."""
    return {name: value for name, value in response.items() if value is not None or name not in ("usage", "user")}


def _event_schema(type_: str) -> str:
    """`response.output_text.delta` -> `ResponseTextDeltaEvent`."""
    words = type_.removeprefix("response.").replace("output_text.d", "text.d").replace(".", "_").split("_")
    return "ResponseErrorEvent" if type_ == "error" else f"Response{''.join(word.title() for word in words)}Event"


async def test_the_rest() -> None:
    async with client_of(scripted_app(*WORLD, otherwise="Hello!")) as client:
        counted = await client.post("/v1/responses/input_tokens", json={"input": "Hi"})
        fits_spec(counted.json(), "TokenCountsResource")
        short = await client.post("/v1/responses/compact", json={"model": "fake", "input": "Hi"})
        fits_spec(short.json(), "CompactResource")
        talk = (await client.post("/v1/conversations", json={"items": [{"role": "user", "content": "Hi"}]})).json()
        fits_spec(talk, "ConversationResource")
        await client.post("/v1/responses", json={"input": "think", "conversation": talk["id"]})
        path = f"/v1/conversations/{talk['id']}"
        items = (await client.get(f"{path}/items")).json()
        fits_spec(items, "ConversationItemList")
        fits_spec((await client.get(f"{path}/items/{items['data'][0]['id']}")).json(), "ConversationItem")
        fits_spec((await client.delete(path)).json(), "DeletedConversationResource")
        chat = {"messages": [{"role": "user", "content": "Hi"}], "store": True}
        chat_id = (await client.post("/v1/chat/completions", json=chat)).json()["id"]
        fits_spec((await client.get("/v1/chat/completions")).json(), "ChatCompletionList")
        fits_spec((await client.get(f"/v1/chat/completions/{chat_id}")).json(), "CreateChatCompletionResponse")
        fits_spec((await client.delete(f"/v1/chat/completions/{chat_id}")).json(), "ChatCompletionDeleted")
