"""Chunks: exact, complete, never too long, cut where the document has a joint."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from owngpt.retrieval.chunk import chunk
from owngpt.retrieval.document import Block, Document, DocumentBuilder
from owngpt.types import Chunk


def words(text: str) -> int:
    """A simple tokenizer: a word is a token, and so is each other character that is not blank."""
    return len(re.findall(r"[A-Za-z0-9]+|\S", text))


def sections() -> Document:
    builder = DocumentBuilder()
    for number in range(1, 4):
        builder.heading(f"Section {number}", 1)
        builder.add(f"It begins here in {number}. " + "This sentence has exactly six words. " * 8)
    return builder.build()


def texts(chunks: list[Chunk]) -> list[str]:
    return [item.text for item in chunks]


def test_a_section_begins_a_chunk_and_names_it() -> None:
    chunks = chunk(sections(), count=words, max_tokens=70, overlap=0)
    assert [item.text.splitlines()[0] for item in chunks] == ["Section 1", "Section 2", "Section 3"]
    assert chunks[0].headings == ()


def test_a_later_chunk_of_a_section_stands_under_its_headings() -> None:
    chunks = chunk(sections(), count=words, max_tokens=40, overlap=0)
    assert [item.headings for item in chunks] == [(), ("Section 1",), (), ("Section 2",), (), ("Section 3",)]


def test_whole_sentences_are_repeated_but_not_those_of_an_earlier_section() -> None:
    chunks = chunk(sections(), count=words, max_tokens=40, overlap=16)
    assert chunks[0].end - chunks[1].start == len("This sentence has exactly six words. " * 2) - 1
    assert next(item for item in chunks if "Section 2" in item.text).text.startswith("Section 2")


def test_japanese_is_cut_between_sentences() -> None:
    document = Document("彼は「行く。」と言った。とても遠い。そして寒い！")
    assert texts(chunk(document, count=len, max_tokens=14, overlap=0)) == [
        "彼は「行く。」と言った。",
        "とても遠い。そして寒い！",
    ]


def test_a_table_that_fits_is_kept_whole_and_column_names_follow_the_rows_of_one_that_does_not() -> None:
    builder = DocumentBuilder()
    builder.add("An introduction of some length comes before it.")
    builder.table([["name", "age"], *([f"person{i}", str(i)] for i in range(6))])
    introduction, table = chunk(builder.build(), count=words, max_tokens=24, overlap=0)
    assert introduction.text.endswith("before it.")
    assert table.text.startswith("name | age\nperson0 | 0")
    head, *rest = chunk(builder.build(), count=words, max_tokens=12, overlap=0)[1:]
    assert head.text.startswith("name | age")
    assert {item.headings for item in rest} == {("name | age",)}


def test_pages_of_a_chunk_are_those_it_touches() -> None:
    builder = DocumentBuilder()
    for page in (1, 2, 3):
        builder.page(page)
        builder.add(f"Words of page {page}.")
    (only,) = chunk(builder.build(), count=words, max_tokens=100, overlap=0)
    assert [only.page_at(only.text.index(f"page {page}.")) for page in (1, 2, 3)] == [1, 2, 3]
    parts = chunk(builder.build(), count=words, max_tokens=6, overlap=0)
    assert [part.pages for part in parts] == [((part.start, page),) for page, part in enumerate(parts, start=1)]


def test_a_document_without_blocks_and_a_blank_one() -> None:
    assert texts(chunk(Document("One.\n\nTwo."), count=words, max_tokens=2, overlap=0)) == ["One.", "Two."]
    assert chunk(Document(" \n\n \n"), count=words) == []


def test_a_long_run_without_any_joint_is_cut_all_the_same() -> None:
    chunks = chunk(Document("x" * 100_000), count=len, max_tokens=700, overlap=0)
    assert "".join(texts(chunks)) == "x" * 100_000
    assert max(map(len, texts(chunks))) <= 700


@pytest.mark.parametrize("overlap", [-1, 51])
def test_more_than_half_cannot_be_repeated(overlap: int) -> None:
    with pytest.raises(AssertionError, match="overlap"):
        chunk(Document("text"), count=words, max_tokens=100, overlap=overlap)


TEXT = st.text(alphabet="ab \n.。！、|「」字が9\u0301", min_size=1, max_size=60)
KINDS = st.sampled_from(["heading", "paragraph", "table", "list", "code"])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    builder = DocumentBuilder(title=draw(st.sampled_from([None, "Title"])))
    for page, (text, kind) in enumerate(draw(st.lists(st.tuples(TEXT, KINDS), min_size=1, max_size=12)), start=1):
        builder.page(page)
        if kind == "table":
            builder.table([line.split("|") for line in text.split("\n")])
        else:
            builder.add(text, kind, 1 + page % 3)
    builder.add("never blank")
    return builder.build()


@given(documents(), st.integers(1, 40), st.integers(0, 20), st.sampled_from([words, len]))
def test_chunks_are_exact_complete_in_order_and_short(
    document: Document, size: int, overlap: int, count: object
) -> None:
    assert callable(count)
    chunks = chunk(document, count=count, max_tokens=size, overlap=min(overlap, size // 2), owner="f")
    covered = set()
    for index, item in enumerate(chunks):
        assert item.text == document.text[item.start : item.end] == item.text.strip("\n")
        assert count(item.text) <= size or len(item.text) == 1
        assert item.id == f"f#{index}"
        covered.update(range(item.start, item.end))
        for offset in (item.start, item.end - 1):
            assert item.page_at(offset) == document.page_at(offset)
    assert all(i in covered for i, char in enumerate(document.text) if not char.isspace())
    assert [item.end for item in chunks] == sorted({item.end for item in chunks})
    assert [item.start for item in chunks] == sorted({item.start for item in chunks})


@given(documents())
def test_blocks_are_in_order_and_leave_only_blanks_between_them(document: Document) -> None:
    ends = [0, *(block.end for block in document.blocks)]
    for end, block in zip(ends, [*document.blocks, Block(len(document.text), len(document.text), "code")], strict=True):
        assert document.text[end : block.start].strip() == ""
