"""What is held out is so by the rule that measurements use, and nothing of it is learned from."""

from __future__ import annotations

from pathlib import Path

import pytest

from owngpt.text.held_out import is_held_out_of
from owngpt.training.reader.examples import Passages, read_claims, read_passages, read_translations
from owngpt.training.reader.made_claims import answered, falsified
from tests.fakes.reader import PLACES, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data") / "data")


def passages(data: Path) -> Passages:
    return read_passages(data, held_out=False)


def test_answers_stand_where_questions_say(data: Path) -> None:
    found = passages(data)
    assert {question.language for question in found.questions} == {"en", "ja"}
    for question in found.questions:
        assert found.texts[question.passage][question.start :].startswith(question.text)


def test_held_out_articles_are_the_shared_ones(data: Path) -> None:
    learned, held_out = (set(read_passages(data, held_out=part).articles) for part in (False, True))
    assert not learned & held_out
    names = [f"市 {i}" for i in range(len(PLACES))]
    assert {name for name in names if is_held_out_of("jaquad", name)} == {n for n in held_out if n.startswith("市")}


def test_claims_are_on_one_side_only(data: Path) -> None:
    learned, held_out = read_claims(data, held_out=False), read_claims(data, held_out=True)
    assert {claim.source for claim in learned + held_out} == {"begin", "fool-me-twice", "asdc-correct", "jsick"}
    assert not set(learned) & set(held_out)


def test_translations_come_once_and_japanese_has_no_spaces(data: Path) -> None:
    pairs = read_translations(data)
    assert len(pairs) == len(set(pairs)) > 5
    assert not any(" " in pair.japanese for pair in pairs)


def test_made_claims_are_true_of_their_evidence_or_not(data: Path) -> None:
    found = passages(data)
    for claim in (*answered(found, "ja", 6), *falsified(found, "en", 40)):
        said = claim.text.split()[-1] if claim.source == "answered" else claim.text
        assert (said in claim.evidence) is claim.is_supported
