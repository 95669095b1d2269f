"""PairReader: the best window of a long passage counts, and what it says does not depend on company."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from owngpt.engine.reading import OVERLAP, WINDOW, PairReader, best_span
from owngpt.errors import CheckpointError
from owngpt.model.encoder import Encoder
from owngpt.model.reader import HEADS, Pair, Reader
from tests.fakes.reader import small_encoder

QUESTION = "Where does the mayor live?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with random weights."""
    from safetensors.torch import save_file

    folder = small_encoder(tmp_path_factory.mktemp("reader") / "model")
    torch.manual_seed(1)
    save_file(Reader(Encoder.load(folder), 101, 102).head_state(), folder / HEADS)
    return folder


def test_a_long_passage_is_worth_its_best_window(folder: Path) -> None:
    reader = PairReader.load(folder)
    words = ["ship", "port", "city", "mayor", "sea"] * 80  # a token each
    windows = [words[start : start + WINDOW] for start in range(0, len(words) - OVERLAP, WINDOW - OVERLAP)]
    parts = reader.relevance(QUESTION, [" ".join(window) for window in windows])
    assert len(set(parts)) > 1
    assert reader.relevance(QUESTION, [" ".join(words)])[0] == pytest.approx(max(parts), abs=1e-5)


def test_scores_do_not_depend_on_company(folder: Path) -> None:
    reader = PairReader.load(folder)
    texts = ["The mayor lives in Oslo.", "Ships.", " ".join(["port"] * 150)]
    alone = [reader.relevance(QUESTION, [text])[0] for text in texts]
    assert reader.relevance(QUESTION, texts) == pytest.approx(alone, abs=1e-5)
    assert reader.support([(QUESTION, text) for text in texts]) == pytest.approx(
        [reader.support([(QUESTION, text)])[0] for text in texts], abs=1e-5
    )


def test_an_answer_is_a_run_of_words_of_a_text(folder: Path) -> None:
    texts = ["The mayor lives in Oslo.", "Ships sail at noon."]
    found = PairReader.load(folder).answer(QUESTION, texts)
    assert found is not None
    said = texts[found.text][found.start : found.end]
    assert said == said.strip()
    assert said


def test_nothing_to_read_has_no_answer(folder: Path) -> None:
    reader = PairReader.load(folder)
    assert reader.answer(QUESTION, []) is None
    assert reader.answer(QUESTION, [""]) is None
    assert reader.relevance(QUESTION, []) == []


def test_a_span_ends_behind_its_start_and_is_not_long() -> None:
    starts, ends = torch.full((80,), -9.0), torch.full((80,), -9.0)
    starts[60], ends[2], ends[62] = -0.1, -0.1, -0.5
    assert best_span(starts, ends) == (60, 62)


def test_types_tell_the_passage_from_what_is_asked(folder: Path) -> None:
    packed = Reader.load(folder, 101, 102).pack([Pair([7, 8], [9, 10, 11]), Pair([7], [])])
    assert packed.ids_BL[0].tolist() == [101, 7, 8, 102, 9, 10, 11, 102]
    assert packed.passage_BL.tolist() == [[False] * 4 + [True] * 3 + [False], [False] * 8]


def test_a_folder_without_heads_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="heads"):
        PairReader.load(small_encoder(tmp_path / "plain"))
