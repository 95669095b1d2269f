"""Whatever is accepted for a gap of a file that parses leaves one that parses."""

from __future__ import annotations

import json
import random
import sysconfig
import tomllib
from pathlib import Path

import pytest

from owngpt.service.fim.checks import BracketCheck, DataCheck, check_of
from owngpt.service.fim.gap import Gap
from owngpt.service.fim.python import PythonCheck, parses

LIBRARY = Path(sysconfig.get_path("stdlib"))
FILES = ("abc.py", "bisect.py", "contextlib.py", "heapq.py", "shlex.py", "textwrap.py")
SAID = ("x = 1", ")", '"', "if x:", "\n", "else:", "]]", "'''", "foo(", "\nreturn 1", "    y\n", "@a", "\\", "x\nfoo()")


@pytest.mark.parametrize("name", FILES)
def test_python_that_parses_goes_on_parsing(name: str) -> None:
    """At random places of the standard library, with ends of lines taken out: what is accepted parses."""
    text = (LIBRARY / name).read_text(encoding="utf-8")
    drawn = random.Random(name)
    num_checked = 0
    for _ in range(8):
        start = drawn.randrange(len(text))
        end = text.index("\n", start) if drawn.random() < 0.7 else start
        gap = Gap(text[:start], text[end:], name)
        check = check_of(gap)
        num_checked += isinstance(check, PythonCheck)
        assert check.accepts(text[start:end])
        for said in SAID if isinstance(check, PythonCheck) else ():
            if check.accepts(said):
                whole = [text[:start] + said + body + text[end:] for body in ("", " pass")]
                assert parses(whole[0]) or (said.endswith(":") and parses(whole[1])), (text[:start], said)
    assert num_checked > 3, "most places of a file that parses can be checked by parsing"


def test_only_the_function_around_the_gap_is_parsed() -> None:
    rest = "def other():\n" + "    x = 1\n" * 5000
    gap = Gap(f"{rest}class A:\n    def f(self):\n        ", f"\n\n    def g(self): ...\n\n{rest}", "a.py")
    check = PythonCheck.of(gap)
    assert check is not None
    assert check.accepts("return 1")
    assert not check.accepts("return (1")
    assert not check.accepts("\nreturn 1"), "it would end the class"
    assert len(check._before) + len(check._behind) < 100


def test_a_beginning_that_was_cut_off_does_no_harm() -> None:
    """Editors send what is near the gap; it may begin inside a function, or inside a string."""
    in_function = Gap("        y = 2\n        return ", "\n\n    def g(self):\n        pass\n", "a.py")
    in_string = Gap('of a text.\n    """\n    x = ', "\n", "a.py")
    for gap in (in_function, in_string):
        check = check_of(gap)
        assert isinstance(check, PythonCheck)
        assert check.accepts("(1)")
        assert not check.accepts("(1")


def test_python_that_is_broken_elsewhere_is_checked_by_brackets() -> None:
    check = check_of(Gap("def f():\n    print 'this is Python 2'\n    x = ", "\n", "a.py"))
    assert isinstance(check, BracketCheck)
    assert check.accepts("f(1)")
    assert not check.accepts("f(1")


@pytest.mark.parametrize(
    ("prefix", "suffix", "good", "bad"),
    [
        ('{"a": ', "}", "[1, 2]", "[1, 2"),
        ('{"a": 1', "}", ', "b": 2', ', "b"'),
        ("{", "}", '"a": 1', '"a"'),
        ('["a', '"]', "b", 'b"'),
    ],
)
def test_json_goes_on_being_json(prefix: str, suffix: str, good: str, bad: str) -> None:
    check = check_of(Gap(prefix, suffix, "a.json"))
    assert isinstance(check, DataCheck)
    assert check.accepts(good)
    assert json.loads(prefix + good + suffix)
    assert not check.accepts(bad)


def test_toml_goes_on_being_toml() -> None:
    check = check_of(Gap("[a]\nx = ", "\ny = 2\n", "a.toml"))
    assert isinstance(check, DataCheck)
    assert check.accepts('"text"')
    assert tomllib.loads('[a]\nx = "text"\ny = 2\n')
    assert not check.accepts("text")


def test_json_with_comments_is_checked_by_brackets() -> None:
    check = check_of(Gap('{ // comment\n"a": ', "}", "a.json"))
    assert isinstance(check, BracketCheck)
    assert not check.accepts("[1")


@pytest.mark.parametrize("text", ["x = '\\d'", "x" + "(" * 500, "a\0b", "def f(:"])
def test_whatever_the_text_parsing_neither_fails_nor_warns(text: str) -> None:
    assert parses(text) == (text == "x = '\\d'")
