"""Thoughts, answers and calls out of messages with headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.text.family import HARMONY, Family
from owngpt.text.output import ContentDelta, ReasoningDelta, ToolCallArguments, ToolCallStart
from owngpt.text.parser import make_parser
from owngpt.types import Constraint, Tool
from tests.text.test_output import merge

GPT_OSS = Family(HARMONY, knows_tools=True)
WEATHER = Tool("weather", parameters={"type": "object"})
SHELL = Tool("shell", type="custom")
PATCH = Tool("patch", type="custom", grammar=Constraint("start: /.*/"))
TOOLS = (WEATHER, SHELL, PATCH)
NEXT = "<|end|><|start|>assistant"
THOUGHT = f"<|channel|>analysis<|message|>hm, so{NEXT}"
ARGUMENTS = '{"city": "Zürich <|end|>"}'


def parse(text: str, tools: tuple[Tool, ...] = TOOLS) -> tuple[str, str, list[tuple[str, str]]]:
    parser = make_parser(GPT_OSS, tools)
    return merge([*parser.feed(text), *parser.finish()])


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "calls"),
    [
        ("<|channel|>final<|message|>Hello\n", "", "Hello\n", []),
        (f"{THOUGHT}<|channel|>final<|message|>Hello", "hm, so", "Hello", []),
        (f"{THOUGHT}{THOUGHT}<|channel|>final<|message|>Hello", "hm, so\n\nhm, so", "Hello", []),
        (f'{THOUGHT}<|channel|>final <|constrain|>json<|message|>{{"a": 1}}', "hm, so", '{"a": 1}', []),
        ("<|channel|>analysis<|message|>cut sho", "cut sho", "", []),
        ("<|channel|>final<|message|>the mark <|end|> ends", "", "the mark <|end|> ends", []),
        (
            f"{THOUGHT}<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{ARGUMENTS}",
            *("hm, so", "", [("weather", ARGUMENTS)]),
        ),
        (
            f" to=functions.weather<|channel|>commentary json<|message|>{ARGUMENTS}",
            *("", "", [("weather", ARGUMENTS)]),
        ),
        (
            f"{THOUGHT} to=functions.weather<|channel|>commentary <|constrain|>json<|message|>{ARGUMENTS}",
            *("hm, so", "", [("weather", ARGUMENTS)]),
        ),
        (  # seen of the 20B model
            "<|channel|>analysis to=functions.weather code<|message|>{}",
            *("", "", [("weather", "{}")]),
        ),
        (
            f"<|channel|>commentary<|message|>I look.{NEXT}<|channel|>commentary to=functions.weather<|message|>",
            *("", "I look.", [("weather", "{}")]),
        ),
        (
            f"<|channel|>commentary<|message|>I look.{NEXT}<|channel|>final<|message|>It rains.",
            *("", "I look.\n\nIt rains.", []),
        ),
        (
            '<|channel|>commentary to=functions.shell json<|message|>{"input": "ls \\u00e9"}',
            *("", "", [("shell", "ls é")]),
        ),
        ("<|channel|>commentary to=functions.shell<|message|>ls -l", "", "", [("shell", "ls -l")]),
        ("<|channel|>commentary to=functions.patch<|message|>*** x\n", "", "", [("patch", "*** x\n")]),
        ('<|channel|>commentary to=functions.unknown json<|message|>{"a": 1}', "", '{"a": 1}', []),
        ("<|channel|>analysis to=python code<|message|>print(1)", "print(1)", "", []),
        ("no header at all", "", "no header at all", []),
        ("to be or not", "", "to be or not", []),
        ("<|channel|>fin", "", "", []),
        (f"{THOUGHT}<|channel|>final", "hm, so", "", []),
        ("<|chan", "", "<|chan", []),
        ("", "", "", []),
    ],
)
def test_messages(text: str, reasoning: str, content: str, calls: list[tuple[str, str]]) -> None:
    assert parse(text) == (reasoning, content, calls)


def test_without_tools_a_call_is_content() -> None:
    assert parse("<|channel|>commentary to=functions.weather json<|message|>{}", ()) == ("", "{}", [])


def test_only_tokens_end_an_answer() -> None:
    """The engine knows a mark from its spelling: the text of marks comes as thinking."""
    parser = make_parser(GPT_OSS)
    deltas = parser.feed("<|channel|>final<|message|>", is_thinking=True)
    deltas += parser.feed("Write <|end|><|start|>assistant")
    deltas += parser.feed("<|end|><|start|>assistant<|channel|>final<|message|>", is_thinking=True)
    deltas += parser.feed("Done")
    assert merge([*deltas, *parser.finish()]) == ("", "Write <|end|><|start|>assistant\n\nDone", [])


def test_everything_streams() -> None:
    parser = make_parser(GPT_OSS, TOOLS)
    assert parser.feed("<|channel|>analysis") == []
    assert parser.feed("<|message|>We n") == [ReasoningDelta("We n")]
    assert parser.feed("eed <|e") == [ReasoningDelta("eed ")]
    assert parser.feed("nd|><|start|>assistant<|channel|>commentary to=func") == []
    started = parser.feed("tions.weather json<|message|>")
    assert [type(delta) for delta in started] == [ToolCallStart]
    assert parser.feed('{"ci') == [ToolCallArguments(0, '{"ci')]
    assert parser.finish() == []
    parser = make_parser(GPT_OSS)
    assert parser.feed("<|channel|>final<|message|>Hel") == [ContentDelta("Hel")]


def test_a_long_answer_is_read_in_linear_time() -> None:
    parser = make_parser(GPT_OSS, TOOLS)
    parser.feed("<|channel|>analysis<|message|>")
    assert sum(len(parser.feed("word ")) for _ in range(50_000)) == 50_000


PIECES = [
    *("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "assistant", "analysis", "final"),
    *("commentary", " to=functions.weather", " to=functions.shell", " json", '{"input": "x"}', "{}", "日本", " ", "<|"),
]


@given(st.data())
def test_any_chunking_says_the_same_and_loses_nothing(data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=12)))
    whole = parse(text)
    parser, deltas, rest = make_parser(GPT_OSS, TOOLS), [], text
    while rest:
        size = data.draw(st.integers(1, 12))
        deltas += parser.feed(rest[:size])
        rest = rest[size:]
    assert merge([*deltas, *parser.finish()]) == whole
    if not text.lstrip().startswith(("<|start|>", "<|channel|>")) and "<|message|>" not in text:
        assert whole[0] + whole[1] == text
