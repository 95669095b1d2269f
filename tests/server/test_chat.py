"""POST /v1/chat/completions, against a scripted engine."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from owngpt.service.app import App
from tests.fakes.engine import FINGERPRINT, Script, client_of, engine_of, make_app

pytestmark = pytest.mark.anyio

MESSAGES = [{"role": "user", "content": "Hi"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Kyoto 京都"}}\n</tool_call>'


async def post(app: App, **body: Any) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post("/v1/chat/completions", json={"messages": MESSAGES, **body})


async def chat(app: App, **body: Any) -> dict[str, Any]:
    response = await post(app, **body)
    assert response.status_code == 200, response.text
    return response.json()


async def stream(app: App, **body: Any) -> list[dict[str, Any]]:
    response = await post(app, stream=True, **body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert all(line.startswith("data: ") for line in response.text.split("\n\n") if line)
    *events, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert done == "[DONE]"
    return [json.loads(event) for event in events]


async def asked(app: App, **body: Any) -> Any:
    """What the engine is asked for a request."""
    await chat(app, **body)
    return engine_of(app).submissions[-1]


async def test_answers() -> None:
    answer = await chat(make_app("Hello 日本!"))
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"]) == ("chat.completion", "fake")
    assert answer["system_fingerprint"] == FINGERPRINT.id
    [choice] = answer["choices"]
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "stop", None)
    assert choice["message"] == {"role": "assistant", "content": "Hello 日本!", "refusal": None, "annotations": []}
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == len("Hello 日本!".encode())


async def test_the_model_reads_its_own_template() -> None:
    app = make_app()
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    submission = await asked(app, messages=messages)
    shown = engine_of(app).tokenizer.decode(submission.prompt, skip_special=False)
    assert shown == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\none two<|im_end|>\n<|im_start|>assistant\n"
    )


async def test_chunks_come_in_the_order_of_the_real_service() -> None:
    chunks = await stream(make_app("abc"), stream_options={"include_usage": True})
    *rest, usage = chunks
    first, *middle, last = [chunk["choices"][0] for chunk in rest]
    assert first["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [choice["delta"] for choice in middle] == [{"content": "a"}, {"content": "b"}, {"content": "c"}]
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert all(choice["finish_reason"] is None for choice in (first, *middle))
    assert all(chunk["usage"] is None for chunk in rest)
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 3)
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1


async def test_an_event_is_one_line_for_every_reader() -> None:
    """httpx and others take Unicode's line separators for line breaks, which would cut an event in two."""
    said = "a\u2028b\u2029c\u0085d\x0b\x1ce\r\nf"
    response = await post(make_app(said), stream=True)
    lines = [line async for line in response.aiter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines[:-1]]
    assert "".join(delta.get("content", "") for delta in deltas) == said


async def test_usage_is_left_out_unless_asked_for() -> None:
    assert all("usage" not in chunk for chunk in await stream(make_app("abc")))


def joined(chunks: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """The messages that a client puts together from a stream."""
    messages: list[dict[str, Any]] = [{} for _ in range(n)]
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        message, delta = messages[choice["index"]], choice["delta"]
        for key in ("content", "reasoning_content"):
            if delta.get(key):
                message[key] = message.get(key, "") + delta[key]
        for call in delta.get("tool_calls", ()):
            calls = message.setdefault("tool_calls", [])
            if call["index"] == len(calls):
                calls.append({**call, "function": {**call["function"]}})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
        message["finish_reason"] = choice["finish_reason"] or message.get("finish_reason")
    return messages


@pytest.mark.parametrize(
    "script", ["Hello 日本! 👋🏽 done", "", f"Well.\n{CALL}", f"{CALL}\n{CALL}", "<think>\nhm\n</think>\n\nYes"]
)
@pytest.mark.parametrize("tools", [[], [WEATHER]])
async def test_a_stream_says_what_the_whole_answer_says(script: Script, tools: list[Any]) -> None:
    app = make_app(script)
    whole = await chat(app, n=2, tools=tools)
    streamed = joined(await stream(app, n=2, tools=tools), 2)
    for choice, message in zip(whole["choices"], streamed, strict=True):
        assert (choice["message"]["content"] or "") == message.get("content", "")
        assert choice["message"].get("reasoning_content") == message.get("reasoning_content")
        assert choice["finish_reason"] == message["finish_reason"]
        functions = [call["function"] for call in choice["message"].get("tool_calls", [])]
        assert functions == [call["function"] for call in message.get("tool_calls", [])]


async def test_a_tool_call() -> None:
    [choice] = (await chat(make_app(CALL), tools=[WEATHER]))["choices"]
    [call] = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert call.keys() == {"id", "type", "function"}
    assert call["id"].startswith("call_")
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Kyoto 京都"}


async def test_a_streamed_tool_call_begins_with_its_name() -> None:
    chunks = await stream(make_app(CALL), tools=[WEATHER])
    first, *rest = [chunk["choices"][0] for chunk in chunks]
    assert (first["delta"]["role"], first["delta"]["content"]) == ("assistant", None)
    [start] = first["delta"]["tool_calls"]
    assert start == {
        "index": 0,
        "id": start["id"],
        "type": "function",
        "function": {"name": "weather", "arguments": ""},
    }
    more = [choice["delta"]["tool_calls"][0] for choice in rest[:-1]]
    assert all(call.keys() == {"index", "function"} and call["function"].keys() == {"arguments"} for call in more)
    assert len(more) > 5, "arguments stream as they are generated"
    assert (rest[-1]["delta"], rest[-1]["finish_reason"]) == ({}, "tool_calls")


async def test_a_custom_tool_takes_text() -> None:
    """Its grammar is enforced; its input comes back as text, not as JSON."""
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[0-9+]+"}}
    tools = [{"type": "custom", "custom": {"name": "sum", "description": "Adds", "format": grammar}}]
    app = make_app('<tool_call>\n{"name": "sum"}\n1+2\n</tool_call>')
    [call] = (await chat(app, tools=tools))["choices"][0]["message"]["tool_calls"]
    assert call == {"id": call["id"], "type": "custom", "custom": {"name": "sum", "input": "1+2"}}
    assert "[0-9+]+" in engine_of(app).submissions[-1].constraint.grammar
    first, *rest, _ = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in (await stream(app, tools=tools))[:-1]]
    assert (first["type"], first["custom"]) == ("custom", {"name": "sum", "input": ""})
    assert rest[0].keys() == {"index", "custom"}


async def test_no_tool_may_be_called() -> None:
    app = make_app(CALL)
    [choice] = (await chat(app, tools=[WEATHER], tool_choice="none"))["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", CALL)
    submission = engine_of(app).submissions[-1]
    assert (submission.constraint, b"weather" in bytes(i for i in submission.prompt if i < 256)) == (None, False)


ALLOWED = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]}


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "weather"}},
        {"type": "allowed_tools", "allowed_tools": ALLOWED},
    ],
)
async def test_a_choice_of_tools_is_a_grammar(choice: Any) -> None:
    submission = await asked(make_app(CALL), tools=[WEATHER], tool_choice=choice)
    assert "weather" in submission.constraint.grammar


async def test_free_use_of_tools_needs_no_grammar() -> None:
    for body in ({"tool_choice": "auto"}, {"parallel_tool_calls": True}, {}):
        assert (await asked(make_app("Hi"), tools=[WEATHER], **body)).constraint is None
    assert (await asked(make_app("Hi"), tools=[WEATHER], parallel_tool_calls=False)).constraint is not None


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


async def test_a_response_format_is_a_grammar() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert "city" in (await asked(make_app("{}"), response_format=schema_format(schema))).constraint.grammar
    assert (await asked(make_app("{}"), response_format={"type": "json_object"})).constraint is not None
    assert (await asked(make_app("{}"), response_format={"type": "text"})).constraint is None


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "object", "properties": {"a": {"not": {}}}}, "properties.a.not"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"$ref": "https://evil.example/schema"}, "$ref"),
        ({"$ref": "#"}, ""),
        (deep(80), ""),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_schema_that_cannot_be_enforced_is_refused(schema: Any, where: str, streamed: bool) -> None:
    response = await post(make_app(), response_format=schema_format(schema), stream=streamed)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("response_format.json_schema.schema")
    assert response.json()["error"]["param"].endswith(where)
    assert len(response.json()["error"]["message"]) < 1000


async def test_results_of_tools_go_back_to_the_model() -> None:
    app = make_app()
    calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Kyoto"}'}}]
    answer = [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    submission = await asked(app, messages=[*MESSAGES, *answer], tools=[WEATHER])
    shown = engine_of(app).tokenizer.decode(submission.prompt, skip_special=False)
    assert '"arguments": {"city": "Kyoto"}' in shown
    assert "<|im_start|>tool\nsunny<|im_end|>" in shown
    assert "The weather of a city" in shown


async def test_reasoning_is_told_apart_and_counted() -> None:
    app = make_app("<think>\nLet me see.\n</think>\n\nYes.")
    answer = await chat(app)
    message = answer["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Let me see.", "Yes.")
    details = answer["usage"]["completion_tokens_details"]
    assert 0 < details["reasoning_tokens"] < answer["usage"]["completion_tokens"]
    chunks = await stream(app)
    assert joined(chunks, 1)[0]["reasoning_content"] == "Let me see."


@pytest.mark.parametrize(("effort", "budget"), [("minimal", 128), ("low", 512), ("high", 8192), ("max", None)])
async def test_effort_is_a_budget_of_thinking(effort: str, budget: int | None) -> None:
    thinking = (await asked(make_app(), reasoning_effort=effort)).sampling.thinking
    assert thinking.budget == budget


async def test_without_effort_the_template_and_the_model_decide() -> None:
    app = make_app()
    submission = await asked(app)
    assert submission.sampling.thinking.budget is None
    assert "</think>" not in engine_of(app).tokenizer.decode(submission.prompt, skip_special=False)


@pytest.mark.parametrize("body", [{"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False}}])
async def test_thinking_can_be_switched_off(body: dict[str, Any]) -> None:
    app = make_app()
    submission = await asked(app, **body)
    assert engine_of(app).tokenizer.decode(submission.prompt, skip_special=False).endswith("<think>\n\n</think>\n\n")
    assert submission.sampling.thinking is None, "the prompt has closed it"


async def test_template_arguments_reach_the_template() -> None:
    response = await post(make_app(), chat_template_kwargs={"custom": 1, "enable_thinking": True})
    assert (response.status_code, "x-owngpt-ignored" in response.headers) == (200, False)


async def test_logprobs_of_every_token() -> None:
    answer = await chat(make_app("é!"), logprobs=True, top_logprobs=2)
    content = answer["choices"][0]["logprobs"]["content"]
    assert [entry["bytes"] for entry in content] == [[0xC3], [0xA9], [ord("!")]]
    assert content[0]["token"] == "bytes:\\xc3"
    assert [top["token"] for top in content[2]["top_logprobs"]] == ["!", '"']
    assert answer["choices"][0]["logprobs"]["refusal"] is None
    streamed = [c["choices"][0]["logprobs"] for c in await stream(make_app("é!"), logprobs=True, top_logprobs=2)]
    assert [entry for logprobs in streamed if logprobs for entry in logprobs["content"]] == content


async def test_either_name_of_the_token_limit() -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        [choice] = (await chat(make_app("Hello"), **{name: 2}))["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("He", "length")


async def test_prompts_are_shared_inside_a_project_only() -> None:
    app = make_app()
    first, second = await asked(app), await asked(app)
    other = app.keys.create(project="other").secret
    async with client_of(app, other) as client:
        await client.post("/v1/chat/completions", json={"messages": MESSAGES})
    third = engine_of(app).submissions[-1]
    assert first.namespace == second.namespace != third.namespace
    assert "proj_" not in first.namespace


async def test_a_key_divides_the_cache_of_a_project() -> None:
    app = make_app()
    plain, first, second = (
        await asked(app),
        await asked(app, prompt_cache_key="a"),
        await asked(app, prompt_cache_key="b"),
    )
    assert len({plain.namespace, first.namespace, second.namespace}) == 3
    assert (await asked(app, prompt_cache_key="a")).namespace == first.namespace


async def test_what_must_stay_in_memory_is_never_written_to_disk() -> None:
    app = make_app()
    kept = [await asked(app), await asked(app, prompt_cache_retention="24h")]
    assert all(submission.is_durable for submission in kept)
    assert not (await asked(app, prompt_cache_retention="in_memory")).is_durable
    assert (await post(app, prompt_cache_retention="for ever")).status_code == 400


async def test_a_prediction_reaches_the_engine_as_tokens() -> None:
    app = make_app()
    for content in ("def f():", [{"type": "text", "text": "def "}, {"type": "text", "text": "f():"}]):
        asking = await asked(app, prediction={"type": "content", "content": content})
        assert bytes(asking.sampling.prediction) == b"def f():"
    quoting = await asked(app, prediction={"type": "content", "content": "it ends in <|im_end|>"})
    assert bytes(quoting.sampling.prediction) == b"it ends in <|im_end|>", "what nobody may answer is spelled out"
    assert (await asked(app)).sampling.prediction == ()
    refused = await post(app, prediction={"type": "content", "content": [{"type": "image_url"}]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "prediction.content[0]")


async def test_unknown_fields_are_named_and_hints_too() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}], "weight": 1}
    response = await post(
        make_app(),
        messages=[message],
        client_metadata={},
        metadata={"a": "b"},
        prompt_cache_options={"ttl": "30m"},
        user="u",
        store=False,
    )
    assert response.status_code == 200
    names = "client_metadata, messages[0].weight, messages[0].content[0].cache_control, metadata, prompt_cache_options"
    assert set(response.headers["x-owngpt-ignored"].split(", ")) == set(names.split(", "))


async def test_an_effort_that_the_model_cannot_make_is_named() -> None:
    app = make_app()
    [model] = app.models.generative
    family = replace(model.chat.family, think=None)
    model.chat.family = family
    response = await post(app, reasoning_effort="high")
    assert (response.status_code, response.headers["x-owngpt-ignored"]) == (200, "reasoning_effort")
    assert "x-owngpt-ignored" not in (await post(app, reasoning_effort="none")).headers


async def test_nothing_is_named_when_all_is_known() -> None:
    response = await post(make_app(), temperature=1, n=1, service_tier="auto", parallel_tool_calls=True, seed=1)
    assert "x-owngpt-ignored" not in response.headers


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"messages": []}, "messages", "but got length 0"),
        ({"messages": "Hi"}, "messages", "expected an array, but got a string"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role", "'robot'. Supported values are"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "Missing"),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "Missing"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "expected a string or an array"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "text only",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "Missing"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id", "Missing"),
        ({"messages": [{"role": "function", "name": "f", "content": "a"}]}, "messages[0]", "use tools"),
        ({"audio": {"voice": "a", "format": "wav"}}, "audio", "text only"),
        ({"modalities": ["text", "audio"]}, "modalities", "['text'] only"),
        ({"web_search_options": {}}, "web_search_options", "does not search"),
        ({"verbosity": "low"}, "verbosity", "'low'"),
        ({"functions": [{"name": "f"}]}, "functions", "use 'tools'"),
        ({"n": 129}, "n", "<= 128"),
        ({"top_logprobs": 3}, "top_logprobs", "'logprobs' is true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "<= 20"),
        ({"max_tokens": 0}, "max_tokens", ">= 1"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens", "send one of them"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "'huge'"),
        ({"response_format": {"type": "yaml"}}, "response_format.type", "'yaml'"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "Missing"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "pattern"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "Missing"),
        ({"tools": [WEATHER] * 129}, "tools", "129"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name", "twice"),
        ({"tool_choice": "required"}, "tool_choice", "only allowed when 'tools'"),
        ({"tool_choice": "maybe", "tools": [WEATHER]}, "tool_choice", "'maybe'"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "tools": [WEATHER]},
            "tool_choice.function.name",
            "'f'",
        ),
        ({"messages": [{"role": "user", "content": [1] * 100_000}]}, "messages[0].content[0]", "expected an object"),
        ({"logit_bias": {str(i): "x" for i in range(5000)}}, "logit_bias", "5000 entries"),
        ({"metadata": {str(i): "x" for i in range(5000)}}, "metadata", "5000 entries"),
        ({"stream_options": {}}, "stream_options", "only allowed when 'stream'"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], param: str, words: str) -> None:
    response = await post(make_app(), **body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]
