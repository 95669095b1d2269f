"""Thinking, content and calls out of streamed text, for each family."""

import json
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.text.family import HERMES, LLAMA3, MISTRAL, Family
from owngpt.text.output import (
    ContentDelta,
    OutputDelta,
    OutputParser,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
)
from owngpt.types import Constraint, Tool

QWEN = Family(HERMES, ("<think>", "</think>"), knows_tools=True)
PLAIN = Family()
LLAMA = Family(LLAMA3, knows_tools=True)
MISTRALS = Family(MISTRAL, knows_tools=True)
WEATHER = Tool("weather", parameters={"type": "object"})
CLOCK = Tool("clock", parameters={"type": "object"})
SHELL = Tool("shell", type="custom")
PATCH = Tool("patch", type="custom", grammar=Constraint("start: /.*/"))
TOOLS = (WEATHER, CLOCK, SHELL, PATCH)
ARGUMENTS = '{"city": "Zürich \\"</tool_call>\\"", "n": [1, {"a": null}]}'
CALL = f'{{"name": "weather", "arguments": {ARGUMENTS}}}'


def merge(deltas: Iterable[OutputDelta]) -> tuple[str, str, list[tuple[str, str]]]:
    """(reasoning, content, [(name, arguments), ...])"""
    reasoning, content, calls = "", "", []
    for delta in deltas:
        match delta:
            case ReasoningDelta(text):
                reasoning += text
            case ContentDelta(text):
                content += text
            case ToolCallStart(index, call_id, name, _):
                assert index == len(calls)
                assert re.fullmatch(r"call_[0-9a-f]{24}", call_id)
                calls.append((name, ""))
            case ToolCallArguments(index, text):
                assert index == len(calls) - 1
                calls[-1] = (calls[-1][0], calls[-1][1] + text)
    return reasoning, content, calls


def letters(text: str) -> str:
    """The text without what may be dropped: white space, and the marks of thinking."""
    return "".join(text.replace("<think>", "").replace("</think>", "").split())


def parse(family: Family, text: str, tools: tuple[Tool, ...] = TOOLS) -> tuple[str, str, list[tuple[str, str]]]:
    parser = OutputParser(family, tools)
    return merge([*parser.feed(text), *parser.finish()])


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "calls"),
    [
        ("Hello\n", "", "Hello\n", []),
        ("<think>\nhm,\n so\n</think>\n\nHello", "hm,\n so", "Hello", []),
        ("\n<think></think>Hi", "", "Hi", []),
        ("<think>never ends", "never ends", "", []),
        ("I <think> so", "", "I <think> so", []),
        (f"<tool_call>\n{CALL}\n</tool_call>", "", "", [("weather", ARGUMENTS)]),
        (f"<think>x</think>\n\nOk.\n<tool_call>{CALL}</tool_call>\n", "x", "Ok.", [("weather", ARGUMENTS)]),
        (
            f'<tool_call>{CALL}</tool_call>\n<tool_call>{{"arguments": {{}}, "name": "clock"}}</tool_call>',
            *("", ""),
            [("weather", ARGUMENTS), ("clock", "{}")],
        ),
        (f"A\n<tool_call>{CALL}</tool_call>\nB", "", "A\n\nB", [("weather", ARGUMENTS)]),
        ('<tool_call>{"name": "clock"}</tool_call>', "", "", [("clock", "{}")]),
        ('<tool_call>{"name": "clock", "arguments": null}</tool_call>', "", "", [("clock", "{}")]),
        ('<tool_call>{"name": "clock", "arguments": "{\\"a\\": 1}"}</tool_call>', "", "", [("clock", '{"a": 1}')]),
        ('<tool_call>{"id": 7, "name": "clock", "arguments": {"a": 1}, "x": [2]}', "", "", [("clock", '{"a": 1}')]),
        ('<tool_call>{"name": "shell", "arguments": {"input": "ls \\u00e9"}}</tool_call>', "", "", [("shell", "ls é")]),
        ('<tool_call>\n{"name": "patch"}\n*** x\n\n</tool_call>', "", "", [("patch", "*** x\n")]),
        (f"<tool_call>{CALL}{CALL}</tool_call>", "", "", [("weather", ARGUMENTS)] * 2),
        (f"<tool_call>{CALL}<tool_call>{CALL}", "", "", [("weather", ARGUMENTS)] * 2),
        # cut short by max_tokens: what came is given out
        ('<tool_call>{"name": "clock", "arguments": {"a": "b', "", "", [("clock", '{"a": "b')]),
    ],
)
def test_qwen(text: str, reasoning: str, content: str, calls: list[tuple[str, str]]) -> None:
    assert parse(QWEN, text) == (reasoning, content, calls)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\nnot json\n</tool_call> x",
        '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "clock", "arguments": 3}</tool_call>',
        '<tool_call>{"name": 3}</tool_call>',
        '<tool_call>{"name": "clock" "arguments": {}}</tool_call>',
        '<tool_call>{"nam',
        "<tool_call>{}</tool_call>",
        "<tool_call></tool_call>",
        "<tool_call>",
        "<tool_c",
        '<tool_call> [{"name": "clock"}]',
        "a </tool_call> b",
        '{"name": "clock", "arguments": {}}',
    ],
)
def test_what_is_no_call_is_content(text: str) -> None:
    assert parse(PLAIN, text) == ("", text, [])


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ('{"name": "clock", "parameters": {"a": 1}}', "", [("clock", '{"a": 1}')]),
        (
            '\n{"name": "clock", "parameters": {}}; {"name": "weather", "parameters": {}}',
            "",
            [("clock", "{}"), ("weather", "{}")],
        ),
        ('<|python_tag|>{"name": "clock", "parameters": {}}', "", [("clock", "{}")]),
        ('{"type": "function", "name": "clock", "parameters": {}}', "", [("clock", "{}")]),
        ('{"name": "patch"}\n*** x', "", [("patch", "*** x")]),
        ('{"name": "clock"}', '{"name": "clock"}', []),
        ('{"name": "clock", "age": 3}', '{"name": "clock", "age": 3}', []),
        (' {"answer": {"name": "clock"}} ', ' {"answer": {"name": "clock"}} ', []),
        ('Sure: {"name": "clock", "parameters": {}}', 'Sure: {"name": "clock", "parameters": {}}', []),
        ("<|python_tag|>print(1)", "<|python_tag|>print(1)", []),
    ],
)
def test_llama3(text: str, content: str, calls: list[tuple[str, str]]) -> None:
    assert parse(LLAMA, text) == ("", content, calls)


@pytest.mark.parametrize(
    ("text", "content", "calls"),
    [
        ('[TOOL_CALLS] [{"name": "clock", "arguments": {"a": 1}, "id": "abc"}]', "", [("clock", '{"a": 1}')]),
        (
            'Ok [TOOL_CALLS][{"name": "clock", "arguments": {}}, {"name": "weather", "arguments": {}}]',
            "Ok",
            [("clock", "{}"), ("weather", "{}")],
        ),
        ("[TOOL_CALLS] what", "[TOOL_CALLS] what", []),
    ],
)
def test_mistral(text: str, content: str, calls: list[tuple[str, str]]) -> None:
    assert parse(MISTRALS, text) == ("", content, calls)


def test_without_tools_everything_is_content() -> None:
    text = f" <tool_call>{CALL}</tool_call> \n"
    assert parse(PLAIN, text, tools=()) == ("", text, [])


def test_thinking_that_the_prompt_opened() -> None:
    parser = OutputParser(QWEN)
    deltas = parser.feed("so", is_thinking=True) + parser.feed(" it is</think>", is_thinking=True)
    assert merge(deltas + parser.feed("\n\nYes") + parser.finish()) == ("so it is", "Yes", [])


def test_arguments_stream() -> None:
    """A long argument is not held back until it is complete."""
    parser = OutputParser(QWEN, TOOLS)
    parser.feed('<tool_call>{"name": "weather", "argu')
    assert [type(d) for d in parser.feed('ments": {"ci')] == [ToolCallStart, ToolCallArguments]
    assert parser.feed('ty": "Par') == [ToolCallArguments(0, 'ty": "Par')]
    assert parser.feed('is"}}\n') == [ToolCallArguments(0, 'is"}')]
    assert parser.feed("</tool_call>") + parser.finish() == []


def test_content_streams() -> None:
    parser = OutputParser(QWEN, TOOLS)
    assert parser.feed("Hello wor") == [ContentDelta("Hello wor")]
    assert parser.feed("ld <too") == [ContentDelta("ld")]
    assert parser.feed("ls>") == [ContentDelta(" <tools>")]


def test_a_long_argument_is_read_in_linear_time() -> None:
    parser = OutputParser(QWEN, TOOLS)
    parser.feed('<tool_call>{"name": "weather", "arguments": {"a": "')
    assert sum(len(parser.feed("word ")) for _ in range(50_000)) == 50_000


PIECES = [
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", CALL, "\n", " ", "x"),
    *(
        '{"name": "clock", "parameters": {"a": [1, "]"]}}',
        '{"name": "patch"}',
        "[",
        "]",
        "; ",
        ", ",
        "<",
        "{",
        "}",
        '"',
    ),
    *(
        '{"name": "shell", "arguments": {"input": "\\ud83d\\ude00"}}',
        "日本",
        '"name"',
        ":",
        '{"arguments": {}, ',
        "nul",
    ),
]


@pytest.mark.parametrize("family", [QWEN, PLAIN, LLAMA, MISTRALS], ids=["qwen", "plain", "llama", "mistral"])
@given(st.data())
def test_any_chunking_says_the_same_and_loses_nothing(family: Family, data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=8)))
    whole = parse(family, text)
    parser, deltas, rest = OutputParser(family, TOOLS), [], text
    while rest:
        size = data.draw(st.integers(1, 12))
        deltas += parser.feed(rest[:size])
        rest = rest[size:]
    assert merge([*deltas, *parser.finish()]) == whole
    assert all(d.text for d in deltas if not isinstance(d, ToolCallStart))
    if not whole[2]:
        assert letters(whole[0] + whole[1]) == letters(text)
    for name, arguments in whole[2]:
        assert name in {tool.name for tool in TOOLS}
        assert name in ("shell", "patch") or arguments.startswith("{")


def test_ids_differ() -> None:
    deltas = OutputParser(QWEN, TOOLS).feed(f"<tool_call>{CALL}{CALL}")
    assert len({d.id for d in deltas if isinstance(d, ToolCallStart)}) == 2
    assert json.loads("".join(d.text for d in deltas if isinstance(d, ToolCallArguments) and d.index == 1))
