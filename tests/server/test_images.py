"""Images that are sent to a model that reads text only: it goes on, and nothing pretends to have seen them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from owngpt.service.app import App
from tests.fakes.engine import client_of, engine_of, make_app
from tests.fakes.spec import fits_spec

pytestmark = pytest.mark.anyio
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
UNSEEN = "No image was seen: this model reads text only. What follows rests on the text alone.\n\n"


def asking(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}, IMAGE]}


async def post(app: App, path: str = "/v1/responses", **body: Any) -> Any:
    async with client_of(app) as client:
        return await client.post(path, json=body)


def texts(response: Any) -> list[str]:
    return [item["content"][0]["text"] for item in response.json()["output"] if item["type"] == "message"]


@pytest.mark.parametrize(
    ("question", "said"),
    [("What is this?", UNSEEN), ("これは何ですか？", "画像は見ていません。このモデルは文字だけを読みます。")],
)
async def test_the_answer_says_that_nothing_was_seen_whatever_the_model_says(question: str, said: str) -> None:
    app = make_app("A cat.")
    response = await post(app, input=[{"role": "user", "content": "Hi"}, asking(question)])
    first, second = texts(response)
    assert first.startswith(said)
    assert second == "A cat."
    [warning] = response.json()["warnings"]
    assert (warning["type"], warning["param"]) == ("image_not_seen", "input[1].content[1]")
    assert response.headers["x-owngpt-ignored"] == "input[1].content[1].input_image"
    prompt = engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)
    assert "[An image was sent here. You read text only and cannot see it.]" in prompt
    fits_spec({name: value for name, value in response.json().items() if name != "user"}, "Response")


async def test_it_is_said_once_where_a_client_sends_the_whole_conversation() -> None:
    said = {"role": "assistant", "content": "No image was seen."}
    response = await post(make_app("Yes."), input=[asking("What is this?"), said, {"role": "user", "content": "Sure?"}])
    assert texts(response) == ["Yes."]
    assert len(response.json()["warnings"]) == 1


async def test_what_has_to_be_json_stays_json() -> None:
    text = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}
    response = await post(make_app('{"animal": "cat"}'), input=[asking("What is this?")], text=text)
    assert texts(response) == ['{"animal": "cat"}']
    assert response.json()["warnings"]


async def test_a_response_without_images_has_no_warnings() -> None:
    response = await post(make_app("Hello!"), input="Hi")
    assert "warnings" not in response.json()


async def test_a_search_looks_for_what_was_said_and_not_for_the_note() -> None:
    app = make_app("Hello!")
    store = (await post(app, "/v1/vector_stores")).json()["id"]
    tools = [{"type": "file_search", "vector_store_ids": [store]}]
    response = await post(app, input=[asking("Tower height?")], tools=tools)
    search = next(item for item in response.json()["output"] if item["type"] == "file_search_call")
    assert search["queries"] == ["Tower height"]


async def test_a_picture_alone_is_nothing_to_search_for_and_no_error() -> None:
    app = make_app("Hello!")
    store = (await post(app, "/v1/vector_stores")).json()["id"]
    tools = [{"type": "file_search", "vector_store_ids": [store]}]
    response = await post(app, input=[{"role": "user", "content": [IMAGE]}], tools=tools)
    unseen, search, answer = response.json()["output"]
    assert (search["queries"], unseen["content"][0]["text"]) == ([], UNSEEN)
    assert answer["grounding"]["verdict"] == "abstained"


@pytest.mark.parametrize("question", ["When was the Eiffel Tower built?", "東京塔建設年"])
async def test_documents_answer_what_was_said_and_not_the_note(question: str) -> None:
    """Support and language are those of the question; the model is still told of the image."""
    documents = [{"text": "The Eiffel Tower was built in 1889 by Gustave Eiffel. An image was sent here."}]
    options: dict[str, Any] = {"documents": documents, "citation_options": {"abstain": False}}
    app = make_app('In "[1] The Eiffel Tower was built in 1889".')
    plain = (await post(app, input=question, **options)).json()["output"][-1]
    shown = (await post(app, input=[asking(question)], **options)).json()["output"][-1]
    assert shown["grounding"] == plain["grounding"]
    assert "An image was sent here. You read text only" in engine_of(app).tokenizer.decode(
        engine_of(app).submissions[-1].prompt
    )


async def test_a_conversation_takes_them() -> None:
    response = await post(make_app("Hello!"), "/v1/conversations", items=[asking("What is this?")])
    assert response.headers["x-owngpt-ignored"] == "items[0].content[1].input_image"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/conversations"])
async def test_an_operator_can_have_them_refused(path: str) -> None:
    app = make_app("A cat.")
    app.settings = replace(app.settings, images="refuse")
    field = "input" if path.endswith("responses") else "items"
    refused = await post(app, path, **{field: [asking("What is this?")]})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == f"{field}[0].content[1].type"
