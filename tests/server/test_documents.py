"""`documents` of a chat completion: citations and verdicts on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from owngpt.service.app import App
from tests.fakes.engine import client_of, make_app

TEXT = "Paris is the capital of France. The Eiffel Tower was built in 1889 by Gustave Eiffel. It is made of iron."
SENTENCE = "The Eiffel Tower was built in 1889 by Gustave Eiffel."
QUESTION = "When was the Eiffel Tower built?"
SAID = f'In 1889: "[1] {SENTENCE}"'


def body(**fields: Any) -> dict[str, Any]:
    documents = [{"id": "paris", "title": "Paris.txt", "text": TEXT}]
    options = {"threshold": 0.2, **fields.pop("citation_options", {})}
    return {
        "messages": [{"role": "user", "content": QUESTION}],
        "documents": documents,
        "citation_options": options,
        **fields,
    }


async def post(app: App, **fields: Any) -> Any:
    async with client_of(app) as client:
        return await client.post("/v1/chat/completions", json=body(**fields))


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["quote", "extract"])
async def test_an_answer_cites_where_its_quotes_stand(mode: str) -> None:
    response = await post(make_app(SAID), citation_options={"mode": mode})
    message = response.json()["choices"][0]["message"]
    (annotation,) = message["annotations"]
    assert annotation["type"] == "file_citation"
    assert (annotation["file_id"], annotation["filename"]) == ("paris", "Paris.txt")
    assert TEXT[annotation["start"] : annotation["end"]] == annotation["quote"] == SENTENCE
    assert message["content"][: annotation["index"]].endswith(f'"{SENTENCE}"')
    assert message["grounding"]["verdict"] == "supported"
    assert message["grounding"]["sentences"][0]["citations"] == [annotation["index"]]


@pytest.mark.anyio
async def test_a_stream_says_the_same() -> None:
    whole = (await post(make_app(SAID))).json()["choices"][0]["message"]
    streamed = await post(make_app(SAID), stream=True)
    lines = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line.startswith("data: {")]
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines]
    assert "".join(delta.get("content") or "" for delta in deltas) == whole["content"]
    assert [a for delta in deltas for a in delta.get("annotations", [])] == whole["annotations"]
    assert next(delta["grounding"] for delta in deltas if "grounding" in delta) == whole["grounding"]
    assert json.loads(lines[-1])["choices"][0]["finish_reason"] == "stop"
    assert streamed.text.endswith("data: [DONE]\n\n")


@pytest.mark.anyio
async def test_an_abstention_has_words_and_hints_and_no_citation() -> None:
    response = await post(make_app("Never said."), messages=[{"role": "user", "content": "Who won in 1998?"}])
    message = response.json()["choices"][0]["message"]
    assert message["content"].startswith("I cannot find")
    assert message["annotations"] == []
    assert message["grounding"]["verdict"] == "abstained"
    assert message["refusal"] is None


@pytest.mark.anyio
async def test_an_abstention_from_a_schema_is_a_refusal() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    for stream in (False, True):
        response = await post(make_app('{"a": "Bananas"}'), response_format=response_format, stream=stream)
        assert "I cannot find" in response.text
        assert "Bananas" not in response.text
    assert '"refusal":"I cannot find' in response.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": [{"text": ""}]}, "documents[0].text"),
        ({"documents": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]}, "documents"),
        ({"documents": [{"text": "x" * 1_000_001}]}, "documents"),
        ({"citation_options": {"mode": "invent"}}, "citation_options.mode"),
        ({"citation_options": {"threshold": 2}}, "citation_options.threshold"),
        ({"documents": None}, "documents"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
    ],
)
async def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    response = await post(make_app("Yes."), **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.anyio
async def test_personal_data_of_a_document_is_neither_shown_to_the_model_nor_quoted() -> None:
    """Its offsets stay those of the document that was sent."""
    from owngpt.service.privacy.policy import Policy
    from tests.fakes.engine import engine_of

    app = make_app('Ask "[1] the office in Paris, France".')
    with app.database.write() as transaction:
        project = transaction.execute("SELECT id FROM projects")[0]["id"]
        app.privacy.set_policy(transaction, project, Policy("mask"))
    app.privacy.forget()
    text = "Write to jane.doe@example.com or visit the office in Paris, France. It is open."
    document = {"id": "a", "text": text}
    response = await post(app, documents=[document], citation_options={"abstain": False})
    message = response.json()["choices"][0]["message"]
    (annotation,) = message["annotations"]
    assert text[annotation["start"] : annotation["end"]] == annotation["quote"] == "the office in Paris, France"
    prompt = engine_of(app).tokenizer.decode(engine_of(app).submissions[0].prompt)
    assert "jane.doe" not in prompt


@pytest.mark.anyio
async def test_a_receipt_is_promised_only_for_what_is_surely_generated() -> None:
    app = make_app(SAID)
    for options, has_receipt in (({"abstain": False}, True), ({"abstain": True}, False), ({"mode": "extract"}, False)):
        response = await post(app, store=True, citation_options=options)
        assert ("x-owngpt-receipt" in response.headers) == has_receipt
