"""A folder of one's own text, from files to a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from owngpt.errors import SetupError
from owngpt.training.cli import train
from owngpt.training.corpus import build_corpus, held_out_file, read_manifest, train_file
from owngpt.training.documents import read_documents
from owngpt.training.sources.folder import folder_sources

ENGLISH = "The cat number {n} sat on the mat and looked at the sky, which was as blue as it is on a good day.\n\n"
JAPANESE = "{n}匹の猫が青い空を見ていました。とても静かな日でした。空には雲が一つもありませんでした。\n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "notes").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "no.txt").write_text("hidden " * 100)
    (folder / "a.txt").write_text("".join(ENGLISH.format(n=n) for n in range(60)))
    (folder / "notes" / "b.md").write_text("---\ntitle: x\n---\n" + "".join(JAPANESE.format(n=n) for n in range(60)))
    (folder / "c.py").write_text("".join(f"def double_{n}(value):\n    return value + {n}\n\n\n" for n in range(60)))
    talk = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}
    (folder / "talk.jsonl").write_text(f"{json.dumps(talk)}\n{json.dumps({'text': ENGLISH.format(n=99) * 2})}\n")
    (folder / "picture.png").write_bytes(b"\x89")
    return folder


@pytest.fixture
def corpus(folder: Path, tmp_path: Path) -> Path:
    build_corpus(folder, tmp_path / "corpus", sources=folder_sources(folder), progress=lambda line: None)
    return tmp_path / "corpus"


def test_text_is_sorted_by_its_kind(corpus: Path) -> None:
    kinds = {report.name: report.kind for report in read_manifest(corpus) if report.name.startswith("own")}
    assert kinds == {"own-english": "english", "own-japanese": "japanese", "own-code": "code", "own-chat": "chat"}
    (talk,) = read_documents(train_file(corpus, "own-chat"))
    assert [message.content for message in talk.messages] == ["Hi", "Hello!"]
    english = [document.text for document in read_documents(train_file(corpus, "own-english"))]
    assert not any("hidden" in text for text in english)


def test_something_is_held_out_of_a_small_folder(corpus: Path) -> None:
    for name in ("own-english", "own-japanese", "own-code"):
        train = [document.text for document in read_documents(train_file(corpus, name))]
        held_out = [document.text for document in read_documents(held_out_file(corpus, name))]
        assert train
        assert held_out
        assert not set(train) & set(held_out)


def test_shares_follow_the_amounts_and_leave_room_for_talk(folder: Path) -> None:
    sources = {source.name: source for source in folder_sources(folder)}
    assert {"persona", "arithmetic", "steps"} <= set(sources)
    assert sum(source.stable for source in sources.values()) == pytest.approx(100)
    assert sum(source.decay for source in sources.values()) == pytest.approx(100)
    assert sources["own-english"].stable > sources["own-chat"].stable


@pytest.mark.parametrize("line", ["{", "[]", '{"words": "x"}', '{"messages": [{"role": "user"}]}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "talk.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(SetupError, match=r"talk\.jsonl, line 2"):
        folder_sources(tmp_path)


def test_a_folder_without_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89")
    with pytest.raises(SetupError, match=r"no text to train on; put \.txt"):
        folder_sources(tmp_path)


def test_the_command_takes_a_folder_or_archives(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "corpus")
    done = CliRunner().invoke(train, ["corpus", "--folder", str(folder), "--out", out])
    assert done.exit_code == 0, done.output
    assert "own-english" in done.output
    for arguments in ([], ["--folder", str(folder), "--data", str(folder)]):
        refused = CliRunner().invoke(train, ["corpus", *arguments, "--out", out])
        assert refused.exit_code == 2
        assert "either --data or --folder" in refused.output


def test_the_tokenizer_command_says_what_a_token_holds(corpus: Path, tmp_path: Path) -> None:
    arguments = ["tokenizer", "--corpus", str(corpus), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(train, [*arguments, "--vocab-size", "400", "--characters", "20000"])
    assert done.exit_code == 0, done.output
    assert "japanese" in done.output
    assert "bytes per token" in done.output
    assert (tmp_path / "out" / "fertility.json").exists()
