"""Sentences that answer questions, and where sentences end."""

from __future__ import annotations

import pytest

from owngpt.trust.answering import Question, Source
from owngpt.trust.extract import best
from owngpt.trust.language import language_of
from owngpt.trust.sentences import MAX_SENTENCE, split_sentences
from owngpt.trust.terms import terms

TOWER = (
    "Paris is on the Seine. The Eiffel Tower was built in 1889 by Gustave Eiffel. Millions of people visit it yearly."
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the Eiffel Tower built?", "The Eiffel Tower was built in 1889 by Gustave Eiffel."),
        ("How many people visit it each year?", "Millions of people visit it yearly."),
    ],
)
def test_the_best_sentence_holds_the_answer(question: str, answer: str) -> None:
    sources = [Source("Bread is baked of flour and water."), Source(TOWER)]
    first = Question(question, sources).rank()[0]
    assert first.span.of(sources[first.source].text) == answer


def test_a_question_that_is_not_answered_has_little_confidence() -> None:
    known, unknown = (
        Question(text, [Source(TOWER)]) for text in ("When was the tower built?", "Who won the cup of 1998?")
    )
    assert known.confidence(known.rank()) > unknown.confidence(unknown.rank())
    assert Question("When?", []).confidence([]) == 0.0


def test_what_is_far_behind_the_best_is_not_said() -> None:
    ranked = Question("When was the Eiffel Tower built by Gustave Eiffel?", [Source(TOWER)]).rank()
    assert 1 <= len(best(ranked, [TOWER])) <= 3
    assert best([], []) == []


def test_what_two_documents_say_is_said_once() -> None:
    texts = [TOWER, f"Elsewhere. {TOWER}"]
    shown = best(Question("When was the Eiffel Tower built?", [Source(text) for text in texts]).rank(), texts)
    said = [one.span.of(texts[one.source]) for one in shown]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith came. He left.", ["Dr. Smith came.", "He left."]),
        ("彼は「はい。」と言った。次だ！", ["彼は「はい。」と言った。", "次だ！"]),
        ("A line that is as long as a page of print\nallows goes on here.\n\nTitle\n- item", 3),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str] | int) -> None:
    found = [span.of(text) for span in split_sentences(text)]
    assert len(found) == sentences if isinstance(sentences, int) else found == sentences


def test_what_is_endless_is_cut_and_nothing_is_lost() -> None:
    text = "word, " * 500
    found = [span.of(text) for span in split_sentences(text)]
    assert max(map(len, found)) <= MAX_SENTENCE
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


def test_terms_and_languages() -> None:
    assert terms("The studies of 1,200 cats") == {"study": 1, "1200": 1, "cat": 1}
    assert {"東京", "タワ", "ワー"} <= set(terms("東京タワーは"))
    assert [language_of(text) for text in ("What?", "何ですか", "東京都", "GDP of 日本")] == ["en", "ja", "ja", "en"]
