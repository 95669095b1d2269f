"""POST /v1/embeddings, against a scripted embedder."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest

from tests.fakes.engine import client_of, make_app

pytestmark = pytest.mark.anyio


async def embed(**body: Any) -> dict[str, Any]:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/embeddings", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def vectors(**body: Any) -> list[list[float]]:
    return [item["embedding"] for item in (await embed(**body))["data"]]


async def test_one_vector_per_text_in_order() -> None:
    answer = await embed(input=["a", "bc"], model="fake-embed")
    assert [(item["object"], item["index"]) for item in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert answer["data"][1]["embedding"] == (await vectors(input="bc"))[0]


async def test_the_model_may_be_omitted_when_there_is_only_one() -> None:
    assert (await embed(input="a"))["model"] == "fake-embed"


async def test_base64_is_the_same_numbers() -> None:
    [numbers] = await vectors(input="hello")
    [text] = await vectors(input="hello", encoding_format="base64")
    assert struct.unpack("<8f", base64.b64decode(text)) == pytest.approx(numbers, abs=1e-7)  # type: ignore[arg-type]


async def test_token_ids_mean_what_their_text_means() -> None:
    assert await vectors(input=list(b"hello")) == await vectors(input="hello")
    assert await vectors(input=[list(b"a"), list(b"bc")]) == await vectors(input=["a", "bc"])


async def test_fewer_dimensions_have_unit_length_again() -> None:
    [full], [short] = await vectors(input="hello"), await vectors(input="hello", dimensions=3)
    assert len(short) == 3
    assert math.hypot(*short) == pytest.approx(1)
    assert [x / short[0] for x in short] == pytest.approx([x / full[0] for x in full[:3]])


async def test_2048_inputs_are_fine() -> None:
    assert len(await vectors(input=["a"] * 2048, encoding_format="base64")) == 2048


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"dimensions": 9}, "dimensions", "'dimensions' is 9"),
        ({"dimensions": 0}, "dimensions", ">= 1"),
        ({"input": "a" * 65}, "input", "64 tokens; input[0] has 65"),
        ({"input": ["a"] * 2049}, "input", "2049"),
        ({"input": ""}, "input", "empty string"),
        ({"input": ["a", ""]}, "input", "input[1]"),
        ({"input": None}, "input", "expected a string"),
        ({"input": [99999]}, "input", "99999"),
        ({"encoding_format": "hex"}, "encoding_format", "'float' or 'base64'"),
        ({"model": "fake"}, "model", "generative"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], param: str, words: str) -> None:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/embeddings", json={"input": "a", **body})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert words in error["message"]


async def test_unknown_fields_are_named() -> None:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/embeddings", json={"input": "a", "truncate": "END"})
    assert (response.status_code, response.headers["x-owngpt-ignored"]) == (200, "truncate")
