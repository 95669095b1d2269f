"""Responses with the official Python SDK and strict response validation: a field that does not fit its types raises.

The model is scripted, since these tests are about words on the wire and about state.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.resources.conversations import Conversations
from openai.resources.responses import InputTokens, Responses
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem
from pydantic import BaseModel

from owngpt.server.schemas.base import WireModel
from owngpt.server.schemas.responses.conversations import CreateConversation
from owngpt.server.schemas.responses.request import CompactRequest, InputTokensRequest, ResponseRequest
from tests.clients.serving import Running

SAID = "Hello 日本! 👋🏽"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
SHELL: Any = {"type": "custom", "name": "shell", "description": "Runs a command."}


class Book(BaseModel):
    """What the structured answers are about."""

    title: str
    year: int


@pytest.fixture
def client(scripted: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=scripted.url, api_key=scripted.key, _strict_response_validation=True, max_retries=0) as client:
        yield client


def test_answers_text(client: OpenAI) -> None:
    response = client.responses.create(model="fake", input="Hi", instructions="Be kind.", metadata={"a": "b"})
    assert (response.status, response.output_text) == ("completed", SAID)
    assert (response.model, response.instructions, response.metadata) == ("fake", "Be kind.", {"a": "b"})
    assert response.usage is not None
    assert response.usage.output_tokens == len(SAID.encode())
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def events_of(client: OpenAI, **request: Any) -> list[Any]:
    return list(client.responses.create(model="fake", stream=True, **request))


def test_streams_the_events_of_a_text_in_order(client: OpenAI) -> None:
    events = events_of(client, input="Hi")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    deltas = kinds.count("response.output_text.delta")
    assert deltas > 1
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    assert events[-1].response.output_text == SAID
    assert events[0].response.usage is None


@pytest.mark.parametrize(
    "request_",
    [
        {"input": "Hi"},
        {"input": "weather of both", "tools": [WEATHER]},
        {"input": "think"},
        {"input": "think", "reasoning": {"summary": "auto"}},
        {"input": "list the files", "tools": [SHELL]},
        {"input": "Hi", "top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        {"input": "long", "max_output_tokens": 7},
    ],
)
def test_a_stream_ends_with_what_would_have_been_the_whole_answer(client: OpenAI, request_: dict[str, Any]) -> None:
    whole = client.responses.create(model="fake", **request_)
    last = events_of(client, **request_)[-1]
    assert last.type == f"response.{whole.status}"
    assert without_ids(last.response) == without_ids(whole)


def without_ids(response: Response) -> Any:
    document = response.model_dump(exclude={"id", "created_at", "completed_at"})
    for item in document["output"]:
        item.pop("id")
        item.pop("call_id", None)
    return document


def test_calls_a_function_and_goes_on_with_its_result(client: OpenAI) -> None:
    first = client.responses.create(model="fake", input="What is the weather?", tools=[WEATHER])
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.arguments, call.status) == ("get_weather", '{"city": "東京"}', "completed")
    tool: Any = first.tools[0]
    assert tool.strict is True
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(model="fake", input=[result], previous_response_id=first.id, tools=[WEATHER])
    assert second.output_text == "It is sunny in 東京."
    assert second.previous_response_id == first.id


def test_goes_on_with_everything_sent_again(client: OpenAI) -> None:
    question: Any = {"role": "user", "content": "What is the weather?"}
    first = client.responses.create(model="fake", input=[question], tools=[WEATHER], store=False)
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    result: Any = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": [{"type": "input_text", "text": "sunny"}],
    }
    history: Any = [question, *(item.model_dump() for item in first.output), result]
    assert client.responses.create(model="fake", input=history, store=False).output_text == "It is sunny in 東京."


def test_streams_the_events_of_calls(client: OpenAI) -> None:
    events = events_of(client, input="weather of both", tools=[WEATHER])
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [(event.name, event.arguments, event.output_index) for event in done] == [
        ("get_weather", '{"city": "Paris"}', 0),
        ("get_weather", '{"city": "東京"}', 1),
    ]
    kinds = [event.type for event in events if "delta" not in event.type]
    assert kinds[2:5] == [
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_calls_a_custom_tool(client: OpenAI) -> None:
    events = events_of(client, input="list the files", tools=[SHELL])
    (call,) = events[-1].response.output
    assert (call.type, call.name, call.input) == ("custom_tool_call", "shell", "ls -l")
    assert "response.custom_tool_call_input.done" in {event.type for event in events}
    result: Any = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "a.txt"}
    second = client.responses.create(model="fake", input=[result], previous_response_id=events[-1].response.id)
    assert second.output_text == "It is sunny in 東京."


def test_delivers_thinking_as_it_is(client: OpenAI) -> None:
    events = events_of(client, input="think")
    thought, message = events[-1].response.output
    assert thought.content[0].text == "First, breathe."
    assert (thought.summary, message.content[0].text) == ([], "42")
    assert "response.reasoning_text.delta" in {event.type for event in events}
    assert events[-1].response.usage.output_tokens_details.reasoning_tokens > 0


def test_delivers_thinking_as_a_summary_where_one_is_asked_for(client: OpenAI) -> None:
    events = events_of(client, input="think", reasoning={"effort": "low", "summary": "auto"})
    thought = events[-1].response.output[0]
    assert thought.summary[0].text == "First, breathe."
    assert thought.content is None
    kinds = [
        event.type for event in events if event.type.startswith("response.reasoning") and "delta" not in event.type
    ]
    assert kinds == [
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ]


def test_clients_can_carry_the_thinking_themselves(client: OpenAI) -> None:
    include: Any = ["reasoning.encrypted_content"]
    first = client.responses.create(model="fake", input="think", store=False, include=include)
    thought, message = first.output
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.encrypted_content
    bare: Any = {"type": "reasoning", "id": thought.id, "summary": [], "encrypted_content": thought.encrypted_content}
    items: Any = [{"role": "user", "content": "think"}, bare, message.model_dump(), {"role": "user", "content": "Hi"}]
    assert client.responses.create(model="fake", input=items, store=False).status == "completed"
    bare["encrypted_content"] = thought.encrypted_content[:-6] + "AAAA=="
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="fake", input=items, store=False)
    assert caught.value.code == "invalid_encrypted_content"


def test_parses_a_structured_answer(client: OpenAI) -> None:
    response = client.responses.parse(model="fake", input="Who wrote it?", text_format=Book)
    assert response.output_parsed == Book(title="三四郎", year=1908)
    with client.responses.stream(model="fake", input="Who wrote it?", text_format=Book) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.output_text.delta" in kinds
    assert final.output_parsed == Book(title="三四郎", year=1908)


def test_an_answer_that_is_cut_says_so(client: OpenAI) -> None:
    response = client.responses.create(model="fake", input="long", max_output_tokens=7)
    assert (response.status, response.output_text) == ("incomplete", "word wo")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    message: Any = response.output[0]
    assert message.status == "incomplete"


def test_responses_are_kept_and_can_be_deleted(client: OpenAI) -> None:
    first = client.responses.create(model="fake", input="Hi")
    again = client.responses.retrieve(first.id)
    assert again.model_dump() == first.model_dump()
    items: Any = client.responses.input_items.list(first.id).data
    assert [(item.type, item.content[0].text) for item in items] == [("message", "Hi")]
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="fake", input="Hi", previous_response_id=first.id)
    assert caught.value.code == "previous_response_not_found"


def test_responses_are_not_kept_where_the_client_says_no(client: OpenAI) -> None:
    first = client.responses.create(model="fake", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


@pytest.mark.parametrize(
    ("request_", "param", "code"),
    [
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", "invalid_value"),
        ({"tools": [{"type": "web_search"}]}, "tools", "unsupported_value"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search_preview"}}, "tool_choice", "unsupported_value"),
        ({"tools": [{**WEATHER, "parameters": {"type": "strin"}}]}, "tools[0].parameters.type", None),
        ({"prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
        ({"reasoning": {"summary": "concise"}}, "reasoning.summary", "unsupported_value"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"previous_response_id": "resp_x"}, "previous_response_id", "previous_response_not_found"),
        ({"conversation": "conv_x"}, "conversation", None),
        ({"input": []}, "input", "missing_required_parameter"),
    ],
)
def test_says_what_is_wrong(client: OpenAI, request_: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(**{"model": "fake", "input": "Hi", **request_})
    assert caught.value.status_code == (404 if param == "conversation" else 400)
    assert caught.value.param == param
    if code is not None:
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        (Responses.create, ResponseRequest),
        (Responses.compact, CompactRequest),
        (InputTokens.count, InputTokensRequest),
        (Conversations.create, CreateConversation),
    ],
)
def test_no_parameter_of_the_sdk_is_unknown_here(method: Any, shape: type[WireModel]) -> None:
    """Known is not granted: some are refused by name, some are said to have no effect. None is a surprise."""
    own = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
    assert set(inspect.signature(method).parameters) - own <= set(shape.model_fields)


def test_makes_responses_in_the_background(client: OpenAI) -> None:
    stream = client.responses.create(model="fake", input="Hi", background=True, stream=True)
    first = next(iter(stream))
    assert first.type == "response.created"
    stream.close()
    rest = list(client.responses.retrieve(first.response.id, stream=True, starting_after=first.sequence_number))
    assert [event.type for event in rest][:2] == ["response.queued", "response.in_progress"]
    assert rest[-1].type == "response.completed"
    assert client.responses.retrieve(first.response.id).output_text == SAID
    assert client.responses.cancel(first.response.id).status == "completed"


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_the_sdk_speaks_over_a_websocket(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.create(model="fake", input="Hi", store=False)
        kinds = []
        for event in connection:
            kinds.append(event.type)
            if event.type == "response.completed":
                assert event.response.output_text == SAID
                break
    assert kinds[:2] == ["response.created", "response.in_progress"]


def test_compacts_a_conversation(scripted: Running) -> None:
    """The SDK's strict types want each message to be the assistant's, though it says that they are the user's."""
    client = OpenAI(base_url=scripted.url, api_key=scripted.key)
    first = client.responses.create(model="fake", input="Hi")
    compacted = client.responses.compact(model="fake", previous_response_id=first.id)
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    assert compacted.usage.output_tokens > 0
    items: Any = [item.model_dump(warnings=False) for item in compacted.output]
    response = client.responses.create(model="fake", input=[*items, {"role": "user", "content": "And?"}])
    assert response.status == "completed"
    client.close()


def test_hosted_tools_that_stand_beside_others_are_ignored_and_named(client: OpenAI) -> None:
    tools: Any = [WEATHER, {"type": "web_search"}, {"type": "namespace", "name": "x", "tools": []}]
    raw = client.responses.with_raw_response.create(
        model="fake", input="Hi", tools=tools, extra_body={"client_metadata": {"a": "b"}, "best_guess": 1}
    )
    assert raw.headers["x-owngpt-ignored"] == "best_guess, tools[1].web_search, tools[2].namespace, client_metadata"
    assert [tool.type for tool in raw.parse().tools] == ["function"]
