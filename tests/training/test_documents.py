from pathlib import Path

import pytest

from owngpt.errors import SetupError
from owngpt.training.documents import Document, DocumentFile, key_of, read_documents, write_documents
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


def test_a_key_has_no_case_and_no_punctuation() -> None:
    assert key_of("I can 't go .") == key_of("I can't go.")
    assert key_of("私 は 行く 。") == key_of("私は行く。")
    assert key_of("I can go.") != key_of("I can't go.")


def test_what_was_said_is_the_content() -> None:
    talk = Document(
        "talks", "7", messages=(Message("system", "Be brief."), Message("user", "a"), Message("assistant", "b"))
    )
    assert talk.content == "a\nb"
    assert talk.num_characters == 11
    assert Document("books", "1", "Once").content == "Once"


def test_documents_can_be_read_one_by_one(tmp_path: Path) -> None:
    documents = [Document("books", str(n), "猫" * n or "x") for n in range(20)]
    write_documents(tmp_path / "a.jsonl", documents)
    file = DocumentFile(tmp_path / "a.jsonl")
    assert len(file) == 20
    assert [file[7], file[0], file[-1]] == [documents[7], documents[0], documents[19]]
    assert file[3:6] == documents[3:6]
    assert list(reversed(file)) == documents[::-1]
    with pytest.raises(IndexError):
        file[20]
    with pytest.raises(SetupError, match=r"b\.jsonl cannot be read"):
        DocumentFile(tmp_path / "b.jsonl")
