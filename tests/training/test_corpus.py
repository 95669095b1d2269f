import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from owngpt.errors import SetupError
from owngpt.text.held_out import is_held_out
from owngpt.training.corpus import build_corpus, held_out_file, read_manifest, train_file
from owngpt.training.documents import Document, read_documents
from owngpt.training.sources import Source
from tests.training.conftest import TINY_SOURCES

WORDS = [
    f"{first}{second}" for first in ("ba", "ce", "di", "fo", "gu", "ha") for second in ("ck", "ll", "nd", "st", "rm")
]


def source(name: str, file: str, texts: list[str]) -> Source:
    documents = [Document(name, f"{name}-{index}", text) for index, text in enumerate(texts)]
    return Source(name, "english", file, "CC0-1.0", "nobody", lambda _: iter(documents), 1, 1)


def test_duplicates_are_dropped_across_sources(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    sources = [source("one", "a", ["x y", "z"]), source("two", "a", ["x  y", "w"])]
    reports = build_corpus(tmp_path, tmp_path / "out", sources=sources, progress=lambda line: None)
    assert [(report.num_train, report.num_duplicates) for report in reports] == [(2, 0), (1, 1)]
    assert [document.text for document in read_documents(train_file(tmp_path / "out", "two"))] == ["w"]


def test_broken_documents_are_dropped_and_counted(tmp_path: Path) -> None:
    texts = ["fine", "x\ufffd" * 9, "1234 5678 " * 20, "The same line again.\n" * 20]
    (report,) = build_corpus(
        tmp_path, tmp_path / "out", sources=[source("one", ".", texts)], progress=lambda line: None
    )
    assert report.num_train == 1
    assert report.dropped == {"mojibake": 1, "numbers": 1, "repeated_lines": 1}


def test_near_duplicates_are_dropped_also_of_what_is_held_out(tmp_path: Path) -> None:
    """The later of two near texts goes; whichever comes first, the held-out one stays."""
    pages = [" ".join(Random(seed).choices(WORDS, k=150)) for seed in range(200)]
    copies = [f"{page} ball" for page in pages]
    sources = [source("one", ".", pages), source("two", ".", copies)]
    one, two = build_corpus(tmp_path, tmp_path / "out", sources=sources, progress=lambda line: None)
    groups = [f"{name}-{index}" for name in ("one", "two") for index in range(200)]
    held_out = {group for group in groups if is_held_out(group)}
    numbers = {group.partition("-")[2] for group in held_out}
    assert held_out
    assert one.dropped.get("near_held_out", 0) == len([g for g in held_out if g.startswith("two")])
    assert one.num_train + two.num_train == 200 - len(numbers)
    assert two.dropped["near_duplicate"] + two.dropped["near_held_out"] + two.num_train + two.num_held_out == 200


def test_what_shares_a_key_with_a_held_out_document_is_dropped(tmp_path: Path) -> None:
    held_out = next(f"group {n}" for n in range(1000) if is_held_out(f"group {n}"))
    kept = next(f"group {n}" for n in range(1000) if not is_held_out(f"group {n}"))
    documents = [
        Document("one", kept, "a", keys=("cat",)),
        Document("one", kept, "b", keys=("dog",)),
        Document("one", held_out, "c", keys=("cat", "cow")),
    ]
    one = Source("one", "chat", ".", "MIT", "nobody", lambda _: iter(documents), 1, 1)
    (report,) = build_corpus(tmp_path, tmp_path / "out", sources=[one], progress=lambda line: None)
    assert [document.text for document in read_documents(train_file(tmp_path / "out", "one"))] == ["b"]
    assert report.dropped == {"shared_with_held_out": 1}


def test_a_source_is_never_without_a_held_out_part(tmp_path: Path) -> None:
    kept = [f"group {n}" for n in range(40) if not is_held_out(f"group {n}")]
    documents = [Document("one", group, f"text of {group}") for group in kept]
    one = Source("one", "english", ".", "MIT", "nobody", lambda _: iter(documents), 1, 1)
    (report,) = build_corpus(tmp_path, tmp_path / "out", sources=[one], progress=lambda line: None)
    assert (report.num_train, report.num_held_out) == (len(kept) - 1, 1)


def test_groups_stay_together_where_chance_holds_out_too_little(tmp_path: Path) -> None:
    kept = [f"group {n}" for n in range(2000) if not is_held_out(f"group {n}")]
    documents = [Document("one", group, f"{part} of {group}") for group in kept for part in ("one", "two")]
    one = Source("one", "english", ".", "MIT", "nobody", lambda _: iter(documents), 1, 1)
    (report,) = build_corpus(tmp_path, tmp_path / "out", sources=[one], progress=lambda line: None)
    assert report.num_held_out == pytest.approx(len(documents) / 200, abs=2)
    train, held_out = (
        {document.group for document in read_documents(file(tmp_path / "out", "one"))}
        for file in (train_file, held_out_file)
    )
    assert not train & held_out


def test_a_licence_that_forbids_training_is_refused(tmp_path: Path) -> None:
    one = replace(source("one", ".", ["x"]), licence="CC-BY-NC-4.0")
    with pytest.raises(SetupError, match=r"'one' has the licence 'CC-BY-NC-4.0', which does not allow training"):
        build_corpus(tmp_path, tmp_path / "out", sources=[one], progress=lambda line: None)


def test_every_file_that_was_written_has_its_hash(corpus: Path) -> None:
    files = {name: digest for report in read_manifest(corpus) for name, digest in report.files.items()}
    assert set(files) == {path.name for path in corpus.glob("*.jsonl")}
    for name, digest in files.items():
        assert sha256((corpus / name).read_bytes()).hexdigest() == digest


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
