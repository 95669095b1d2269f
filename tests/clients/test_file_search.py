"""file_search in Responses with the official Python SDK and strict response validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients.serving import Serve
from tests.fakes.engine import engine_of, make_app
from tests.server.test_search import open_shop

SENTENCE = "Sick leave needs a note."
SAID = f'It does: "[1] {SENTENCE}"'
QUESTION = "What does sick leave need?"
OPTIONS = {"citation_options": {"threshold": 0.2}}


@contextmanager
def shop(serve: Serve, script: str = SAID) -> Iterator[tuple[OpenAI, dict[str, Any], Any]]:
    """A client, its file_search tool, and the App."""
    opened = open_shop()
    engine_of(opened.app).script = script
    server = serve(opened.app)
    with OpenAI(base_url=server.url, api_key=server.key, _strict_response_validation=True, max_retries=0) as client:
        yield client, {"type": "file_search", "vector_store_ids": [opened.store]}, opened.app


def ask(client: OpenAI, tool: dict[str, Any], **request: Any) -> Any:
    return client.responses.create(
        **{"model": "fake", "input": QUESTION, "tools": [tool], "extra_body": OPTIONS, **request}
    )


def test_an_answer_cites_what_it_quotes(serve: Serve) -> None:
    with shop(serve) as (client, tool, _):
        response = ask(client, tool, include=["file_search_call.results"])
        search, message = response.output
        assert (search.type, search.status) == ("file_search_call", "completed")
        assert "file-leave" in {result.file_id for result in search.results}
        assert "file-board" not in {result.file_id for result in search.results}, "it is for others to read"
        (part,) = message.content
        (citation,) = part.annotations
        assert (citation.type, citation.file_id, citation.quote) == ("file_citation", "file-leave", SENTENCE)
        assert part.text[: citation.index].endswith(f'"{SENTENCE}"')
        assert message.grounding["verdict"] in ("supported", "partly")
        again = client.responses.retrieve(response.id, include=["file_search_call.results"])
        assert again.model_dump() == response.model_dump()
        (hidden, *_) = client.responses.retrieve(response.id).output
        assert hidden.results is None  # type: ignore[union-attr]


def test_a_stream_tells_of_the_search_and_of_each_citation(serve: Serve) -> None:
    with shop(serve) as (client, tool, _):
        whole = ask(client, tool)
        events = list(ask(client, tool, stream=True))
        kinds = [event.type for event in events if "delta" not in event.type]
        assert kinds[2:8] == [
            "response.output_item.added",
            "response.file_search_call.in_progress",
            "response.file_search_call.searching",
            "response.file_search_call.completed",
            "response.output_item.done",
            "response.output_item.added",
        ]
        added = [event for event in events if event.type == "response.output_text.annotation.added"]
        assert [event.annotation.quote for event in added] == [SENTENCE]
        last = events[-1].response
        assert last.output_text == whole.output_text
        assert last.output[1].grounding == whole.output[1].grounding
        assert last.output[0].results is None


def test_what_is_not_there_is_not_answered(serve: Serve) -> None:
    with shop(serve, "Never said.") as (client, tool, _):
        response = ask(client, tool, input="Who won the cup in 1998?")
        assert response.output[-1].grounding["verdict"] == "abstained"
        assert response.output_text.startswith("I cannot find")


def test_an_abstention_from_a_schema_is_a_refusal(serve: Serve) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    text: Any = {"format": {"type": "json_schema", "name": "a", "schema": schema}}
    with shop(serve, '{"a": "Bananas"}') as (client, tool, _):
        events = list(ask(client, tool, input="Who won the cup in 1998?", text=text, stream=True))
        (part,) = events[-1].response.output[-1].content
        assert (part.type, part.refusal[:13]) == ("refusal", "I cannot find")
        assert {"response.refusal.delta", "response.refusal.done"} <= {event.type for event in events}


def test_a_follow_up_searches_with_its_question_and_the_one_before(serve: Serve) -> None:
    with shop(serve) as (client, tool, _):
        first = ask(client, tool)
        second = ask(client, tool, input="And when?", previous_response_id=first.id)
        assert second.output[0].queries == ["And when", "What does sick leave need? And when"]


@pytest.mark.parametrize("choice", ["none", {"type": "function", "name": "f"}])
def test_nothing_is_searched_where_the_choice_says_so(serve: Serve, choice: Any) -> None:
    function: Any = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    called = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    with shop(serve, "Hello!" if choice == "none" else called) as (client, tool, _):
        response = ask(client, tool, tools=[tool, function], tool_choice=choice)
        assert "file_search_call" not in {item.type for item in response.output}


def test_it_can_be_demanded(serve: Serve) -> None:
    with shop(serve) as (client, tool, _):
        for choice in ({"type": "file_search"}, "required"):
            assert ask(client, tool, tool_choice=choice).output[0].type == "file_search_call"


def test_documents_come_along_without_a_store(serve: Serve) -> None:
    server = serve(make_app(SAID))
    with OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        documents = [{"id": "leave", "title": "Leave.txt", "text": f"{SENTENCE} Annual leave is 20 days."}]
        body = {"documents": documents, **OPTIONS}
        response: Any = client.responses.create(model="fake", input=QUESTION, extra_body=body)
        (citation,) = response.output[0].content[0].annotations
        assert (citation.file_id, citation.quote) == ("leave", SENTENCE)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"vector_store_ids": ["vs_none"]}, 404, None),
        ({"vector_store_ids": None}, 400, "tools[0].vector_store_ids"),
        ({"max_num_results": 51}, 400, "tools[0].max_num_results"),
        ({"filters": {"type": "eq", "key": "year"}}, 400, "tools[0].filters.value"),
    ],
)
def test_says_what_is_wrong(serve: Serve, fields: dict[str, Any], status: int, param: str | None) -> None:
    with shop(serve) as (client, tool, _):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, {**tool, **fields})
        assert caught.value.status_code == status
        assert param is None or caught.value.param == param
