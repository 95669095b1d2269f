"""Structure from a real engine: a random model cannot help but obey its grammar, so every answer must fit.

Strings are short by their schemas, since a random model ends none by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import Annotated, Any

import pytest
from openai import AsyncOpenAI, BadRequestError, LengthFinishReasonError, OpenAI
from pydantic import BaseModel, ConfigDict, Field

from tests.clients.serving import Running

SEEDS = range(3)


class Colour(StrEnum):
    RED = "red"
    BLUE = "青い"


class Pet(BaseModel):
    """Nested, with every kind of value."""

    name: Annotated[str, Field(max_length=8)]
    age: Annotated[int, Field(ge=0, le=30)]
    colour: Colour
    toys: Annotated[list[Annotated[str, Field(max_length=4)]], Field(max_length=2)]
    is_tame: bool
    owner: Annotated[str, Field(max_length=4)] | None


class Move(BaseModel):
    """Arguments of a tool, and no others."""

    model_config = ConfigDict(extra="forbid")

    x: Annotated[int, Field(ge=-9, le=9)]
    direction: Colour


MOVE: Any = {
    "type": "function",
    "function": {"name": "move", "description": "Moves.", "parameters": Move.model_json_schema(), "strict": True},
}
STAY: Any = {"type": "function", "function": {"name": "stay", "parameters": {"type": "object", "properties": {}}}}
# Without thinking: a random model that happens to begin it has no reason to end it.
ASK: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Tell me."}], "reasoning_effort": "none"}


@pytest.fixture
def client(tiny: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=tiny.url, api_key=tiny.key, _strict_response_validation=True, max_retries=0) as client:
        yield client


@pytest.fixture
async def asynchronous(tiny: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=tiny.url, api_key=tiny.key, _strict_response_validation=True) as client:
        yield client


@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_fits_its_schema(client: OpenAI, seed: int) -> None:
    choice = client.chat.completions.parse(**ASK, response_format=Pet, seed=seed).choices[0]
    assert isinstance(choice.message.parsed, Pet)
    assert choice.finish_reason == "stop"


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    asked: Any = {**ASK, "response_format": Pet, "temperature": 0}
    whole = client.chat.completions.parse(**asked)
    with client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == whole.choices[0].message.parsed is not None


def test_an_answer_that_is_cut_is_no_answer(client: OpenAI) -> None:
    with pytest.raises(LengthFinishReasonError):
        client.chat.completions.parse(**ASK, response_format=Pet, max_completion_tokens=3)


def test_a_schema_that_cannot_be_enforced_is_refused_by_name(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    json_schema: Any = {"name": "unique", "schema": schema, "strict": True}
    with pytest.raises(BadRequestError, match="uniqueItems") as caught:
        client.chat.completions.create(**ASK, response_format={"type": "json_schema", "json_schema": json_schema})
    assert caught.value.param == "response_format.json_schema.schema.properties.a.uniqueItems"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tool_that_must_be_called_is_called(client: OpenAI, seed: int) -> None:
    choice = client.chat.completions.create(
        **ASK, tools=[MOVE, STAY], tool_choice="required", parallel_tool_calls=False, seed=seed
    ).choices[0]
    (call,) = choice.message.tool_calls or ()
    assert choice.finish_reason == "tool_calls"
    assert call.type == "function"
    if call.function.name == "move":
        Move.model_validate_json(call.function.arguments)
    else:
        assert (call.function.name, json.loads(call.function.arguments)) == ("stay", {})


def test_a_named_tool_is_called(client: OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "move"}}
    with client.chat.completions.stream(**ASK, tools=[STAY, MOVE], tool_choice=named) as stream:
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or ()
    assert call.function.name == "move"
    assert Move.model_validate(call.function.parsed_arguments)


def test_a_custom_tool_gets_what_its_grammar_allows(client: OpenAI) -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-c]{3}-[0-9]{2}"}}
    tools: Any = [{"type": "custom", "custom": {"name": "code", "format": grammar}}]
    choice = client.chat.completions.create(**ASK, tools=tools, tool_choice="required", n=2)
    for answer in choice.choices:
        for call in answer.message.tool_calls or ():
            assert call.type == "custom"
            assert len(call.custom.input) == 6


def test_an_object_of_any_kind(client: OpenAI) -> None:
    """`json_object` sets no bounds, so the answer may be cut; what there is of it begins as an object."""
    choice = client.chat.completions.create(
        **ASK, response_format={"type": "json_object"}, max_tokens=400, seed=1
    ).choices[0]
    assert choice.message.content is not None
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict)
    else:
        assert choice.message.content.startswith("{")


@pytest.mark.anyio
async def test_many_at_once_with_a_schema_each(asynchronous: AsyncOpenAI) -> None:
    async def ask(number: int) -> str:
        schema = {
            "type": "object",
            "properties": {f"field{number}": {"type": "boolean"}},
            "additionalProperties": False,
        }
        json_schema: Any = {"name": "one", "schema": {**schema, "required": [f"field{number}"]}, "strict": True}
        answer = await asynchronous.chat.completions.create(
            **ASK, response_format={"type": "json_schema", "json_schema": json_schema}, seed=number
        )
        return answer.choices[0].message.content or ""

    answers = await asyncio.gather(*map(ask, range(16)))
    assert [list(json.loads(answer)) for answer in answers] == [[f"field{i}"] for i in range(16)]
