"""The official Python SDK with strict response validation: a field that does not fit its types raises.

The model is scripted, since these tests are about words on the wire; `test_structured.py` has a real one.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI, resources
from pydantic import BaseModel

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.chat import ChatCompletionRequest
from owngpt.server.schemas.completions import CompletionRequest
from owngpt.server.schemas.embeddings import EmbeddingRequest
from tests.clients.serving import Running, Serve
from tests.fakes.engine import engine_of, make_app

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
SHELL = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}


class Book(BaseModel):
    """What the structured answers are about."""

    title: str
    year: int


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(scripted: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=scripted.url, api_key=scripted.key, _strict_response_validation=True, max_retries=0) as client:
        yield client


@pytest.fixture
def lenient(scripted: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=scripted.url, api_key=scripted.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def asynchronous(scripted: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=scripted.url, api_key=scripted.key, _strict_response_validation=True) as client:
        yield client


def test_lists_and_describes_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake", "fake-embed", "gpt-fake"]
    assert client.models.retrieve("gpt-fake").owned_by == "owngpt"


def test_chats(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fake", messages=user("Hi"))
    assert answer.choices[0].message.content == "Hello 日本! 👋🏽"
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "fake", "chat.completion")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_chats_by_an_alias_and_answers_with_it(client: OpenAI) -> None:
    assert client.chat.completions.create(model="gpt-fake", messages=user("Hi")).model == "gpt-fake"


def test_chats_with_every_role_and_with_content_parts(client: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "Hi, "}, {"type": "text", "text": "you"}]
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": parts},
        {"role": "user", "content": parts, "name": "ann"},
        {"role": "assistant", "content": parts, "refusal": None},
        {"role": "user", "content": "And?"},
    ]
    assert client.chat.completions.create(model="fake", messages=messages).choices[0].message.content


def test_streams_what_it_would_say_whole(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="fake", messages=user("Hi"), stream=True, stream_options={"include_usage": True}
        )
    )
    *said, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == "Hello 日本! 👋🏽"
    assert said[0].choices[0].delta.role == "assistant"
    assert said[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in said)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def test_gives_several_choices_and_logprobs(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fake", messages=user("Hi"), n=3, logprobs=True, top_logprobs=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert bytes(b for token in logprobs.content for b in token.bytes or ()).decode() == "Hello 日本! 👋🏽"
    assert len(logprobs.content[0].top_logprobs) == 2


def test_streams_logprobs(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="fake", messages=user("Hi"), logprobs=True, stream=True)
    tokens = [t for chunk in stream if (p := chunk.choices[0].logprobs) for t in p.content or ()]
    assert bytes(b for token in tokens for b in token.bytes or ()).decode() == "Hello 日本! 👋🏽"


def test_stops_where_it_is_told(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fake", messages=user("Hi"), stop=["日", "x"])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hello ", "stop")
    answer = client.chat.completions.create(model="fake", messages=user("Hi"), max_completion_tokens=3)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hel", "length")


def test_reads_a_structured_answer(client: OpenAI) -> None:
    answer = client.chat.completions.parse(model="fake", messages=user("Who wrote it?"), response_format=Book)
    assert answer.choices[0].message.parsed == Book(title="三四郎", year=1908)


def test_the_streaming_helper_reads_a_structured_answer(client: OpenAI) -> None:
    with client.chat.completions.stream(model="fake", messages=user("Who wrote it?"), response_format=Book) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.parsed == Book(title="三四郎", year=1908)


def test_calls_a_tool_and_goes_on_with_its_result(client: OpenAI) -> None:
    tools: Any = [WEATHER]
    messages = user("What is the weather?")
    answer = client.chat.completions.create(model="fake", messages=messages, tools=tools)
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (tool_call,) = choice.message.tool_calls or ()
    assert tool_call.type == "function"
    assert (tool_call.function.name, tool_call.function.arguments) == ("get_weather", '{"city": "東京"}')
    result: Any = {"role": "tool", "tool_call_id": tool_call.id, "content": "sunny"}
    answer = client.chat.completions.create(model="fake", messages=[*messages, choice.message, result], tools=tools)
    assert answer.choices[0].message.content == "It is sunny in 東京."


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_calls_the_tool_it_must_call(client: OpenAI, choice: Any) -> None:
    tools: Any = [WEATHER]
    answer = client.chat.completions.create(
        model="fake", messages=user("weather"), tools=tools, tool_choice=choice, parallel_tool_calls=False
    )
    assert [c.function.name for c in answer.choices[0].message.tool_calls or () if c.type == "function"] == [
        "get_weather"
    ]


def test_streams_parallel_tool_calls(client: OpenAI) -> None:
    tools: Any = [WEATHER]
    with client.chat.completions.stream(model="fake", messages=user("weather of both"), tools=tools) as stream:
        done = [event.arguments for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion().choices[0]
    assert done == ['{"city": "Paris"}', '{"city": "東京"}']
    assert final.finish_reason == "tool_calls"
    assert len({c.id for c in final.message.tool_calls or ()}) == 2


def test_parses_a_strict_tool(client: OpenAI) -> None:
    tools: Any = [{**WEATHER, "function": {**WEATHER["function"], "strict": True}}]  # type: ignore[dict-item]
    answer = client.chat.completions.parse(model="fake", messages=user("weather"), tools=tools)
    (tool_call,) = answer.choices[0].message.tool_calls or ()
    assert tool_call.function.parsed_arguments == {"city": "東京"}


def test_calls_a_custom_tool(client: OpenAI) -> None:
    tools: Any = [SHELL]
    answer = client.chat.completions.create(model="fake", messages=user("list the files"), tools=tools)
    (tool_call,) = answer.choices[0].message.tool_calls or ()
    assert tool_call.type == "custom"
    assert (tool_call.custom.name, tool_call.custom.input) == ("shell", "ls -l")


def test_keeps_reasoning_apart(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fake", messages=user("think"), reasoning_effort="low")
    message = answer.choices[0].message
    assert message.content == "42"
    assert message.model_extra is not None
    assert message.model_extra["reasoning_content"] == "First, breathe."
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens


def test_continues_text(client: OpenAI) -> None:
    answer = client.completions.create(model="fake", prompt=["a", "b"], logprobs=2, max_tokens=5, n=2)
    assert [choice.text for choice in answer.choices] == ["Hello"] * 4


def test_fills_a_gap(client: OpenAI) -> None:
    assert client.completions.create(model="fake", prompt="def f(", suffix="): pass").choices[0].text


def test_embeds(client: OpenAI) -> None:
    answer = client.embeddings.create(model="fake-embed", input=["a", "b"], encoding_format="float")
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


# Three things cannot be had strictly: there the SDK's own types refuse what OpenAI sends.


def test_embeds_in_base64_as_the_sdk_does_by_itself(lenient: OpenAI) -> None:
    """It asks for base64 and decodes it, but validates before it decodes."""
    (in_base64,) = lenient.embeddings.create(model="fake-embed", input="a").data
    (as_numbers,) = lenient.embeddings.create(model="fake-embed", input="a", encoding_format="float").data
    (short,) = lenient.embeddings.create(model="fake-embed", input="a", dimensions=4).data
    assert in_base64.embedding == pytest.approx(as_numbers.embedding, abs=1e-7)
    assert len(short.embedding) == 4


def test_streams_text_that_goes_on(lenient: OpenAI) -> None:
    """Its `Completion` has no null `finish_reason`, though every chunk before the last one has."""
    stream = lenient.completions.create(model="fake", prompt=[72, 105], max_tokens=5, echo=True, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "HiHello"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "length"]


def test_scores_a_prompt(lenient: OpenAI) -> None:
    """The first token of a prompt has no logprob: null, which its list of floats does not know."""
    answer = lenient.completions.create(model="fake", prompt=[72, 105], echo=True, logprobs=1, max_tokens=1)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.token_logprobs is not None
    assert (logprobs.tokens, logprobs.token_logprobs[0]) == (["H", "i", "H"], None)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": []}, "messages", "array_below_min_length"),
        ({"temperature": 9.5}, "temperature", "decimal_above_max_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_value"),
    ],
)
def test_says_what_is_wrong(client: OpenAI, body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "fake", "messages": user("Hi"), **body})
    assert (caught.value.param, caught.value.code, caught.value.type) == (param, code, "invalid_request_error")
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_")


def test_each_refusal_is_the_exception_that_users_catch(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=user("Hi"))
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.AuthenticationError) as denied:
        client.with_options(api_key="wrong").models.list()
    assert denied.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="fake", messages=user("x" * 5000))
    assert long.value.code == "context_length_exceeded"


def test_a_full_queue_is_a_rate_limit(serve: Serve) -> None:
    server = serve(make_app("word " * 200, capacity=1, delay=0.005))
    with OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        with client.chat.completions.create(model="fake", messages=user("Hi"), stream=True) as stream:
            next(iter(stream))
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model="fake", messages=user("Hi"))
        assert caught.value.code == "rate_limit_exceeded"
        assert int(caught.value.response.headers["retry-after"]) >= 1
        answer = client.with_options(max_retries=2).completions.create(model="fake", prompt="x", max_tokens=1)
        assert answer.choices[0].text == "w", "the stream was left, so there is room again"


def test_an_engine_that_dies_raises_whole_and_streamed(serve: Serve) -> None:
    server = serve(make_app("Hello", fail_after=2))
    with OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="fake", messages=user("Hi"))
        stream = client.chat.completions.create(model="fake", messages=user("Hi"), stream=True)
        with pytest.raises(openai.APIError, match="the engine died"):
            list(stream)


def test_leaving_a_stream_frees_the_engine(serve: Serve) -> None:
    server = serve(make_app("word " * 200, delay=0.005))
    engine = engine_of(server.app)
    with OpenAI(base_url=server.url, api_key=server.key) as client:
        with client.chat.completions.create(model="fake", messages=user("Hi"), stream=True) as stream:
            next(iter(stream))
        client.completions.create(model="fake", prompt="x", max_tokens=1)
    assert len(engine.aborted) == 1
    assert engine.num_running == 0


@pytest.mark.parametrize(
    ("resource", "shape"),
    [
        (resources.chat.Completions, ChatCompletionRequest),
        (resources.Completions, CompletionRequest),
        (resources.Embeddings, EmbeddingRequest),
    ],
)
def test_no_parameter_of_the_sdk_is_unknown_here(resource: Any, shape: type[WireModel]) -> None:
    """Known is not granted: some are refused by name, some are said to have no effect. None is a surprise."""
    own = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
    assert set(inspect.signature(resource.create).parameters) - own <= set(shape.model_fields)


def test_takes_all_that_can_be_honoured_at_once(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="fake",
        messages=user("Hi"),
        frequency_penalty=0.5,
        logit_bias={"72": 5},
        logprobs=True,
        max_completion_tokens=8,
        metadata={"a": "b"},
        modalities=["text"],
        n=2,
        parallel_tool_calls=True,
        prediction={"type": "content", "content": "Hello"},
        presence_penalty=-0.5,
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        reasoning_effort="none",
        response_format={"type": "text"},
        safety_identifier="u1",
        seed=1,
        service_tier="auto",
        stop=["zzz"],
        store=False,
        temperature=0.5,
        top_logprobs=1,
        top_p=0.9,
        user="ann",
        verbosity="medium",
    )
    assert len(raw.parse().choices) == 2
    assert raw.headers["x-owngpt-ignored"] == "metadata"


def test_raw_responses_carry_the_headers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="fake", messages=user("Hi"), extra_body={"best_guess": True}, metadata={"a": "b"}
    )
    assert raw.headers["x-owngpt-ignored"] == "best_guess, metadata"
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.parse().choices[0].message.content


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(asynchronous: AsyncOpenAI) -> None:
    answer = await asynchronous.chat.completions.create(model="fake", messages=user("Hi"))
    stream = await asynchronous.chat.completions.create(model="fake", messages=user("Hi"), stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert answer.choices[0].message.content == text == "Hello 日本! 👋🏽"
    assert [model.id async for model in asynchronous.models.list()]
