import json
from dataclasses import replace
from pathlib import Path

import pytest

from owngpt.errors import SetupError
from owngpt.training.corpus import build_corpus, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents
from owngpt.training.sources import Source
from tests.training.conftest import TINY_SOURCES


def source(name: str, file: str, texts: list[str]) -> Source:
    documents = [Document(name, f"{name}-{index}", text) for index, text in enumerate(texts)]
    return Source(name, "english", file, "CC0-1.0", "nobody", lambda _: iter(documents), 1, 1)


def test_duplicates_are_dropped_across_sources(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    sources = [source("one", "a", ["x y", "z"]), source("two", "a", ["x  y", "w"])]
    reports = build_corpus(tmp_path, tmp_path / "out", sources=sources, progress=lambda line: None)
    assert [(report.num_train, report.num_duplicates) for report in reports] == [(2, 0), (1, 1)]
    assert [document.text for document in read_documents(train_file(tmp_path / "out", "two"))] == ["w"]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"source 'one' needs .*nowhere\.gz"):
        build_corpus(tmp_path, tmp_path / "out", sources=[source("one", "nowhere.gz", [])])


def test_train_and_held_out_share_no_document(corpus: Path) -> None:
    for name in ("cats", "neko", "doubles"):
        train = {document.group for document in read_documents(train_file(corpus, name))}
        held_out = {document.group for document in read_documents(held_out_file(corpus, name))}
        assert held_out
        assert not train & held_out
        assert len(train) + len(held_out) == 1000


def test_what_is_written_here_is_never_held_out(corpus: Path) -> None:
    assert not list(read_documents(held_out_file(corpus, "arithmetic")))


def test_the_manifest_gives_licence_credit_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    build_corpus(tmp_path, tmp_path / "out", sources=[source("one", "a", ["x"])], progress=lambda line: None)
    (report,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["sources"]
    assert report["sha256"] == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert (report["licence"], report["credit"]) == ("CC0-1.0", "nobody")
    assert read_manifest(tmp_path / "out")[0].num_train == 1


def test_the_same_seed_gives_the_same_files(corpus: Path, tmp_path: Path) -> None:
    build_corpus(corpus, tmp_path, sources=TINY_SOURCES, progress=lambda line: None)
    for path in corpus.glob("*.jsonl"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_another_seed_gives_another_order(corpus: Path, tmp_path: Path) -> None:
    build_corpus(corpus, tmp_path, sources=[replace(TINY_SOURCES[0])], seed=1, progress=lambda line: None)
    one, other = (train_file(folder, "cats").read_text().splitlines() for folder in (corpus, tmp_path))
    assert one != other
    assert sorted(one) == sorted(other)
