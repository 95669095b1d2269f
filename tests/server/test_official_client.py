"""The official `openai` package against this server. Its strict validation raises for any field that does not fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from owngpt.server.asgi import create_app
from owngpt.service.app import App
from tests.fakes.engine import KEY, Script, make_app
from tests.server.test_chat import CALL, WEATHER

pytestmark = pytest.mark.anyio

HI: Any = [{"role": "user", "content": "Hi"}]


STRICT = {"type": "function", "function": {**WEATHER["function"], "strict": True}}


def client_of(app: App, *, strict: bool = True) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key=KEY,
        base_url="http://owngpt.test/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=httpx.ASGITransport(create_app(app))),
        _strict_response_validation=strict,
    )


async def gather(stream: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in stream]


async def test_chat() -> None:
    async with client_of(make_app("Hello!")) as client:
        answer = await client.chat.completions.create(model="fake", messages=HI, logprobs=True, top_logprobs=2, n=2)
        assert [choice.message.content for choice in answer.choices] == ["Hello!"] * 2
        stream = await client.chat.completions.create(
            model="fake", messages=HI, stream=True, stream_options={"include_usage": True}, logprobs=True
        )
        chunks = await gather(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello!"
    assert chunks[-1].usage.completion_tokens == 6


async def test_a_stored_answer_names_its_receipt() -> None:
    async with client_of(make_app("Hello!")) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="fake", messages=HI, store=True, metadata={"a": "b"}
        )
        assert raw.headers["x-owngpt-receipt"] == raw.parse().id
        stream = await client.chat.completions.create(model="fake", messages=HI, store=True, stream=True)
        assert {chunk.id for chunk in await gather(stream)} == {stream.response.headers["x-owngpt-receipt"]}


@pytest.mark.parametrize("script", [CALL, f"{CALL}\n{CALL}"])
async def test_tools(script: Script) -> None:
    async with client_of(make_app(script)) as client:
        tools: Any = [STRICT]
        answer = await client.chat.completions.create(model="fake", messages=HI, tools=tools)
        calls = answer.choices[0].message.tool_calls
        assert calls is not None
        async with client.chat.completions.stream(model="fake", messages=HI, tools=tools) as stream:
            final = await stream.get_final_completion()
    streamed = final.choices[0].message.tool_calls
    assert streamed is not None
    assert [c.function.arguments for c in streamed] == [c.function.arguments for c in calls if c.type == "function"]


class City(BaseModel):
    name: str
    population: int


async def test_structured_output() -> None:
    async with client_of(make_app('{"name": "京都", "population": 1460000}')) as client:
        answer = await client.chat.completions.parse(model="fake", messages=HI, response_format=City)
    assert answer.choices[0].message.parsed == City(name="京都", population=1460000)


async def test_completions() -> None:
    async with client_of(make_app("Hello!")) as client:
        answer = await client.completions.create(model="fake", prompt=["a", "b"], logprobs=1)
    assert [choice.text for choice in answer.choices] == ["Hello!"] * 2


async def test_streamed_completions() -> None:
    """Not strict: the client's type has no room for the `finish_reason: null` that OpenAI's own chunks carry."""
    async with client_of(make_app("Hello!"), strict=False) as client:
        chunks = await gather(await client.completions.create(model="fake", prompt="a", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello!"


async def test_embeddings() -> None:
    """Not strict: by itself the client asks for base64, and its type has room for numbers only."""
    async with client_of(make_app(), strict=False) as client:
        answer = await client.embeddings.create(model="fake-embed", input=["a", "b"], dimensions=4)
    async with client_of(make_app()) as client:
        numbers = await client.embeddings.create(model="fake-embed", input="b", dimensions=4, encoding_format="float")
    assert answer.data[1].embedding == pytest.approx(numbers.data[0].embedding)


async def test_models() -> None:
    async with client_of(make_app()) as client:
        assert [model.id async for model in client.models.list()] == ["fake", "fake-embed", "gpt-fake"]
        assert (await client.models.retrieve("gpt-fake")).id == "gpt-fake"


async def test_errors_are_the_clients_own_exceptions() -> None:
    async with client_of(make_app("Hello", fail_after=2)) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="nope", messages=HI)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError) as bad:
            await client.chat.completions.create(model="fake", messages=HI, temperature=3)
        assert bad.value.param == "temperature"
        with pytest.raises(openai.APIError, match="the engine died"):
            await gather(await client.chat.completions.create(model="fake", messages=HI, stream=True))
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="sk-own-wrong-key-0123456789").models.list()
