"""Schemathesis: requests drawn from the routes' descriptions, valid and not. No 5xx, one error shape, right types."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.hostile.effort import effort
from tests.hostile.openapi import OPENAI, openai_description, our_description
from tests.hostile.serving import HEADERS, Process
from tests.hostile.shape import check_error

OPERATIONS = [
    ("/chat/completions", "post"),
    ("/completions", "post"),
    ("/embeddings", "post"),
    ("/models", "get"),
    ("/models/{model}", "get"),
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
MODEL = {"/embeddings": "tiny-embed"}


@cache
def described(whose: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(our_description() if whose == "ours" else openai_description())


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("whose", ["ours", "openai's"])
def test_what_a_description_allows_or_forbids(
    process: Process, whose: str, path: str, method: str, mode: GenerationMode
) -> None:
    if whose != "ours" and not OPENAI.is_file():
        pytest.skip("OpenAI's description is not at hand")
    operation = described(whose)[path][method]
    if mode is GenerationMode.NEGATIVE and method == "get":
        pytest.skip("there is nothing that could be wrong in it")

    @effort(40)
    @given(case=operation.as_strategy(mode))
    def check(case: schemathesis.Case) -> None:
        case.body = affordable(path, case.body)
        response = case.call(base_url=f"{process.url}/v1", headers=HEADERS, timeout=60)
        answer = httpx.Response(response.status_code, headers=single(response.headers), content=response.content)
        if answer.status_code != 200:
            check_error(answer)
        elif whose != "ours" and answer.headers["content-type"] == "application/json":
            checks: list[CheckFunction] = [response_schema_conformance]
            case.validate_response(response, checks=checks)
        else:
            assert answer.headers["content-type"].startswith(("application/json", "text/event-stream"))

    check()


def affordable(path: str, body: Any) -> Any:
    """A loaded model, and few tokens: what is long is tested elsewhere."""
    if not isinstance(body, dict):
        return body
    asked = body.get("max_tokens", 4)
    short = {"max_tokens": min(asked, 4) if type(asked) is int and asked > 0 else asked} if "input" not in body else {}
    named = {"model": MODEL.get(path, "tiny")} if isinstance(body.get("model"), str) else {}
    if type(body.get("max_completion_tokens")) is int:
        short["max_completion_tokens"] = short.get("max_tokens", 4)
    return {**body, **short, **named}


def single(headers: Any) -> dict[str, str]:
    """The headers that matter, without those that say how the bytes came."""
    return {"content-type": headers["content-type"][0]}


PATHS = st.one_of(
    st.binary(max_size=40).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
    st.text("abc/.%25-_~:@!$&'()*+,;=", max_size=60),
    st.sampled_from(["..", "../..", "%2e%2e%2f", "%00", "%ff%fe", "tiny/", "//tiny", "a" * 5_000, "%c0%af", "{}"]),
)


@effort(80)
@given(
    start=st.sampled_from(["/v1/models/", "/v1/", "/", "/v1/chat/completions", "/v1/embeddings"]),
    path=PATHS,
    query=st.text(max_size=20),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]),
    body=st.binary(max_size=20),
)
def test_any_path_query_and_method(
    process: Process, start: str, path: str, query: str, method: str, body: bytes
) -> None:
    with process.client() as client:
        answer = client.request(method, httpx.URL(f"{process.url}{start}{path}", params={"q": query}), content=body)
    assert answer.status_code < 500
    if answer.status_code >= 400 and method != "HEAD":
        check_error(answer)
