"""What a model writes, read back: quotation marks only around what stands in a passage."""

from __future__ import annotations

import random

import pytest

from owngpt.retrieval.cite import QuoteReader
from owngpt.text.quotes import QuoteMarks
from owngpt.types import Citation, Passage

MARKS = QuoteMarks('"', '"')
DOCUMENT = "Page one says hello.\n\n第二頁：全角の　空白と改行\nがある。 The end, the end."
PASSAGES = [
    Passage("p1", DOCUMENT[5:40], "file-1", "a.pdf", 5, ((0, 1), (22, 2))),
    Passage("p2", DOCUMENT[22:], "file-1", "a.pdf", 22, ((0, 1), (22, 2))),
    Passage("p3", "x", "file-2", "b.txt"),
]


def read(text: str, cuts: random.Random | None = None) -> tuple[str, list[Citation]]:
    reader, out = QuoteReader(PASSAGES, MARKS), []
    while text:
        size = cuts.randint(1, 4) if cuts else len(text)
        out += reader.feed(text[:size])
        text = text[size:]
    out += reader.finish()
    clean = "".join(item for item in out if isinstance(item, str))
    return clean, [item for item in out if isinstance(item, Citation)]


@pytest.mark.parametrize(
    ("written", "clean", "quotes"),
    [
        ('It "[1] says hello." there', 'It "says hello." there', ["says hello."]),
        ('"[2] 全角の　空白と改行\nがある。"', '"全角の　空白と改行\nがある。"', ["全角の　空白と改行\nがある。"]),
        ('"[2] The end""[2] the end"', '"The end""the end"', ["The end", "the end"]),
        ('cut "[1] says he', 'cut "says he"', ["says he"]),
        ('cut "[1] s', "cut s", []),
        ('cut "[1] ', "cut ", []),
        ('cut "[1', "cut ", []),
        ('cut "[2] 全角\ufffd', 'cut "全角"', ["全角"]),
        ('"[3] x"', '"x"', ["x"]),
        ('It "[1] says goodbye." there', 'It "says "goodbye. there', ["says "]),
        ('He said "no" and “no” and 「いいえ」', "He said no and no and いいえ", []),
        ('"[9] hello"', " hello", []),
        ("as in [1] and [12] and [a] and [", "as in  and  and [a] and [", []),
        ("don't 'quote' the dogs' [", "don't quote' the dogs' [", []),
    ],
)
def test_reading(written: str, clean: str, quotes: list[str]) -> None:
    text, citations = read(written)
    assert (text, [citation.quote for citation in citations]) == (clean, quotes)
    for citation in citations:
        assert citation.file_id == "file-2" or DOCUMENT[citation.start : citation.end] == citation.quote
        assert text[citation.index - len(citation.quote) - 1 : citation.index] == citation.quote + '"'
    for seed in range(5):
        assert read(written, random.Random(seed)) == (text, citations)


def test_the_first_place_in_the_passage_counts_and_its_page_is_told() -> None:
    _, citations = read('"[2] the end"')
    (citation,) = citations
    assert (citation.start, citation.page, citation.passage_id) == (DOCUMENT.index("the end"), 2, "p2")


def test_a_passages_own_mark_is_no_quote() -> None:
    """An answer was cut behind the first character of a quote, which was a quotation mark of the passage."""
    reader = QuoteReader([Passage("p", "「はい」と言った", "f", "n")], QuoteMarks("『", "』"))
    assert [*reader.feed("彼は『[1] 「"), *reader.finish()] == ["彼は"]


def test_whatever_is_read_only_what_is_verbatim_stands_between_marks() -> None:
    """Any text at all: marks, labels and pieces of the passages in any order."""
    pieces = [
        '"',
        "[1] ",
        "[2] ",
        "[",
        "]",
        "“",
        "「",
        "'",
        "says hello",
        "全角の",
        "no such words",
        " ",
        "1",
        "\n",
        "x",
    ]
    for seed in range(300):
        shuffled = random.Random(seed)
        text, citations = read("".join(shuffled.choices(pieces, k=30)), shuffled)
        begun, rest = [], 0
        for citation in citations:
            start = citation.index - len(citation.quote) - 2
            assert text[start : citation.index] == f'"{citation.quote}"'
            assert start >= rest
            begun.append(text[rest:start])
            rest = citation.index
            passage = next(passage for passage in PASSAGES if passage.id == citation.passage_id)
            assert passage.text[citation.start - passage.start : citation.end - passage.start] == citation.quote
        assert not set("".join([*begun, text[rest:]])) & set('"“「')
