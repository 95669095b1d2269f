"""What is open at a place of a text, whatever strings and comments have in them."""

from __future__ import annotations

import pytest

from owngpt.service.fim.language import language_of
from owngpt.service.fim.lexis import State, balance, quiet_lines


def state(path: str, text: str) -> State:
    return language_of(path, text).lexis.after(text)


@pytest.mark.parametrize(
    ("path", "text", "opens"),
    [
        ("a.py", "f([1, {", "([{"),
        ("a.py", "f('(', \"[\", # {\n", "("),
        ("a.py", '"""(\n"quoted" ("""[', "["),
        ("a.py", "x = 'it\\'s (' + (", "("),
        ("a.js", "f(`(\n${x}`, /* [ */ '{' // (\n", "("),
        ("a.rs", "fn f<'a>(x: &'a str, y: char) { match y { '{' => (", "{{("),
        ("a.sh", "echo ${#x} $(cat # (\n", "("),
        ("a.sql", "select '(' -- [\nfrom (", "("),
        ("a.lua", "f( -- {\n --[[ ( \n ]] [", "(["),
    ],
)
def test_brackets_in_strings_and_comments_do_not_count(path: str, text: str, opens: str) -> None:
    assert state(path, text).opens == opens


def test_where_a_string_or_comment_ends_is_known_inside_it() -> None:
    assert state("a.py", 'x = "ab').until == '"'
    assert state("a.py", '"""a\nb').until == '"""'
    assert state("a.c", "/* a\n").until == "*/"
    assert state("a.py", "# a") == State("", "\n", is_comment=True)
    assert state("a.py", "x = 'torn\n") == State()


def test_balance_counts_all_that_is_wrong() -> None:
    python = language_of("a.py", "").lexis
    assert balance(python, ("f(", "x", ")")) == 0
    assert balance(python, ("f(", ")", ")")) == 1
    assert balance(python, ("f([", "", "")) == 2
    assert balance(python, ("x = 'a", "", "\n")) == 1


def test_lines_inside_of_something_are_not_quiet() -> None:
    text = 'a = 1\nb = (\n2,\n)\nc = """\nx\n"""\nd = "#(" # (\ne\n'
    starts = quiet_lines(language_of("a.py", "").lexis, text)
    assert [text[start : start + 1] for start in starts] == ["a", "b", "c", "d", "e", ""]


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("src/Main.kt", "", "c"),
        ("Dockerfile", "", "ini"),
        ("notes", "def f(): pass", "plain"),
        (None, "import os\n\nx = 1\n", "python"),
        (None, "def f(x):\n    return x\n", "python"),
        (None, '{"a": 1}', "json"),
        (None, "[tool.x]\na = 1\n", "toml"),
        (None, "int main() {\n  return 0;\n}\n", "c"),
        (None, "Dear all, I am away for two weeks.", "plain"),
    ],
)
def test_a_language_is_known_by_name_or_by_text(path: str | None, text: str, name: str) -> None:
    assert language_of(path, text).name == name
