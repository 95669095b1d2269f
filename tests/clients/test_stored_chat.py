"""Stored chat completions with the official Python SDK and strict response validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients.serving import Running, Serve
from tests.fakes.engine import make_app


@pytest.fixture(scope="module")
def server(serve: Serve) -> Running:
    return serve(make_app("Hello!"))


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key=server.key, _strict_response_validation=True, max_retries=0) as client:
        yield client


def chat(client: OpenAI, text: str = "Hi", **options: Any) -> Any:
    messages: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]
    return client.chat.completions.create(model="fake", messages=messages, **options)


def test_keeps_what_is_asked_to_be_kept(client: OpenAI) -> None:
    answer = chat(client, store=True, metadata={"topic": "greeting"})
    stored: Any = client.chat.completions.retrieve(answer.id)
    assert stored.choices[0].message.content == "Hello!"
    assert stored.metadata == {"topic": "greeting"}
    assert (stored.usage, stored.created) == (answer.usage, answer.created)


def test_lists_the_messages_that_were_sent(client: OpenAI, server: Running) -> None:
    """The SDK's strict types want each of them to be the assistant's."""
    answer = chat(client, store=True)
    with OpenAI(base_url=server.url, api_key=server.key) as lenient:
        messages = list(lenient.chat.completions.messages.list(answer.id))
        (last,) = lenient.chat.completions.messages.list(answer.id, order="desc", limit=1).data
    assert [(message.role, message.content) for message in messages] == [("system", "Be kind."), ("user", "Hi")]
    assert last.id == messages[-1].id


def test_keeps_streams_whole(client: OpenAI) -> None:
    chunks = list(chat(client, store=True, stream=True))
    stored = client.chat.completions.retrieve(chunks[0].id)
    assert stored.choices[0].message.content == "Hello!"
    assert stored.usage is not None
    assert stored.usage.completion_tokens == 6


def test_lists_by_model_and_metadata(client: OpenAI) -> None:
    ids = [chat(client, store=True, metadata={"run": "list", "number": str(i)}).id for i in range(3)]
    listed = client.chat.completions.list(metadata={"run": "list"}, model="fake", limit=2)
    assert {completion.id for completion in listed} == set(ids), "the SDK asks for all pages"
    assert [c.id for c in client.chat.completions.list(metadata={"run": "list", "number": "1"})] == [ids[1]]
    assert list(client.chat.completions.list(model="gpt-9")) == []


def test_changes_metadata_and_deletes(client: OpenAI) -> None:
    answer = chat(client, store=True)
    updated: Any = client.chat.completions.update(answer.id, metadata={"a": "b"})
    assert updated.metadata == {"a": "b"}
    assert client.chat.completions.delete(answer.id).deleted
    for ask in (client.chat.completions.retrieve, client.chat.completions.delete):
        with pytest.raises(openai.NotFoundError):
            ask(answer.id)


def test_keeps_nothing_else(client: OpenAI) -> None:
    answer = chat(client, metadata={"a": "b"})
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(answer.id)
