"""What is offered of what a model says: where it ends, and that it never breaks a file."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.service.fim.checks import check_of
from owngpt.service.fim.cutter import Cutter, mode_of
from owngpt.service.fim.gap import Gap

FUNCTION = "def f(x):\n    "
METHOD = "class A:\n    def f(self):\n        "


class Cut(NamedTuple):
    """What was offered, piece by piece, and how much of the text was read for it."""

    pieces: list[str]
    num_read: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def cut(
    prefix: str,
    suffix: str,
    said: str,
    mode: Literal["auto", "line", "block"] = "auto",
    path: str | None = "a.py",
    step: int = 3,
) -> Cut:
    gap = Gap(prefix, suffix, path)
    cutter = Cutter(gap, check_of(gap), mode_of(gap, mode))
    pieces, read = [], 0
    while read < len(said) and not cutter.is_done:
        pieces.append(cutter.feed(said[read : read + step]))
        read += step
    return Cut([piece for piece in (*pieces, cutter.finish()) if piece], min(read, len(said)))


@pytest.mark.parametrize(
    ("prefix", "suffix", "said", "offered"),
    [
        pytest.param(FUNCTION + "return ", "\n", "x + 1\n\ndef g():\n", "x + 1", id="a statement ends with its line"),
        pytest.param("x = (1,", "\n", "\n    2,\n    3)\ny = 2\n", "\n    2,\n    3)", id="or behind its brackets"),
        pytest.param(
            "for x in ", "\n", "xs:\n    print(x)\n\n    y = 1\nfoo()\n", "xs:\n    print(x)\n\n    y = 1", id="a body"
        ),
        pytest.param(
            FUNCTION, "\n\nz = 1\n", "y = x\n    return y\n\n\ndef h():\n", "y = x\n    return y", id="dedent"
        ),
        pytest.param("", "", "a = 1\nb = 2\n\nc = 3\n", "a = 1\nb = 2", id="a paragraph"),
        pytest.param("def f():", "\n", "\n    return 1\n\nfoo\n", "\n    return 1", id="below a line that is complete"),
        pytest.param("if x", "\n    y = 1\n", " == 2:\n    y = 1\n    z\n", " == 2:", id="what stands behind it"),
        pytest.param(
            'def f():\n    """A\n\n    ', '\n    """\n', "b.\n    C.\n\n    D.\n", "b.\n    C.", id="prose in a string"
        ),
        pytest.param("import ", "\n\nx = 1\n", "os\nimport sys\n", "os", id="one import"),
        pytest.param(FUNCTION + "a = 1\n    ", "\n", "b = 1\n    b = 1\n    b = 1\n", "b = 1", id="repetition"),
    ],
)
def test_blocks_end_where_the_code_does(prefix: str, suffix: str, said: str, offered: str) -> None:
    assert cut(prefix, suffix, said).text == offered


@pytest.mark.parametrize(
    ("prefix", "suffix", "said", "offered"),
    [
        pytest.param("print(", ")\n", '"hi")\nfoo()\n', '"hi"', id="a bracket"),
        pytest.param("x = a", " + b\n", " * c + b\n", " * c", id="the rest of the line"),
        pytest.param('s = "ab', '"\n', 'cd"\n', "cd", id="a quote"),
        pytest.param("", "x = 1\n", "import os\nx = 1\n", "import os\n", id="a line above another one"),
    ],
)
def test_what_stands_behind_the_gap_is_not_said_again(prefix: str, suffix: str, said: str, offered: str) -> None:
    assert cut(prefix, suffix, said).text == offered


@pytest.mark.parametrize(
    ("path", "prefix", "suffix", "said", "offered"),
    [
        ("a.js", "function f(a", "\n", ") {\n  return a;\n}\n\nfunction g() {}\n", ") {\n  return a;\n}"),
        ("a.js", "function f(a) {\n  ", "\n}\n", "return a;\n}\n\nfunction g() {}\n", "return a;"),
        ("a.go", "if (x", "\n\tfoo()\n}\n", " > 1) {\n\tfoo()\n", " > 1) {"),
        ("a.json", '{"a": ', "\n}", '1,\n "b": 2}\n', '1,\n "b": 2'),
        ("a.toml", "[a]\nx = ", "\n", '1\ny = "\n', "1"),
        ("a.sh", "for f in *; do\n  ", "\n", "echo $f\ndone\necho x\n", "echo $f"),
        ("a.rb", "def f(x)", "\n", "\n  x + 1\nend\n\ndef g\n", "\n  x + 1\nend"),
        ("a.yaml", "a:\n  b: ", "\n", "1\n  c: 2\nd: 3\n", "1"),
    ],
)
def test_other_languages(path: str, prefix: str, suffix: str, said: str, offered: str) -> None:
    assert cut(prefix, suffix, said, path=path).text == offered


def test_nothing_is_read_behind_its_end() -> None:
    assert cut("print(", ")\n", '"hi")\nfoo()\n', step=1).num_read == len('"hi")')
    assert cut(FUNCTION + "return ", "\n", "x\n    y\n", step=1).num_read == len("x\n")


def test_lines_are_given_out_when_they_are_sure_to_stay() -> None:
    said = "if self.x:\n            return 1\n        return 2\n\n    def h(self):\n"
    pieces = cut(METHOD, "\n\n    def g(self):\n        pass\n", said, step=1).pieces
    assert pieces == ["if self.x:\n            return 1", "\n        return 2"]


def test_a_line_is_checked_once() -> None:
    class Refusing:
        num_asked = 0

        def accepts(self, middle: str) -> bool:
            self.num_asked += 1
            return False

    check = Refusing()
    cutter = Cutter(Gap(FUNCTION, "\n", "a.py"), check, "block")
    for character in "a = 1\n    b = 2\n    c = 3":
        cutter.feed(character)
    assert check.num_asked == 2


@pytest.mark.parametrize(
    ("prefix", "suffix", "said", "offered"),
    [
        pytest.param("x = ", "\n", "foo(\n", "", id="nothing"),
        pytest.param(FUNCTION, "\n", "y = 1\n    z = (\n", "y = 1", id="whole lines"),
        pytest.param("x = 1\n", "\ny = 2\n", "if x:\n", "", id="a file that parses goes on parsing"),
        pytest.param("for x in ", "\n", "xs:\n", "xs:", id="one that did not may wait for the body"),
        pytest.param("import os\n(broken here\n\n", "\n", "x = (1\n", "", id="broken elsewhere: by brackets"),
    ],
)
def test_what_would_break_the_file_is_cut_back(prefix: str, suffix: str, said: str, offered: str) -> None:
    assert cut(prefix, suffix, said).text == offered


def test_a_line_may_be_all_that_is_wanted() -> None:
    assert cut(FUNCTION, "\n", "y = x\n    return y\n", mode="line").text == "y = x"


def test_code_behind_the_gap_on_its_line_makes_it_a_line() -> None:
    assert mode_of(Gap("f(", ")\n"), "block") == "line"
    assert mode_of(Gap("f(", "\n)"), "auto") == "block"


@given(st.integers(1, 60))
def test_pieces_make_no_difference(step: int) -> None:
    said = 'if self.x == ")":\n            return """\n1"""\n        return 2\n\n    def h(self):\n'
    assert (
        cut(METHOD, "\n", said, step=step).text == 'if self.x == ")":\n            return """\n1"""\n        return 2'
    )
