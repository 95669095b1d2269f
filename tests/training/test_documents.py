from pathlib import Path

import pytest

from owngpt.errors import SetupError
from owngpt.training.documents import Document, is_held_out, read_documents, write_documents
from owngpt.types import Message, Tool, ToolCall


def test_documents_come_back_as_they_were_written(tmp_path: Path) -> None:
    talk = Document(
        "talks",
        "7",
        messages=(
            Message("user", "天気は？"),
            Message("assistant", tool_calls=(ToolCall("call_0", "weather", '{"city": "東京"}'),)),
            Message("tool", "{}"),
        ),
        tools=(Tool("weather", parameters={"type": "object"}),),
    )
    documents = [Document("books", "1", "Once\nupon"), talk]
    write_documents(tmp_path / "a.jsonl", documents)
    assert list(read_documents(tmp_path / "a.jsonl")) == documents


def test_a_broken_corpus_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{\n")
    with pytest.raises(SetupError, match=r"a\.jsonl cannot be read"):
        list(read_documents(tmp_path / "a.jsonl"))


def test_white_space_does_not_make_another_document() -> None:
    assert Document("a", "1", "one two").fingerprint == Document("b", "2", " one\n two ").fingerprint
    assert Document("a", "1", "one two").fingerprint != Document("a", "1", "one three").fingerprint


def test_what_two_sources_make_of_one_page_is_split_alike() -> None:
    groups = [f"page-{n}" for n in range(3000)]
    held_out = [group for group in groups if is_held_out(Document("text", group))]
    assert 10 < len(held_out) < 60
    assert held_out == [group for group in groups if is_held_out(Document("questions", group))]
