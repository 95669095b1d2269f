"""Schemas and grammars that are meant to cost: refused by name, or enforced, and never at the cost of others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hostile.bystander import undisturbed
from tests.hostile.serving import Process
from tests.hostile.shape import check_error

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
WHERE = "response_format.json_schema.schema"


def with_schema(schema: object) -> dict[str, Any]:
    json_schema = {"name": "x", "strict": True, "schema": schema}
    response_format = {"type": "json_schema", "json_schema": json_schema}
    return {"model": "tiny", "messages": [], "max_tokens": 4, "response_format": response_format}


def with_grammar(definition: str, syntax: str = "lark") -> dict[str, Any]:
    grammar = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
    tool = {"type": "custom", "custom": {"name": "t", "format": grammar}}
    return {"model": "tiny", "messages": [], "max_tokens": 4, "tools": [tool], "tool_choice": "required"}


def deep(levels: int) -> bytes:
    body = json.dumps(with_schema("HERE")).encode()
    return body.replace(b'"HERE"', b'{"items":' * levels + b"{}" + b"}" * levels)


def exponential(levels: int) -> dict[str, Any]:
    """Each level refers twice to the one before."""
    defs: dict[str, Any] = {"a0": {"type": "string"}}
    for i in range(1, levels):
        ref = {"$ref": f"#/$defs/a{i - 1}"}
        defs[f"a{i}"] = {"anyOf": [ref, {"allOf": [ref, ref]}]}
    return {"$defs": defs, "$ref": f"#/$defs/a{levels - 1}"}


def alternatives(count: int) -> dict[str, Any]:
    return {"allOf": [{"anyOf": [{"const": {f"{x}{i}": 1}} for x in "ab"]} for i in range(count)]}


def patterns(count: int) -> list[dict[str, Any]]:
    return [{"type": "string", "pattern": f"(.*a.{{{i}}}.*)"} for i in range(1, count)]


def chain(count: int) -> dict[str, Any]:
    """Patterns that meet without an allOf: each schema refers to the next one and adds its own."""
    defs = {f"a{i}": {**p, "$ref": f"#/$defs/a{i + 1}"} for i, p in enumerate(patterns(count))}
    return {"$defs": {**defs, f"a{len(defs)}": {"type": "string"}}, "$ref": "#/$defs/a0"}


REFUSED: dict[str, tuple[object, str]] = {
    "200 levels": ({"items": json.loads('{"items":' * 70 + "{}" + "}" * 70)}, "levels deep"),
    "only itself": ({"$ref": "#"}, "contain itself"),
    "a reference to nowhere": ({"$ref": "#/$defs/x"}, "does not point"),
    "a reference to another machine": ({"$ref": "http://127.0.0.1/schema.json"}, "does not point"),
    "a reference to a file": ({"$ref": "file:///etc/passwd"}, "does not point"),
    "an exponential of references": (exponential(30), "enforced"),
    "an exponential of alternatives": (alternatives(24), "combinations"),
    "patterns that meet": ({"allOf": patterns(25)}, "patterns meet"),
    "patterns that meet in a chain": (chain(25), "patterns meet"),
    "patterns behind alternatives": ({"allOf": [{"anyOf": [p]} for p in patterns(25)]}, "patterns meet"),
    "a divisor of 2**31": ({"type": "integer", "multipleOf": 2**31}, "multipleOf"),
    "300 divisors": ({"prefixItems": [{"multipleOf": 99_991 + i} for i in range(300)]}, "multipleOf"),
    "a billion items": ({"type": "array", "items": {}, "maxItems": 10**9}, "1000000000"),
    "a length of 10**400": ({"type": "string", "maxLength": 10**400}, "very large number"),
    "a switch for the grammar library": ({"type": "object", "x-guidance": {"lenient": True}}, "x-guidance"),
    "an unknown draft's keyword": ({"unevaluatedProperties": False}, "unevaluatedProperties"),
    "2,000 optional properties": ({"properties": {f"p{i}": {} for i in range(2_000)}}, "optional"),
    "50,000 alternatives": ({"anyOf": [{"const": i} for i in range(50_000)]}, "subschemas"),
    "a list that is a number": ({"allOf": [{"allOf": 5}]}, "must be an array"),
    "nothing": (False, "no value"),
    "a list": ([{}], "object"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_hostile_schema_is_refused_by_name_beside_a_stream(process: Process, case: str) -> None:
    """25 patterns in one allOf kept a thread busy for minutes and took gigabytes."""
    schema, words = REFUSED[case]
    body = with_schema(schema) | {"messages": [{"role": "user", "content": "hi"}]}
    async with undisturbed(process), process.async_client() as client:
        error = check_error(await client.post(CHAT, json=body), 400)
    assert words in error["message"] or error["param"] == f"{WHERE}", error
    assert (error["param"] or "").startswith(WHERE)


async def test_ten_thousand_levels(process: Process) -> None:
    async with undisturbed(process), process.async_client() as client:
        check_error(await client.post(CHAT, content=deep(10_000)), 400)


ENFORCED: dict[str, object] = {
    "a regex that makes backtracking explode": {"type": "string", "pattern": "^(a+)+$"},
    "a regex of a billion states": {"type": "string", "pattern": "^((a{1,1000}){1,1000}){1,1000}$"},
    "a look far back": {"type": "string", "pattern": "(.*a.{25}.*)"},
    "a million letters": {"type": "string", "minLength": 10**6},
    "a billion numbers": {
        "type": "array",
        "minItems": 1000,
        "items": {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000, "items": {}}},
    },
    "an enum of 5,000": {"enum": [f"value {i}" for i in range(5_000)]},
    "60 levels": json.loads('{"type":"array","minItems":1,"items":' * 60 + "{}" + "}" * 60),
}


@pytest.mark.parametrize("case", ENFORCED)
async def test_a_costly_schema_is_followed_beside_a_stream(process: Process, case: str) -> None:
    body = with_schema(ENFORCED[case]) | {"messages": [{"role": "user", "content": "hi"}]}
    async with undisturbed(process), process.async_client() as client:
        response = await client.post(CHAT, json=body)
    if response.status_code != 200:
        check_error(response, 400)


GRAMMARS = {
    "garbage": with_grammar("%import common.WORD\n((((("),
    "100,000 brackets": with_grammar("start: " + "(" * 100_000 + '"a"' + ")" * 100_000),
    "a regex of 100,000 brackets": with_grammar("(" * 50_000 + ")" * 50_000, "regex"),
    "a look around": with_grammar("(?=a)b", "regex"),
    "rules that refer to nothing": with_grammar("start: nowhere"),
    "a rule without an end": with_grammar("start: a\na: a"),
    "a million times a million": with_grammar('start: a{1000000}\na: b{1000000}\nb: "x"{1000000}'),
    "an intersection of 25": with_grammar("start: T\nT: " + " & ".join(f"/(.*a.{{{i}}}.*)/" for i in range(25))),
    "a file": with_grammar('%import "/etc/passwd"\nstart: "a"'),
    "a switch": with_grammar('start: %json {"x-guidance": {"lenient": true}}'),
    "another document": with_grammar('{"grammars": [{"lark_grammar": "start: /.*/"}]}'),
    "nothing": with_grammar(""),
    "300 kB": with_grammar("# " + "x" * 300_000),
}


@pytest.mark.parametrize("case", GRAMMARS)
async def test_a_hostile_grammar_is_refused_beside_a_stream(process: Process, case: str) -> None:
    body = GRAMMARS[case] | {"messages": [{"role": "user", "content": "hi"}]}
    async with undisturbed(process), process.async_client() as client:
        error = check_error(await client.post(CHAT, json=body), 400)
    assert error["param"] == "tools[0].custom.format.grammar.definition"


@pytest.mark.parametrize("definition", ['start: s\ns: s s s | s s | "a" | ', 'start: ((("a"*)*)*)*'])
async def test_an_ambiguous_grammar_is_followed_or_refused(process: Process, definition: str) -> None:
    body = with_grammar(definition) | {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
    async with undisturbed(process), process.async_client() as client:
        assert (await client.post(CHAT, json=body)).status_code in (200, 400)
