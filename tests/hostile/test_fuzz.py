"""Hypothesis: bodies that are almost right, or not JSON, and bytes. No 5xx, one error shape, no silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.hostile.effort import effort
from tests.hostile.serving import Process
from tests.hostile.shape import check_error

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@pytest.fixture(scope="module")
def client(process: Process) -> Iterator[httpx.Client]:
    with process.client() as client:
        yield client


def check(answer: httpx.Response) -> None:
    """It is right, or it is refused in one shape; a stream that has begun may end with an error in the same shape."""
    event(f"{answer.status_code}")
    if answer.status_code != 200:
        check_error(answer)
    elif answer.headers["content-type"].startswith("text/event-stream"):
        assert answer.text.endswith("data: [DONE]\n\n"), answer.text[-300:]
    else:
        assert "error" not in answer.json()


NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -0.0, 1e-320, 1e-45, 1e308, -1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400]),
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "\ufeff", "\ud800", "<|im_end|>", "<tool_call>", "</think>", "日本", "👨‍👩‍👧", "\u202e", "x" * 3_000]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def sometimes(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly right, now and then anything."""
    return st.integers(0, 24).flatmap(lambda n: VALUES if n == 0 else right)


def body(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A few fields beside the required ones: with all of them something would always be wrong."""

    def chosen(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        fields = required | {name: optional[name] for name in names}
        return st.fixed_dictionaries({name: sometimes(value) for name, value in fields.items()})

    return st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True).flatmap(chosen)


UNIT = st.floats(0, 1)
TOKENS = st.lists(st.one_of(st.integers(0, 265), st.integers(-1, 270)), min_size=1, max_size=5)
SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": UNIT,
    "min_p": UNIT,
    "top_k": st.integers(-1, 2**31 - 1),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "repetition_penalty": st.floats(0, 10),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": st.one_of(TEXTS, st.lists(TEXTS, max_size=5)),
    "logit_bias": st.dictionaries(st.integers(0, 266).map(str), st.floats(-100, 100), max_size=5),
    "n": st.integers(1, 5),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({}, optional={"include_usage": st.booleans()}),
    "ignore_eos": st.booleans(),
    "stop_token_ids": TOKENS,
    "user": TEXTS,
}
JSON_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
SCHEMAS = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"type": JSON_TYPES}),
        st.fixed_dictionaries({"enum": st.lists(VALUES, max_size=3)}),
        st.fixed_dictionaries({"type": st.just("string"), "pattern": st.text("ab.*+?()[]{}|\\^$1,", max_size=12)}),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["integer", "number"])},
            optional={"minimum": NUMBERS, "maximum": NUMBERS, "multipleOf": NUMBERS, "exclusiveMinimum": NUMBERS},
        ),
        st.fixed_dictionaries({"$ref": st.sampled_from(["#", "#/$defs/a", "#/properties/a", "http://x/", ""])}),
        st.dictionaries(TEXTS, VALUES, max_size=2),
        st.fixed_dictionaries({"type": st.just("string"), "format": st.sampled_from(["date", "uuid", "email", "x"])}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
            optional={
                "required": st.lists(st.sampled_from("abcd"), max_size=3),
                "additionalProperties": st.one_of(st.booleans(), inner),
                "$defs": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
                "minProperties": st.integers(-1, 4),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(-1, 5), "maxItems": st.integers(-1, 5), "prefixItems": st.lists(inner)},
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=3)}),
    ),
    max_leaves=5,
)
FORMATS = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "json_object", "json_schema", "xml"])}),
    st.builds(lambda s: {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": s}}, SCHEMAS),
)
NAMES = st.sampled_from(["a", "b", "", "a b", "日本", "x" * 200])
FUNCTIONS = st.fixed_dictionaries(
    {"type": st.just("function"), "function": st.fixed_dictionaries({"name": NAMES}, optional={"parameters": SCHEMAS})}
)
GRAMMARS = st.one_of(st.text('start:ab"/|*+?()[]{}~&% \n_T.0123<>@', max_size=30).map(lambda t: "start: " + t), TEXTS)
CUSTOM = st.builds(
    lambda name, syntax, definition: {
        "type": "custom",
        "custom": {
            "name": name,
            "format": {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}},
        },
    },
    NAMES,
    st.sampled_from(["lark", "regex"]),
    GRAMMARS,
)
CHOICES = st.one_of(
    st.sampled_from(["none", "auto", "required", "maybe"]),
    st.builds(lambda name: {"type": "function", "function": {"name": name}}, NAMES),
    st.builds(lambda name: {"type": "custom", "custom": {"name": name}}, NAMES),
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "refusal", "image_url", "input_audio", "x"])},
    optional={"text": TEXTS, "refusal": TEXTS, "image_url": VALUES},
)
CALLS = st.builds(lambda name, text: {"id": "1", "function": {"name": name, "arguments": text}}, NAMES, TEXTS)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "user", "user", "assistant", "system", "tool", "developer", "wizard"]),
        "content": sometimes(st.one_of(TEXTS, TEXTS, TEXTS, st.lists(PARTS, max_size=2))),
    },
    optional={
        "name": TEXTS,
        "tool_call_id": TEXTS,
        "tool_calls": sometimes(st.lists(CALLS, max_size=1)),
        "reasoning_content": TEXTS,
    },
)
CHATS = body(
    {"model": st.just("tiny"), "messages": st.lists(MESSAGES, min_size=1, max_size=3), "max_tokens": st.integers(1, 8)},
    SAMPLING
    | {
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(-1, 21),
        "response_format": FORMATS,
        "tools": st.lists(st.one_of(FUNCTIONS, CUSTOM), min_size=1, max_size=2),
        "tool_choice": CHOICES,
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "low", "max", "?"]),
        "chat_template_kwargs": st.dictionaries(TEXTS, VALUES, max_size=3),
        "metadata": VALUES,
    },
)
PROMPTS = st.one_of(TEXTS, TOKENS, st.lists(TEXTS, max_size=4), st.lists(TOKENS, max_size=3))
COMPLETION_BODIES = body(
    {"model": st.just("tiny"), "prompt": PROMPTS, "max_tokens": st.integers(0, 8)},
    SAMPLING | {"suffix": TEXTS, "echo": st.booleans(), "logprobs": st.integers(0, 20), "best_of": st.integers(0, 5)},
)
KNOWN = st.text("abc AB", min_size=1, max_size=20)  # of the tiny embedder's vocabulary
EMBEDDING_BODIES = body(
    {"model": st.just("tiny-embed"), "input": st.one_of(PROMPTS, st.lists(KNOWN, min_size=1, max_size=4))},
    {"encoding_format": st.sampled_from(["float", "base64", "hex"]), "dimensions": st.integers(-1, 40), "user": TEXTS},
)


def encoded(document: Any) -> bytes:
    """JSON as Python writes it: NaN, Infinity and lone surrogates included."""
    return json.dumps(document).encode()


@effort(150)
@given(document=CHATS)
def test_chats_that_are_almost_right(client: httpx.Client, document: dict[str, Any]) -> None:
    check(client.post(CHAT, content=encoded(document)))


@effort(100)
@given(document=COMPLETION_BODIES)
def test_completions_that_are_almost_right(client: httpx.Client, document: dict[str, Any]) -> None:
    check(client.post(COMPLETIONS, content=encoded(document)))


@effort(60)
@given(document=EMBEDDING_BODIES)
def test_embeddings_that_are_almost_right(client: httpx.Client, document: dict[str, Any]) -> None:
    check(client.post(EMBEDDINGS, content=encoded(document)))


@effort(60)
@given(schema=SCHEMAS)
def test_any_schema_is_followed_or_refused_by_name(client: httpx.Client, schema: Any) -> None:
    """It never fails open, nor in the middle: an answer that is whole is JSON."""
    json_schema = {"name": "x", "strict": True, "schema": schema}
    document = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 40, "seed": 1}
    document["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    answer = client.post(CHAT, content=encoded(document))
    check(answer)
    if answer.status_code == 200 and answer.json()["choices"][0]["finish_reason"] == "stop":
        json.loads(answer.json()["choices"][0]["message"]["content"])


SEED = encoded({"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "prompt": "a"})
KINDS = [
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "",
    "日",
]


@effort(80)
@given(
    path=st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS]),
    raw=st.one_of(
        st.binary(max_size=50),
        st.builds(lambda at, junk: SEED[:at] + junk + SEED[at:], st.integers(0, len(SEED)), st.binary(max_size=3)),
        st.builds(lambda start, end: SEED[start:end], st.integers(0, 40), st.integers(40, len(SEED))),
        st.sampled_from(
            [
                b"\xef\xbb\xbf" + SEED,
                SEED.decode().encode("utf-16"),
                SEED + SEED,
                b"[" * 100_000,
                b'{"a":' * 100_000,
                b'{"model":"tiny","prompt":"a","prompt":"b","max_tokens":1,"max_tokens":2}',
                b'{"model":"tiny","prompt":"\\ud800","max_tokens":1}',
                b'{"model":"tiny","prompt":"a","seed":' + b"9" * 5_000 + b"}",
                b'{"model":"tiny","prompt":"a","temperature":1e999}',
                b'{"model":"tiny","prompt":"a","temperature":NaN}',
                b"",
            ]
        ),
    ),
    kind=st.sampled_from(KINDS),
)
def test_bytes_that_may_be_no_request(client: httpx.Client, path: str, raw: bytes, kind: str) -> None:
    check(client.post(path, content=raw, headers=[(b"content-type", kind.encode())]))
