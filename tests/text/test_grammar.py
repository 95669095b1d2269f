"""Whatever a model says under a constraint conforms, and the parser reads it back.

The model is the worst one possible: it picks any token that the mask allows.
"""

import json
import random
from typing import Any

import jsonschema_rs
import pytest
from llguidance import LLMatcher

from owngpt.errors import InvalidRequest
from owngpt.text.chat import ChatRenderer
from owngpt.text.family import Family
from owngpt.text.grammar import (
    ResponseFormat,
    ToolChoice,
    lark_constraint,
    regex_constraint,
    tools_constraint,
)
from owngpt.text.parser import make_parser
from owngpt.text.tokenizer import Tokenizer
from owngpt.types import Constraint, Tool
from tests.text.families import FAMILIES, make
from tests.text.test_output import merge

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 6}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city"],
    "additionalProperties": False,
}
PICK = {
    "type": "object",
    "properties": {"id": {"enum": [1, "a", None]}},
    "required": ["id"],
    "additionalProperties": False,
}
WEATHER = Tool("get_weather", "", CITY, is_strict=True)
CHOOSE = Tool("pick", "", PICK, is_strict=True)
LOOSE = Tool("loose", "", {"type": "object", "properties": {"a": {"uniqueItems": True}}})
SCHEMAS: dict[str, Any] = {"get_weather": CITY, "pick": PICK, "loose": {"type": "object"}}
ANSWER = ResponseFormat(
    "json_schema",
    {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False},
)


def answer_constraint(response_format: ResponseFormat, tokenizer: Tokenizer) -> Constraint | None:
    """Of an answer without tools, from a family without marks."""
    return tools_constraint(tokenizer, Family(), response_format=response_format)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, ChatRenderer]]:
    return {name: make(name, tmp_path_factory.mktemp("m")) for name in FAMILIES}


@pytest.fixture(scope="module")
def tokenizer(made: dict[str, tuple[Tokenizer, ChatRenderer]]) -> Tokenizer:
    return made["qwen2.5"][0]


def babble(constraint: Constraint, tokenizer: Tokenizer, seed: int, limit: int = 250) -> str | None:
    """What a model of random tokens says; None if it did not come to an end in `limit` tokens."""
    rng, matcher, ids = random.Random(seed), LLMatcher(tokenizer.llg, constraint.grammar), []
    for _ in range(limit):
        if matcher.is_stopped() or (matcher.is_accepting() and rng.random() < 0.4):
            break
        mask = matcher.compute_logit_bias()
        allowed = [i for i in range(tokenizer.vocab_size) if mask[i] and i not in tokenizer.eos_token_ids]
        if not allowed:
            break
        ids.append(rng.choice(allowed))
        assert matcher.consume_token(ids[-1]), matcher.get_error()
    assert not matcher.is_error(), matcher.get_error()
    text = tokenizer.decode(ids, skip_special=False, is_continuation=True)
    return text if matcher.is_accepting() else None


def babbles(constraint: Constraint | None, tokenizer: Tokenizer, count: int = 12) -> list[str]:
    assert constraint is not None
    texts = [babble(constraint, tokenizer, seed) for seed in range(count)]
    ended = [text for text in texts if text is not None]
    assert ended
    return ended


CONFORMING: list[Any] = [
    {},
    True,
    CITY,
    {"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "integer"}},
    {
        "type": "object",
        "properties": {"a": {"const": 1}},
        "patternProperties": {"^b": {"type": "null"}},
        "additionalProperties": False,
    },
    {"type": "object", "required": ["z"], "properties": {"a": True}, "additionalProperties": {"type": "integer"}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}, "minItems": 2},
    {"type": "string", "minLength": 2, "maxLength": 4},
    {"type": "string", "pattern": "^[a-c]+$", "maxLength": 4},
    {"type": "string", "pattern": "b", "minLength": 3, "maxLength": 6},
    *[{"type": "string", "format": f} for f in ("date-time", "time", "date", "duration", "email", "hostname")],
    *[{"type": "string", "format": f} for f in ("ipv4", "ipv6", "uuid", "uri")],
    {"type": "number", "minimum": -1.5, "maximum": 2.25},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "integer", "multipleOf": 7, "minimum": 10},
    {"type": "number", "multipleOf": 0.01},
    {"enum": [1, 2.5, "x", None, True, [1, {"a": 2}], 'q"\\\n', "日本 \u2028"]},
    {"$schema": "http://json-schema.org/draft-04/schema#", "const": 5},
    {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "maximum": 5}]},
    {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 4}}},
        ]
    },
    {"$ref": "#/$defs/s", "maxLength": 3, "$defs": {"s": {"type": "string", "minLength": 2}}},
    {
        "$defs": {
            "n": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
                "required": ["next"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/n",
    },
    {"type": ["integer", "null"], "enum": [1, None, "x"]},
    {
        "type": "object",
        "properties": {'a b"': {"type": "null"}, "日": {"type": "null"}},
        "required": ["日"],
        "additionalProperties": False,
    },
]


@pytest.mark.parametrize("schema", CONFORMING, ids=lambda schema: json.dumps(schema)[:60])
def test_an_answer_conforms_to_its_schema(tokenizer: Tokenizer, schema: Any) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    constraint = answer_constraint(ResponseFormat("json_schema", schema), tokenizer)
    for text in babbles(constraint, tokenizer):
        validator.validate(json.loads(text))


def test_json_object(tokenizer: Tokenizer) -> None:
    constraint = answer_constraint(ResponseFormat("json_object"), tokenizer)
    assert all(isinstance(json.loads(text), dict) for text in babbles(constraint, tokenizer))
    assert answer_constraint(ResponseFormat("text"), tokenizer) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_may_have_to_spell_a_control_token(made: Any, family: str) -> None:
    """It is spelled in other tokens: `<|im_end|>` as text, not the end of the turn."""
    tokenizer = made[family][0]
    for mark in sorted(tokenizer.special_tokens | {"<tool_call>"}):
        text = f"about {mark}."
        constraint = answer_constraint(ResponseFormat("json_schema", {"const": text}), tokenizer)
        assert set(babbles(constraint, tokenizer, 2)) == {json.dumps(text)}


def test_a_weak_model_cannot_pad_without_end(tokenizer: Tokenizer) -> None:
    """A model that always prefers white space gets none but one space after a comma or colon."""
    constraint = answer_constraint(ResponseFormat("json_schema", CITY), tokenizer)
    assert constraint is not None
    matcher = LLMatcher(tokenizer.llg, constraint.grammar)
    assert matcher.consume_tokens(tokenizer.encode('{"city": '))
    assert matcher.try_consume_tokens(tokenizer.encode(" ")) == 0
    assert matcher.try_consume_tokens(tokenizer.encode("\n")) == 0


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"type": "string", "pattern": "(?=x)"}}}, ".properties.a.pattern"),
        ({"type": "object", "properties": {"a": {}}, "minProperties": 1}, ".minProperties"),
        ({"items": {"oneOf": [{"type": "string"}, {"type": "string"}]}}, ".items.oneOf"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, ".minLength"),
        ({"properties": {"a": {"type": "strin"}}}, ".properties.a.type"),
        ({"enum": []}, ""),
        ({"patternProperties": {"a": {}, "b": {}}}, ""),
        ({"properties": {"a": {"uniqueItems": True}}}, ".properties.a.uniqueItems"),
        (
            {
                "type": "array",
                "items": {
                    "anyOf": [{"type": "object", "properties": {f"p{i}{j}": {} for i in range(280)}} for j in range(8)]
                },
            },
            ".items",
        ),
    ],
)
def test_what_llguidance_does_not_take_is_refused_with_its_path(tokenizer: Tokenizer, schema: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        answer_constraint(ResponseFormat("json_schema", schema), tokenizer)
    assert caught.value.param == "response_format.json_schema.schema" + path


def parsed(made: Any, family: str, text: str, tools: tuple[Tool, ...]) -> tuple[str, list[tuple[str, str]]]:
    parser = make_parser(made[family][1].family, tools)
    _, content, calls = merge([*parser.feed(text), *parser.finish()])
    return content, calls


def check_calls(calls: list[tuple[str, str]]) -> None:
    for name, arguments in calls:
        jsonschema_rs.validate(SCHEMAS[name], json.loads(arguments))


@pytest.mark.parametrize("family", FAMILIES)
def test_required_calls_are_read_back(made: Any, family: str) -> None:
    tools = (WEATHER, CHOOSE, LOOSE)
    constraint = tools_constraint(*spec(made, family), tools=tools, choice=ToolChoice("required"))
    for text in babbles(constraint, made[family][0], 20):
        content, calls = parsed(made, family, text, tools)
        assert content == ""
        assert calls
        check_calls(calls)


@pytest.mark.parametrize("choice", [ToolChoice("auto"), ToolChoice("required")], ids=["auto", "required"])
def test_many_tools_whose_marks_are_text(tokenizer: Tokenizer, choice: ToolChoice) -> None:
    """The vocabulary has a token `<tool_call>`, but the family does not use it."""
    tools = [Tool(f"tool_{i}", "", CITY, is_strict=True) for i in range(128)]
    constraint = tools_constraint(tokenizer, Family(), tools=tools, choice=choice)
    assert constraint is not None
    call = '<tool_call>\n{"name": "tool_127", "arguments": {"city": "Oslo"}}\n</tool_call>'
    marks = {tokenizer.token_to_id("<tool_call>"), tokenizer.token_to_id("</tool_call>")}
    spelled = [i for character in call for i in tokenizer.encode(character)]
    assert marks.isdisjoint(spelled)
    assert accepts(constraint, tokenizer, spelled)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_named_tool_is_called_once(made: Any, family: str) -> None:
    choice = ToolChoice("required", frozenset({"pick"}))
    constraint = tools_constraint(*spec(made, family), tools=(WEATHER, CHOOSE), choice=choice)
    for text in babbles(constraint, made[family][0]):
        content, calls = parsed(made, family, text, (WEATHER, CHOOSE))
        assert (content, [name for name, _ in calls]) == ("", ["pick"])
        check_calls(calls)


@pytest.mark.parametrize("family", FAMILIES)
def test_auto_leaves_text_free_and_binds_calls(made: Any, family: str) -> None:
    tokenizer, chat = made[family]
    constraint = tools_constraint(*spec(made, family), tools=(WEATHER,))
    assert constraint is not None
    for text in babbles(constraint, tokenizer):
        check_calls(parsed(made, family, text, (WEATHER,))[1])
    allowed, refused = say(chat.family.tools.name, '{"city": "Oslo"}'), say(chat.family.tools.name, '{"town": "Oslo"}')
    answer = said(chat.family.tools.name, "Let me think, <b>{x}</b>.\nYes.")
    assert accepts(constraint, tokenizer, tokenizer.encode(answer))
    assert accepts(constraint, tokenizer, tokenizer.encode(allowed))
    assert not accepts(constraint, tokenizer, tokenizer.encode(refused))
    if family != "llama3.1":
        before = said(chat.family.tools.name, "Let me look. ", "commentary")
        before += "<|end|><|start|>assistant" if family == "gpt-oss" else ""
        assert accepts(constraint, tokenizer, tokenizer.encode(before + allowed))
    spelled = [i for c in refused for i in tokenizer.encode(c)]  # no special token: letter by letter
    assert not accepts(constraint, tokenizer, spelled)


@pytest.mark.parametrize("family", FAMILIES)
def test_at_most_one_call(made: Any, family: str) -> None:
    tokenizer, chat = made[family]
    constraint = tools_constraint(*spec(made, family), tools=(LOOSE,), parallel_tool_calls=False)
    assert constraint is not None
    one = say(chat.family.tools.name, "{}", "loose")
    assert accepts(constraint, tokenizer, tokenizer.encode(one))
    assert not accepts(constraint, tokenizer, tokenizer.encode(one.removesuffix("]") + "; " + one))
    for text in babbles(constraint, tokenizer):
        assert len(parsed(made, family, text, (LOOSE,))[1]) <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_call_or_a_conforming_answer(made: Any, family: str) -> None:
    constraint = tools_constraint(*spec(made, family), tools=(WEATHER,), response_format=ANSWER)
    kinds = set()
    for text in babbles(constraint, made[family][0], 30):
        content, calls = parsed(made, family, text, (WEATHER,))
        kinds.add(bool(calls))
        check_calls(calls)
        assert bool(calls) != bool(content)
        if content:
            assert set(json.loads(content)) == {"ok"}
    assert kinds == {True, False}


@pytest.mark.parametrize("family", FAMILIES)
def test_custom_tools(made: Any, family: str) -> None:
    tokenizer = made[family][0]
    sql = Tool(
        "sql",
        type="custom",
        grammar=lark_constraint('start: "SELECT " /[a-z]{1,5}/ (" WHERE " /[a-z]{1,3}/)?', tokenizer, "tools[0]"),
    )
    free = Tool("free", type="custom")
    constraint = tools_constraint(*spec(made, family), tools=(sql, free), choice=ToolChoice("required"))
    names = set()
    for text in babbles(constraint, tokenizer, 30):
        content, calls = parsed(made, family, text, (sql, free))
        assert content == ""
        names |= {name for name, _ in calls}
        assert all(given.startswith("SELECT ") and "\n" not in given for name, given in calls if name == "sql")
    assert names == {"sql", "free"}


def test_references_survive_beside_an_answer(made: Any) -> None:
    """Llama's calls and answers both begin with `{`, so they share one schema; references have to follow."""
    defs = {"$defs": {"c": {"enum": ["Oslo"]}}, "properties": {"enum": {"$ref": "#/$defs/c"}}, "required": ["enum"]}
    tool = Tool("go", "", {"type": "object", **defs, "additionalProperties": False}, is_strict=True)
    constraint = tools_constraint(*spec(made, "llama3.1"), tools=(tool,), response_format=ANSWER)
    assert constraint is not None
    tokenizer = made["llama3.1"][0]
    assert accepts(constraint, tokenizer, tokenizer.encode(say("llama3", '{"enum": "Oslo"}', "go")))
    assert not accepts(constraint, tokenizer, tokenizer.encode(say("llama3", '{"enum": "Rome"}', "go")))


def test_nothing_to_enforce(made: Any) -> None:
    assert tools_constraint(*spec(made, "qwen3"), tools=(LOOSE,)) is None
    assert tools_constraint(*spec(made, "qwen3"), tools=(WEATHER,), choice=ToolChoice("none")) is None
    assert tools_constraint(*spec(made, "qwen3")) is None


def test_allowed_tools(made: Any) -> None:
    choice = ToolChoice("auto", frozenset({"loose"}))
    constraint = tools_constraint(*spec(made, "qwen3"), tools=(WEATHER, LOOSE), choice=choice)
    assert constraint is not None
    tokenizer = made["qwen3"][0]
    assert accepts(constraint, tokenizer, tokenizer.encode(say("hermes", "{}", "loose")))
    assert not accepts(constraint, tokenizer, tokenizer.encode(say("hermes", '{"city": "Oslo"}')))
    with pytest.raises(InvalidRequest) as caught:
        tools_constraint(*spec(made, "qwen3"), tools=(LOOSE,), choice=ToolChoice("required", frozenset({"x"})))
    assert caught.value.param == "tool_choice"


def test_a_strict_tool_that_cannot_be_strict_is_refused(made: Any) -> None:
    bad = Tool("bad", "", {"type": "object", "properties": {"a": {"not": {}}}}, is_strict=True)
    with pytest.raises(InvalidRequest) as caught:
        tools_constraint(*spec(made, "qwen3"), tools=(WEATHER, bad))
    assert caught.value.param == "tools[1].function.parameters.properties.a.not"
    with pytest.raises(InvalidRequest, match="arguments are an object"):
        tools_constraint(*spec(made, "qwen3"), tools=(Tool("bad", "", {"type": "string"}, is_strict=True),))


def test_after_thinking_an_answer_may_begin_with_line_breaks(made: Any) -> None:
    tokenizer, _ = made["qwen3"]
    constraint = tools_constraint(*spec(made, "qwen3"), response_format=ANSWER)
    assert constraint is not None
    assert accepts(constraint, tokenizer, tokenizer.encode('\n\n{"ok": true}'))


def test_regex_and_lark(tokenizer: Tokenizer) -> None:
    pattern = regex_constraint("[a-c]{2}/\\d\n(é|日)", tokenizer, "p")
    for text in babbles(pattern, tokenizer):
        assert len(text) == 6
        assert text[2] == "/"
    greeting = lark_constraint('start: "hi " NAME\nNAME: /[A-Z][a-z]{0,4}/', tokenizer, "p")
    assert all(text.startswith("hi ") for text in babbles(greeting, tokenizer))


@pytest.mark.parametrize(
    "grammar",
    [
        "start: undefined",
        "no start",
        "",
        "start: /(/",
        "start: /(?=a)/",
        'start: %json {"x-guidance": {"lenient": true}, "not": {}}',
        '{"grammars": [{"json_schema": {}}]}',
        "start: <|nothing|>",
        "start: " + "(" * 5000,
        'start: "a" ' * 50_000,
        "start: " + " | ".join(f'"a" r{i}' for i in range(3000)) + "".join(f"\nr{i}: /b*/" for i in range(3000)),
    ],
)
def test_bad_grammars_are_refused(tokenizer: Tokenizer, grammar: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        lark_constraint(grammar, tokenizer, "tools[0].custom.format.grammar.definition")
    assert caught.value.param == "tools[0].custom.format.grammar.definition"


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "a" * 300_000, "(?<n>a)\\k<n>", "(" * 3000 + ")" * 3000])
def test_bad_regexes_are_refused(tokenizer: Tokenizer, pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        regex_constraint(pattern, tokenizer, "p")


def spec(made: Any, family: str) -> tuple[Tokenizer, Any]:
    return made[family][0], made[family][1].family


def say(spelling: str, arguments: str, name: str = "get_weather") -> str:
    """A call as a model of the family would write it."""
    if spelling == "harmony":
        return f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}"
    key = "parameters" if spelling == "llama3" else "arguments"
    call = f'{{"name": "{name}", "{key}": {arguments}}}'
    return {"llama3": call, "mistral": f"[TOOL_CALLS][{call}]"}.get(spelling, f"<tool_call>\n{call}\n</tool_call>")


def said(spelling: str, text: str, channel: str = "final") -> str:
    """Plain text as a model of the family would write it."""
    return f"<|channel|>{channel}<|message|>{text}" if spelling == "harmony" else text


def accepts(constraint: Constraint, tokenizer: Tokenizer, ids: list[int]) -> bool:
    matcher = LLMatcher(tokenizer.llg, constraint.grammar)
    return matcher.try_consume_tokens(ids) == len(ids) and bool(matcher.is_accepting())
