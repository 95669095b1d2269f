import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from owngpt.errors import SetupError
from owngpt.training.corpus import build_corpus
from owngpt.training.documents import Document
from owngpt.training.shards import (
    MIXTURE,
    Packer,
    pack_held_out,
    pack_train,
    read_held_out,
    read_tokens,
    train_tokens_file,
)
from owngpt.training.sources import Source


@pytest.fixture(scope="module")
def packer(tokenizer_folder: Path) -> Packer:
    return Packer.load(tokenizer_folder)


@pytest.fixture(scope="module")
def packed(corpus: Path, packer: Packer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokens")
    pack_train(corpus, out, packer, {"stable": 20_001, "decay": 10_001})
    return out


def text_of(packed: Path, packer: Packer, phase: str) -> str:
    tokens = read_tokens(packed / f"train.{phase}.bin")
    return packer.tokenizer.decode(tokens.tolist(), skip_special=False)


def test_each_phase_has_exactly_its_tokens(packed: Path) -> None:
    assert len(read_tokens(train_tokens_file(packed, "stable"))) == 20_001
    assert len(read_tokens(train_tokens_file(packed, "decay"))) == 10_001


def test_the_mixture_follows_the_shares_of_the_phase(packed: Path, packer: Packer) -> None:
    """Arithmetic has a share of 1 in 5, then of 3 in 7."""
    for phase, share in (("stable", 1 / 5), ("decay", 3 / 7)):
        sizes: Counter[str] = Counter()
        for document in text_of(packed, packer, phase).split("<|endoftext|>"):
            is_sum = "<|im_start|>" in document and "<tool" not in document
            sizes["sums" if is_sum else "others"] += len(packer.tokenizer.encode(document)) + 1
        assert sizes["sums"] / sizes.total() == pytest.approx(share, abs=0.03)


def test_the_phases_read_a_source_from_its_two_ends(packed: Path, packer: Packer) -> None:
    stable, decay = (
        {part for part in text_of(packed, packer, phase).split("<|endoftext|>") if part.endswith("blue sky.")}
        for phase in ("stable", "decay")
    )
    assert stable
    assert decay
    assert not stable & decay


def test_a_longer_file_begins_with_the_shorter_one(corpus: Path, packed: Path, packer: Packer, tmp_path: Path) -> None:
    """So a run may be made longer or shorter while the learning rate is level."""
    pack_train(corpus, tmp_path, packer, {"stable": 30_001, "decay": 5_001})
    for phase in ("stable", "decay"):
        one, other = (read_tokens(folder / f"train.{phase}.bin") for folder in (packed, tmp_path))
        common = min(len(one), len(other))
        assert (one[:common] == other[:common]).all()


def test_a_source_that_is_through_starts_over(corpus: Path, packer: Packer, tmp_path: Path) -> None:
    pack_train(corpus, tmp_path, packer, {"stable": 150_001})
    assert text_of(tmp_path, packer, "stable").count("Add 7.<|im_end|>") > 1


def small_corpus(folder: Path, max_epochs: float) -> Path:
    """Two sources of the same share; the first has ten documents, the second a thousand."""
    sources = [
        Source(name, "chat", ".", "MIT", "nobody", reader(name, size), 1, 1, max_epochs=max_epochs)
        for name, size in (("few", 10), ("many", 1000))
    ]
    build_corpus(folder, folder, sources=sources, progress=lambda line: None)
    return folder


def reader(name: str, size: int) -> Callable[[Path], Iterator[Document]]:
    return lambda _: (Document(name, f"{name} {n}", f"the {name} cats, number {n}") for n in range(size))


def test_a_small_source_is_read_a_few_times_at_most(packer: Packer, tmp_path: Path) -> None:
    """A share is an upper bound: what the small source leaves, the others take."""
    pack_train(small_corpus(tmp_path, max_epochs=4), tmp_path / "out", packer, {"stable": 4_001, "decay": 2_001})
    mixture = json.loads((tmp_path / "out" / MIXTURE).read_text())
    for phase in ("stable", "decay"):
        assert mixture[phase]["few"]["epochs"] == 2
        assert 0.1 < mixture[phase]["many"]["epochs"] < 1
    assert len(read_tokens(train_tokens_file(tmp_path / "out", "stable"))) == 4_001


def test_when_all_is_read_all_is_read_again(packer: Packer, tmp_path: Path) -> None:
    pack_train(small_corpus(tmp_path, max_epochs=1), tmp_path / "out", packer, {"stable": 40_001})
    epochs = {
        name: row["epochs"] for name, row in json.loads((tmp_path / "out" / MIXTURE).read_text())["stable"].items()
    }
    assert epochs["many"] > 1.5
    assert abs(epochs["few"] - epochs["many"]) <= 0.6, "half an epoch more in each round"


def test_packing_shows_how_far_it_is(
    corpus: Path, packer: Packer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("owngpt.training.shards.PROGRESS_SECONDS", 0.0)
    lines: list[str] = []
    pack_train(corpus, tmp_path, packer, {"stable": 2_000}, progress=lines.append)
    assert re.match(r"packing stable: \d\.\d of 0\.0 M tokens, \d+\.\d\d M tokens/s, \d+ s left", lines[0])


def test_code_is_partly_cut_for_filling_in(packed: Path, packer: Packer) -> None:
    text = text_of(packed, packer, "stable")
    assert 0.35 < text.count("<|fim_middle|>") / (text.count("def double") + 1) < 0.65


def test_conversations_are_rendered_by_the_template(packed: Path, packer: Packer) -> None:
    text = text_of(packed, packer, "stable")
    assert "<|im_start|>user\nAdd 7.<|im_end|>\n<|im_start|>assistant\n<tool_call>" in text
    assert "<tools>" in text


def test_packing_again_gives_the_same_tokens(corpus: Path, packed: Path, packer: Packer, tmp_path: Path) -> None:
    pack_train(corpus, tmp_path, packer, {"stable": 20_001, "decay": 10_001})
    for path in packed.glob("train.*.bin"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_held_out_text_comes_by_kind_and_is_never_cut(corpus: Path, packer: Packer, tmp_path: Path) -> None:
    pack_held_out(corpus, tmp_path, packer, 200)
    held_out = read_held_out(tmp_path)
    assert set(held_out) >= {"english", "japanese", "code"}
    assert packer.tokenizer.decode(held_out["code"].tolist(), skip_special=False).startswith("def double_")


def test_a_source_without_documents_is_named(packer: Packer, tmp_path: Path) -> None:
    empty = Source("nothing", "english", "", "CC0-1.0", "nobody", lambda _: iter(()), 1, 1)
    build_corpus(tmp_path, tmp_path, sources=[empty], progress=lambda line: None)
    with pytest.raises(SetupError, match="'nothing' has no documents"):
        pack_train(tmp_path, tmp_path, packer, {"stable": 10})
