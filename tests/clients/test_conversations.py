"""Conversations, paging and truncation with the official Python SDK and strict response validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients.scripted import scripted_app
from tests.clients.serving import Running, Serve
from tests.fakes.engine import engine_of, make_app


@pytest.fixture(scope="module")
def server(serve: Serve) -> Running:
    return serve(scripted_app((r"My name is Ann.*What is my name", "Ann."), otherwise="Hello!"))


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key=server.key, _strict_response_validation=True, max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


def texts(items: Any) -> list[str]:
    return [item.content[0].text for item in items]


def test_a_conversation_remembers(client: OpenAI) -> None:
    conversation = client.conversations.create(items=[user("My name is Ann")], metadata={"topic": "names"})
    response = client.responses.create(model="fake", input="What is my name?", conversation=conversation.id)
    assert response.output_text == "Ann."
    assert response.conversation is not None
    assert response.conversation.id == conversation.id
    items = client.conversations.items.list(conversation.id, order="asc")
    assert texts(items) == ["My name is Ann", "What is my name?", "Ann."]
    assert client.responses.create(model="fake", input="Bye", conversation={"id": conversation.id}).status
    assert len(list(client.conversations.items.list(conversation.id, limit=2))) == 5


def test_a_conversation_and_its_items_can_be_changed(client: OpenAI) -> None:
    conversation = client.conversations.create()
    assert client.conversations.retrieve(conversation.id).metadata == {}
    assert client.conversations.update(conversation.id, metadata={"a": "b"}).metadata == {"a": "b"}
    added = client.conversations.items.create(conversation.id, items=[user("one"), user("two")])
    first = added.data[0]
    assert first.id
    assert texts([client.conversations.items.retrieve(first.id, conversation_id=conversation.id)]) == ["one"]
    client.conversations.items.delete(first.id, conversation_id=conversation.id)
    assert texts(client.conversations.items.list(conversation.id)) == ["two"]
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_a_response_that_is_not_stored_still_joins_its_conversation(client: OpenAI) -> None:
    conversation = client.conversations.create()
    client.responses.create(model="fake", input="Hi", conversation=conversation.id, store=False)
    assert texts(client.conversations.items.list(conversation.id, order="asc")) == ["Hi", "Hello!"]


def test_goes_on_from_a_response_of_a_conversation(client: OpenAI) -> None:
    """Only with what the conversation held then, not with what came later."""
    conversation = client.conversations.create(items=[user("My name is Ann")])
    first = client.responses.create(model="fake", input="Hi", conversation=conversation.id)
    client.conversations.items.create(conversation.id, items=[user("later")])
    second = client.responses.create(model="fake", input="What is my name?", previous_response_id=first.id)
    assert second.output_text == "Ann."


def test_refers_to_items_by_their_ids(client: OpenAI) -> None:
    first = client.responses.create(model="fake", input="My name is Ann")
    (item,) = client.responses.input_items.list(first.id).data
    reference: Any = {"type": "item_reference", "id": item.id}
    second = client.responses.create(model="fake", input=[reference, user("What is my name?")])
    assert second.output_text == "Ann."
    assert texts(client.responses.input_items.list(second.id, order="asc")) == ["My name is Ann", "What is my name?"]
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.responses.create(model="fake", input=[{"type": "item_reference", "id": "msg_none"}])


def test_counts_before_asking(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="fake", input="My name is Ann", instructions="Be kind.")
    response = client.responses.create(model="fake", input="My name is Ann", instructions="Be kind.")
    assert response.usage is not None
    assert counted.input_tokens == response.usage.input_tokens


def test_leaves_out_the_oldest_whole_and_says_which(serve: Serve) -> None:
    server = serve(make_app("Hello!", max_model_len=200))
    items: Any = [
        {"role": "system", "content": "Be kind."},
        {**user("a" * 60), "id": "msg_a"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "b" * 120, "id": "fco_1"},
        {**user("c" * 40), "id": "msg_c"},
    ]
    with OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="fake", input=items)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
        raw = client.responses.with_raw_response.create(model="fake", input=items, truncation="auto")
        assert raw.headers["x-owngpt-truncated"] == "msg_a, fc_1, fco_1"
        assert raw.parse().truncation == "auto"
    engine = engine_of(server.app)
    prompt = engine.tokenizer.decode(engine.submissions[-1].prompt, skip_special=False)
    assert "Be kind." in prompt
    assert "c" * 40 in prompt
    assert "a" * 60 not in prompt
